//! A program with a tracer of its own, which prints what it gets.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Span, SpanBuilder, SpanContext, SpanId, Status, TraceFlags, TraceId, Tracer};
use opentelemetry::{Context, KeyValue};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

struct Printer;

struct Printed {
    name: Cow<'static, str>,
    context: SpanContext,
}

impl Tracer for Printer {
    type Span = Printed;

    fn build_with_context(&self, builder: SpanBuilder, _: &Context) -> Printed {
        let (trace, span) = (TraceId::from(1_u128), SpanId::from(2_u64));
        let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, Default::default());
        Printed { name: builder.name, context }
    }
}

impl Span for Printed {
    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(&mut self, _: T, _: SystemTime, _: Vec<KeyValue>) {}

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, _: KeyValue) {}

    fn set_status(&mut self, _: Status) {}

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, _: T) {}

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, _: SystemTime) {
        println!("{} is over", self.name);
    }
}

#[tracing::instrument]
fn sell(item: &str) {
    tracing::info!(item, "sold");
}

fn main() {
    // A layer without a tracer has its spans for nobody.
    let without = tracing_subscriber::registry().with(tracing_opentelemetry::layer());
    tracing::subscriber::with_default(without, || tracing::info_span!("early").in_scope(|| ()));
    let layer = tracing_opentelemetry::layer().with_tracer(Printer);
    tracing_subscriber::registry().with(layer).init();
    sell("tea");
}

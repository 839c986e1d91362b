//! Sampled spans on their way to every exporter.

pub(crate) mod data;

use std::sync::Arc;

use opentelemetry::trace::Event;
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::config::{self, Exporter};
use crate::export::console::Console;
use crate::export::notices::ExportNotices;
use crate::export::queue::Queue;
use crate::export::{Backend, Destinations, Item, Signal, Sink};
use crate::resource::Source;
use crate::signals::resource::to_otlp;
use crate::signals::sourced::{Sourced, by_source};

/// All destinations of spans.
pub(crate) type Traces = Destinations<Sourced<SpanData>>;

/// Makes them.
pub(crate) fn destinations(
    config: &config::Traces,
    notices: &Arc<ExportNotices>,
    wake: &Arc<Notify>,
    budget: &Budget,
) -> Traces {
    let mut backends: Vec<Box<dyn Backend<Sourced<SpanData>> + Send>> = Vec::new();
    for processor in &config.processors {
        if let Some(sink) = Sink::new(&processor.exporter, Signal::Traces, notices) {
            let way = sink.way(request);
            backends.push(Box::new(Queue::new(way, sink.target(), processor.batch, notices, wake, budget)));
        } else if processor.exporter == Exporter::Console {
            backends.push(Box::new(Console::default()));
        }
    }
    Destinations::new(backends)
}

impl Item for SpanData {
    const MANY: &'static str = "spans";
    const QUEUE: &'static str = "OTEL_BSP_MAX_QUEUE_SIZE";

    fn weight(&self) -> usize {
        let of = |attributes: &[KeyValue]| -> usize {
            let text = |value: &Value| if let Value::String(text) = value { text.as_str().len() } else { 0 };
            attributes.iter().map(|kv| size_of::<KeyValue>() + text(&kv.value)).sum()
        };
        let events: usize = self.events.iter().map(|event| size_of::<Event>() + of(&event.attributes)).sum();
        size_of::<SpanData>() + of(&self.attributes) + events
    }
}

/// The spans by program and scope.
fn request(spans: Vec<Sourced<SpanData>>) -> ExportTraceServiceRequest {
    let of_program = |(source, spans): (Source, Vec<SpanData>)| {
        group_spans_by_resource_and_scope(spans, &to_otlp(source.resource()))
    };
    ExportTraceServiceRequest { resource_spans: by_source(spans).into_iter().flat_map(of_program).collect() }
}

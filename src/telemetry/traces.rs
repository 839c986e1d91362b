//! Sampled spans on their way to every exporter.

use std::sync::{Arc, LazyLock};

use opentelemetry::trace::Event;
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use super::budget::Budget;
use super::export::complaints::Complaints;
use super::export::console::Console;
use super::export::queue::{Queue, Way};
use super::export::{Backend, Destinations, Item, Signal, Sink};
use super::resource::LateResource;
use crate::config::{self, Exporter};

/// All destinations of spans.
pub(super) type Traces = Destinations<SpanData>;

/// Makes them.
pub(super) fn destinations(
    config: &config::Traces,
    resource: &LateResource,
    complaints: &Arc<Complaints>,
    wake: &Arc<Notify>,
    budget: &Budget,
) -> Traces {
    let mut backends: Vec<Box<dyn Backend<SpanData> + Send>> = Vec::new();
    for processor in &config.processors {
        if let Some(sink) = Sink::new(&processor.exporter, Signal::Traces, complaints) {
            let way = way(&sink, resource);
            backends.push(Box::new(Queue::new(way, sink.place(), processor.batch, complaints, wake, budget)));
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

fn way(sink: &Arc<Sink>, resource: &LateResource) -> Way<SpanData> {
    let resource = resource.clone();
    let resource = LazyLock::new(move || ResourceAttributesWithSchema::from(resource.get()));
    sink.way(move |spans| ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &resource),
    })
}

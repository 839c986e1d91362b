//! Sampled spans: their data, and the requests that export them.

pub(crate) mod data;

use opentelemetry::trace::{Event, Link};
use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use crate::resource::Source;
use crate::signals::resource::to_otlp;
use crate::signals::sourced::{Sourced, by_source};
use crate::signals::{BatchItem, Signal};

impl BatchItem for SpanData {
    const SIGNAL: Signal = Signal::Traces;
    const QUEUE: &'static str = "OTEL_BSP_MAX_QUEUE_SIZE";

    fn weight(&self) -> usize {
        let of = |attributes: &[KeyValue]| -> usize {
            let text = |value: &Value| if let Value::String(text) = value { text.as_str().len() } else { 0 };
            attributes.iter().map(|kv| size_of::<KeyValue>() + text(&kv.value)).sum()
        };
        let events: usize = self.events.iter().map(|event| size_of::<Event>() + of(&event.attributes)).sum();
        let links: usize = self.links.iter().map(|link| size_of::<Link>() + of(&link.attributes)).sum();
        size_of::<SpanData>() + of(&self.attributes) + events + links
    }
}

/// A span as OTLP has it.
pub(crate) fn encoded(span: SpanData) -> Vec<u8> {
    proto::Span::from(span).encode_to_vec()
}

/// The spans by program and scope.
pub(crate) fn request(spans: Vec<Sourced<SpanData>>) -> ExportTraceServiceRequest {
    let of_program = |(source, spans): (Source, Vec<SpanData>)| {
        group_spans_by_resource_and_scope(spans, &to_otlp(source.resource()))
    };
    ExportTraceServiceRequest { resource_spans: by_source(spans).into_iter().flat_map(of_program).collect() }
}

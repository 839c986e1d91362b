//! An order, from the message that brings it to the one that is sent.

use std::collections::HashMap;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{Link, Span, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{global, Context, InstrumentationScope, KeyValue};

pub fn take() {
    let scope = InstrumentationScope::builder("orders").with_version("1.0.0").build();
    let tracer = global::tracer_with_scope(scope);

    // An order is sent: its headers carry the span and the baggage, in the configured format.
    let span = tracer.span_builder("place order").with_kind(SpanKind::Producer).start(&tracer);
    let placed = Context::current_with_span(span).with_baggage([KeyValue::new("customer", "Jürgen")]);
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&placed, &mut headers));
    placed.span().end();

    // It is received.
    let sender = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    let customer = sender.baggage().get("customer").map(|name| name.to_string());
    println!("order of {}", customer.unwrap_or_default());

    let span = tracer
        .span_builder("take order")
        .with_kind(SpanKind::Consumer)
        .with_attributes([KeyValue::new("order.items", 2)])
        .start_with_context(&tracer, &sender);
    let order = span.span_context().clone();
    let current = sender.with_span(span).attach();

    // Spans made now are below that one, wherever they are made.
    tracer.in_span("check stock", |cx| {
        let span = cx.span();
        span.add_event("counted", vec![KeyValue::new("left", 96)]);
        span.set_status(Status::error("no kettles left"));
    });
    let mut sent = HashMap::new();
    let mut message = tracer.span_builder("send message").with_kind(SpanKind::Producer).start(&tracer);
    global::get_text_map_propagator(|propagator| propagator.inject(&mut sent));
    println!("carries {} headers", sent.len());
    message.end();
    drop(current);

    // A span of its own, which points to the other.
    let mut bill = tracer
        .span_builder("bill")
        .with_links(vec![Link::with_context(order)])
        .start_with_context(&tracer, &Context::new());
    bill.update_name("write bill");
    bill.end();
}

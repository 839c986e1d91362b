//! Trace headers that a request already has when it is about to be sent.
//!
//! A proxy copies the headers of the request that it serves, trace and all. Such copies give way, and so does what is
//! malformed: all formats then name the span of the request that is sent. A trace that the program itself named stays as
//! it is, and the other formats name the same one.

use std::sync::Arc;

use super::super::{flag, Carried, Context};
use super::{trace_context, Format, Propagator};
use crate::headers::{first, Headers, HeadersMut};

/// Sampling decisions that B3 carries without a trace.
const DECISION: u8 = flag::SAMPLED | flag::DEBUG;

impl Context {
    /// Whether the request that this work belongs to named that trace, or made that decision without one.
    fn was_brought(&self, found: &Context) -> bool {
        if found.is_empty() {
            return self.flags & flag::DECIDED != 0;
        }
        let others = self.carried.as_deref().map_or(&[][..], |carried| &carried.others);
        self.brought == found.ids() || others.contains(&found.ids())
    }
}

/// What the program itself named in that format.
fn own(format: Format, context: &Context, headers: &dyn Headers) -> Option<Context> {
    format.extract(headers).filter(|found| !context.was_brought(found))
}

fn formats(propagators: &[Propagator]) -> impl Iterator<Item = Format> + '_ {
    propagators.iter().flat_map(|propagator| propagator.reads().iter().rev().copied())
}

/// The span that the program itself named; the last format that names one has it, as where requests come in. What else
/// travels with the `current` span goes along.
pub(super) fn named(propagators: &[Propagator], current: &Context, headers: &dyn Headers) -> Option<Context> {
    let own = |format| own(format, current, headers).filter(|own| !own.is_empty()).map(|own| (format, own));
    let (format, own) = formats(propagators).filter_map(own).last()?;
    let tracestate = match format {
        Format::TraceContext => trace_context::tracestate(headers),
        _ => Vec::new(),
    };
    let (baggage, others) = match current.carried.as_deref() {
        Some(carried) => (carried.baggage.clone(), carried.others.clone()),
        None => Default::default(),
    };
    let carries_nothing = tracestate.is_empty() && baggage.is_empty() && others.is_empty();
    let carried = if carries_nothing { None } else { Some(Arc::new(Carried { tracestate, baggage, others })) };
    let flags = own.flags | current.flags & (flag::MUTED | flag::DECIDED);
    Some(Context { flags, brought: current.brought, carried, ..own })
}

/// Has all formats name the span of `context`, or the one that the program named in any of them; returns whether one
/// names the span of `context` then.
pub(super) fn write(propagators: &[Propagator], context: &Context, headers: &mut dyn HeadersMut) -> bool {
    let mut span = context.clone();
    let mut kept = [false; 6];
    for format in formats(propagators) {
        if format.fields().iter().all(|name| first(headers, name).is_none()) {
            continue;
        }
        match own(format, context, headers) {
            Some(own) => {
                if own.is_empty() {
                    span.flags = span.flags & !DECISION | own.flags & DECISION;
                } else {
                    span = Context { carried: None, ..own };
                }
                if let Some(kept) = kept.get_mut(format as usize) {
                    *kept = true;
                }
            }
            None => format.fields().iter().for_each(|name| headers.remove(name)),
        }
    }
    let mut is_written = false;
    for format in propagators.iter().filter_map(|propagator| propagator.writes()) {
        if kept.get(format as usize) == Some(&false) {
            format.inject(&span, headers);
            is_written = true;
        }
    }
    is_written && span.ids() == context.ids()
}

/// Takes the span of `context` out of the headers again.
pub(super) fn withdraw(propagators: &[Propagator], context: &Context, headers: &mut dyn HeadersMut) {
    for format in propagators.iter().filter_map(|propagator| propagator.writes()) {
        // OpenTracing has half of the trace's id.
        if !context.is_empty() && format.extract(headers).map_or(false, |found| found.span == context.span) {
            format.fields().iter().for_each(|name| headers.remove(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Map;
    use super::super::Propagator::{self, B3Multi, Baggage, Jaeger, OtTrace, TraceContext, XRay, B3};
    use super::super::{extract_with, inject_with};
    use super::*;
    use crate::context::Ids;

    const ALL: [Propagator; 7] = [TraceContext, Baggage, B3, B3Multi, Jaeger, XRay, OtTrace];
    const CALLER: Ids = Ids { trace: *b"\0\0\0\0\0\0\0\0caller\0\0", span: *b"caller\0\0" };
    const PROGRAM: Ids = Ids { trace: *b"\0\0\0\0\0\0\0\0own\0\0\0\0\0", span: *b"own\0\0\0\0\0" };

    fn context(ids: Ids) -> Context {
        Context { trace: ids.trace, span: ids.span, flags: flag::SAMPLED, ..Context::EMPTY }
    }

    fn written(propagators: &[Propagator], context: &Context) -> Map {
        let mut headers = Map::default();
        inject_with(propagators, context, &mut headers);
        headers
    }

    /// Serves a request with these headers and sends one with those: the ids in each format that is written.
    fn through(propagators: &[Propagator], served: &Map, mut sent: Map) -> (Map, Vec<Option<Ids>>) {
        let parent = extract_with(propagators, served);
        let trace = if parent.is_empty() { [7; 16] } else { parent.trace };
        let server = Context { trace, span: [1; 8], remote: false, ..parent };
        let parent = named(propagators, &server, &sent).unwrap_or_else(|| server.clone());
        let client = Context { span: [2; 8], remote: false, ..parent };
        inject_with(propagators, &client, &mut sent);
        let formats = propagators.iter().filter_map(|propagator| propagator.writes());
        let ids = formats.map(|format| format.extract(&sent).map(|found| found.ids())).collect();
        (sent, ids)
    }

    #[test]
    fn copied_headers_give_way_in_every_format() {
        for propagator in ALL.into_iter().filter(|propagator| *propagator != Baggage) {
            for configured in [&[propagator][..], &[propagator, Baggage, TraceContext], &[B3, propagator], &ALL] {
                let served = written(&[propagator], &context(CALLER));
                let (_, ids) = through(configured, &served, Map(served.0.clone()));
                let client = Some(Ids { trace: CALLER.trace, span: [2; 8] });
                assert!(ids.iter().all(|ids| *ids == client), "{propagator:?} {configured:?}: {ids:?}");
            }
        }
    }

    #[test]
    fn copies_of_formats_that_contradict_each_other_give_way() {
        for order in [[TraceContext, B3Multi], [B3Multi, TraceContext]] {
            let other = Ids { trace: PROGRAM.trace, span: [9; 8] };
            let mut served = written(&[TraceContext], &context(CALLER));
            served.0.extend(written(&[B3Multi], &context(other)).0);
            served.0.push(("b3".to_owned(), "00000000000000000000000000000005-0000000000000006-0".to_owned()));
            let (sent, ids) = through(&order, &served, Map(served.0.clone()));
            assert!(ids.iter().all(|ids| ids.map(|ids| ids.span) == Some([2; 8])), "{ids:?}");
            assert_eq!(sent.value("b3"), None, "it would outrank those that are written");
        }
    }

    #[test]
    fn a_trace_that_the_program_named_stays_and_goes_into_all_formats() {
        for propagator in ALL.into_iter().filter(|propagator| *propagator != Baggage) {
            let served = written(&ALL, &context(CALLER));
            let made = written(&[propagator], &context(PROGRAM));
            let (sent, ids) = through(&ALL, &served, Map(made.0.clone()));
            assert!(ids.iter().all(|ids| *ids == Some(PROGRAM)), "{propagator:?}: {ids:?}");
            assert!(made.0.iter().all(|(name, value)| sent.value(name) == Some(value)), "{propagator:?}");
            let parent = named(&ALL, &extract_with(&ALL, &served), &made).unwrap();
            assert!(parent.ids() == PROGRAM && parent.remote, "{propagator:?}");
        }
        // Among copies of the others, too.
        let mut sent = written(&ALL, &context(CALLER));
        let served = Map(sent.0.clone());
        for (name, value) in written(&[Jaeger], &context(PROGRAM)).0 {
            sent.set(&name, value.as_bytes());
        }
        assert!(through(&ALL, &served, sent).1.iter().all(|ids| *ids == Some(PROGRAM)));
    }

    #[test]
    fn malformed_headers_are_replaced() {
        for (name, value) in [
            ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            ("traceparent", "nonsense"),
            ("b3", "nonsense"),
            ("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"),
            ("uber-trace-id", "0:0:0:0"),
            ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
            ("ot-tracer-traceid", "nonsense"),
        ] {
            let (_, ids) = through(&ALL, &Map::default(), Map::of(&[(name, value)]));
            let expected: Vec<_> = ids.iter().map(|ids| ids.map(|ids| ids.span)).collect();
            assert_eq!(expected, [Some([2; 8]); 6], "{name}: {value}");
        }
    }

    #[test]
    fn a_tracestate_goes_where_its_traceparent_goes() {
        let parent = format!("00-0000000000000000{:016x}-{:016x}-01", 5, 6);
        let (good, bad) = (("traceparent", parent.as_str()), ("traceparent", "nonsense"));
        for (parent, state, expected) in [
            (good, "a=1,b=2", Some("a=1,b=2")),
            (good, " a=1 ,, b=2", Some("a=1,b=2")),
            (good, "A=1", None),
            (bad, "a=1", None),
        ] {
            let headers = [parent, ("tracestate", state)];
            let (sent, _) = through(&[TraceContext], &Map::of(&headers), Map::of(&headers));
            assert_eq!(sent.value("tracestate"), expected, "{parent:?} {state}");
        }
        // A trace that the program set itself is not replaced.
        let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let sent = Map::of(&[("traceparent", own), ("tracestate", "own=1")]);
        let served = Map::of(&[good, ("tracestate", "a=1")]);
        assert_eq!(
            named(&[TraceContext], &extract_with(&[TraceContext], &served), &sent).unwrap().carried.unwrap().tracestate,
            b"own=1"
        );
        let (sent, _) = through(&[TraceContext], &served, sent);
        assert_eq!((sent.value("traceparent"), sent.value("tracestate")), (Some(own), Some("own=1")));
    }

    #[test]
    fn baggage_that_the_program_copies_is_not_added_again() {
        let served = Map::of(&[("baggage", "a=1"), ("baggage", "b=2"), ("uberctx-c", "3")]);
        let (sent, _) = through(&[TraceContext, Baggage], &served, Map(served.0.clone()));
        assert_eq!(sent.0.iter().filter(|(name, _)| name == "baggage").count(), 2, "as the program copied it");
        let (sent, _) = through(&[TraceContext, Baggage], &served, Map::default());
        assert_eq!(sent.value("baggage"), Some("a=1,b=2"));
        let own = Map::of(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]);
        let (sent, _) = through(&[TraceContext, Baggage], &served, own);
        assert_eq!(sent.value("baggage"), Some("a=1,b=2"), "a trace of its own is no reason to lose it");
    }

    #[test]
    fn a_decision_that_was_copied_gives_way_and_one_that_was_made_holds_for_all() {
        for (served, sent, expected) in [
            (Map::of(&[("b3", "0")]), Map::of(&[("b3", "0")]), "-01"),
            (Map::default(), Map::of(&[("b3", "0")]), "-00"),
            (Map::default(), Map::of(&[("x-b3-flags", "1")]), "-01"),
        ] {
            let own = served.0.is_empty();
            let mut client = Context { span: [2; 8], ..context(CALLER) };
            client.flags |= extract_with(&[TraceContext, B3], &served).flags & flag::DECIDED;
            let mut headers = Map(sent.0.clone());
            inject_with(&[TraceContext, B3], &client, &mut headers);
            assert!(headers.value("traceparent").unwrap().ends_with(expected), "{:?}", headers.0);
            let stayed = sent.0.iter().all(|(name, value)| headers.value(name) == Some(value));
            assert_eq!(stayed, own, "{:?}", headers.0);
        }
    }

    #[test]
    fn injected_headers_can_be_withdrawn() {
        let mut headers = written(&ALL, &context(CALLER));
        headers.set("mine", b"1");
        withdraw(&ALL, &context(PROGRAM), &mut headers);
        assert!(headers.value("traceparent").is_some() && headers.value("b3").is_some());
        withdraw(&ALL, &context(CALLER), &mut headers);
        assert_eq!(headers.0, [("mine".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn without_a_span_nothing_is_touched() {
        for headers in [[("traceparent", "nonsense")], [("b3", "0")]] {
            let mut sent = Map::of(&headers);
            inject_with(&ALL, &Context::EMPTY, &mut sent);
            assert_eq!(sent.0.len(), 1);
            assert_eq!(sent.value(headers[0].0), Some(headers[0].1));
        }
    }
}

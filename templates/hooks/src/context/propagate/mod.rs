//! Propagators: a trace context in headers, one file for each format.
//!
//! Formats are tried in the order in which OTEL_PROPAGATORS names them. One that finds a trace replaces what another found
//! before, as the specification's composite propagator has it, and the same goes for baggage; a header that is missing or
//! malformed changes nothing. All of them write; what a request to be sent names already is looked at in `outgoing`.

mod b3;
mod baggage;
mod jaeger;
mod ot_trace;
mod outgoing;
mod text;
mod trace_context;
mod xray;

use std::sync::Arc;

pub(super) use baggage::{is_member as is_baggage_member, is_token};
pub(super) use text::trim;

use super::{flag, Carried, Context, Ids};
use crate::headers::{Headers, HeadersMut};
use crate::settings::{self, Environment, Propagator};

/// Longer headers are not carried: the specifications require at least 512 (tracestate) and 8192 (baggage) bytes.
pub(super) const MAX_CARRIED: usize = 8192;

use Propagator::{B3Multi, Baggage, Jaeger, OtTrace, TraceContext, XRay, B3};

impl Propagator {
    /// The formats it reads, the one that counts first.
    fn reads(self) -> &'static [Format] {
        match self {
            TraceContext => &[Format::TraceContext],
            Baggage => &[],
            B3 | B3Multi => &[Format::B3Single, Format::B3Several],
            Jaeger => &[Format::Jaeger],
            XRay => &[Format::XRay],
            OtTrace => &[Format::OtTrace],
        }
    }

    /// The format it writes.
    fn writes(self) -> Option<Format> {
        match self {
            B3Multi => Some(Format::B3Several),
            _ => self.reads().first().copied(),
        }
    }
}

/// Headers that name a trace together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    TraceContext,
    B3Single,
    B3Several,
    Jaeger,
    XRay,
    OtTrace,
}

impl Format {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Format::TraceContext => trace_context::FIELDS,
            Format::B3Single => b3::SINGLE_FIELDS,
            Format::B3Several => b3::MULTI_FIELDS,
            Format::Jaeger => jaeger::FIELDS,
            Format::XRay => xray::FIELDS,
            Format::OtTrace => ot_trace::FIELDS,
        }
    }

    fn extract(self, headers: &dyn Headers) -> Option<Context> {
        match self {
            Format::TraceContext => trace_context::extract(headers),
            Format::B3Single => b3::extract_single(headers),
            Format::B3Several => b3::extract_multi(headers),
            Format::Jaeger => jaeger::extract(headers),
            Format::XRay => xray::extract(headers),
            Format::OtTrace => ot_trace::extract(headers),
        }
    }

    fn inject(self, context: &Context, headers: &mut dyn HeadersMut) {
        match self {
            Format::TraceContext => trace_context::inject(context, headers),
            Format::B3Single => b3::inject_single(context, headers),
            Format::B3Several => b3::inject_multi(context, headers),
            Format::Jaeger => jaeger::inject(context, headers),
            Format::XRay => xray::inject(context, headers),
            Format::OtTrace => ot_trace::inject(context, headers),
        }
    }
}

pub(crate) fn extract(headers: &dyn Headers) -> Context {
    settings::get().map_or(Context::EMPTY, |settings| extract_with(&settings.propagators, headers))
}

/// The context that a process was started with, where environment variables carry what headers carry elsewhere. They are
/// W3C's, whatever the headers are; what could not stand in a header is left out.
pub(crate) fn from_environment(environment: &Environment) -> Context {
    let Environment { traceparent, tracestate, baggage } = environment;
    let fits = |value: &&String| value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let variables = [("traceparent", traceparent), ("tracestate", tracestate), ("baggage", baggage)];
    let variables = variables.map(|(name, value)| (name, value.as_ref().filter(fits)));
    extract_with(&[TraceContext, Baggage], &Variables(variables))
}

/// Variables as the headers that they stand for.
struct Variables<'a>([(&'static str, Option<&'a String>); 3]);

impl Headers for Variables<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.each(&mut |known, value| {
            if known == name {
                visit(value);
            }
        });
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (name, value) in &self.0 {
            if let Some(value) = value {
                visit(name, value.as_bytes());
            }
        }
    }
}

/// Writes the context; returns whether the headers carry its span then.
pub(crate) fn inject(context: &Context, headers: &mut dyn HeadersMut) -> bool {
    settings::get().map_or(false, |settings| inject_with(&settings.propagators, context, headers))
}

pub(crate) fn withdraw(context: &Context, headers: &mut dyn HeadersMut) {
    if let Some(settings) = settings::get() {
        outgoing::withdraw(&settings.propagators, context, headers);
    }
}

/// The headers that all configured formats write.
pub(crate) fn fields() -> Vec<&'static str> {
    let mut fields = Vec::new();
    for propagator in settings::get().map_or(&[][..], |settings| &settings.propagators) {
        let written = match propagator {
            Baggage => &[baggage::BAGGAGE],
            _ => propagator.writes().map_or(&[][..], Format::fields),
        };
        fields.extend(written.iter().copied().filter(|field| !fields.contains(field)).collect::<Vec<_>>());
    }
    fields
}

/// The span that the program itself named in the headers of a request that it is about to send.
pub(crate) fn named(current: &Context, headers: &dyn Headers) -> Option<Context> {
    outgoing::named(&settings::get()?.propagators, current, headers)
}

fn extract_with(propagators: &[Propagator], headers: &dyn Headers) -> Context {
    let mut context = Context::EMPTY;
    let mut carried = Carried::default();
    let mut decided = 0;
    let mut first = Ids::default();
    for propagator in propagators {
        let mut found = None;
        for read in propagator.reads().iter().filter_map(|format| format.extract(headers)) {
            decided |= read.flags & flag::DECIDED;
            // Copies of all of them may stand in a request that is sent later on. Where they agree, nothing is kept.
            if !read.is_empty() && read.ids() != first && !carried.others.contains(&read.ids()) {
                if first != Ids::default() {
                    carried.others.push(read.ids());
                } else {
                    first = read.ids();
                }
            }
            found = found.or(Some(read));
        }
        let list = match propagator {
            Baggage => baggage::extract(headers, baggage::BAGGAGE),
            Jaeger => jaeger::extract_baggage(headers),
            OtTrace if found.is_some() => ot_trace::extract_baggage(headers),
            _ => Vec::new(),
        };
        if !list.is_empty() {
            carried.baggage = list;
        }
        // A sampling decision without a trace does not replace a trace.
        if let Some(found) = found.filter(|found| !found.is_empty() || context.is_empty()) {
            context = found;
            carried.tracestate.clear();
            if *propagator == TraceContext {
                carried.tracestate = trace_context::tracestate(headers);
            }
        }
    }
    if !carried.others.is_empty() {
        carried.others.push(first);
    }
    context.flags |= decided;
    context.brought = context.ids();
    if !carried.tracestate.is_empty() || !carried.baggage.is_empty() || !carried.others.is_empty() {
        context.carried = Some(Arc::new(carried));
    }
    context
}

fn inject_with(propagators: &[Propagator], context: &Context, headers: &mut dyn HeadersMut) -> bool {
    let is_carried = !context.is_empty() && outgoing::write(propagators, context, headers);
    let baggage = context.carried.as_deref().map_or(&[][..], |carried| &carried.baggage);
    for propagator in propagators {
        match propagator {
            _ if baggage.is_empty() => {}
            Baggage => baggage::inject(baggage, headers),
            Jaeger => jaeger::inject_baggage(baggage, headers),
            OtTrace if !context.is_empty() => ot_trace::inject_baggage(baggage, headers),
            _ => {}
        }
    }
    is_carried
}

/// The caller's span, if its ids are valid (not all zeros).
fn remote(trace: [u8; 16], span: [u8; 8], flags: u8) -> Option<Context> {
    if trace == [0; 16] || span == [0; 8] {
        return None;
    }
    Some(Context { trace, span, flags, remote: true, ..Context::EMPTY })
}

/// A sampling decision that came without a trace.
fn decision(flags: u8) -> Context {
    Context { flags: flags | flag::DECIDED, ..Context::EMPTY }
}

#[cfg(test)]
mod tests {
    use super::testing::{extracted, injected, Map};
    use super::*;

    const W3C: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    const ZIPKIN: (&str, &str) = ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0");

    #[test]
    fn the_last_propagator_that_finds_a_trace_decides() {
        for (order, headers, first_byte) in [
            (&[TraceContext, B3][..], &[W3C, ZIPKIN][..], "80"),
            (&[B3, TraceContext], &[W3C, ZIPKIN], "0a"),
            (&[TraceContext, B3], &[W3C], "0a"),
            (&[TraceContext, B3], &[W3C, ("b3", "nonsense")], "0a"),
            (&[TraceContext, B3], &[W3C, ("b3", "0")], "0a"),
            (&[B3, TraceContext], &[("b3", "0"), W3C], "0a"),
            (&[B3Multi, Jaeger, XRay, OtTrace], &[W3C, ZIPKIN], "80"),
        ] {
            let found = extracted(order, headers).unwrap();
            assert!(found.0.starts_with(first_byte), "{order:?} {headers:?}: {found:?}");
        }
        assert_eq!(extracted(&[], &[W3C, ZIPKIN]), None);
    }

    #[test]
    fn a_tracestate_goes_with_its_trace() {
        let state = ("tracestate", "vendor=1");
        for (order, kept) in [(&[B3, TraceContext], true), (&[TraceContext, B3], false)] {
            let context = extract_with(order, &Map::of(&[W3C, state, ZIPKIN]));
            let carried = context.carried.expect("two formats disagree");
            assert_eq!(!carried.tracestate.is_empty(), kept, "{order:?}");
        }
    }

    #[test]
    fn the_environment_is_read_as_headers_are() {
        let from = |variables: &[(&str, &str)]| {
            let find =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_string());
            let context = from_environment(&Environment::read(find));
            let carried = context.carried.as_deref().map(|carried| (carried.tracestate.len(), carried.baggage.len()));
            (context.is_empty(), context.remote, carried)
        };
        let parent = ("TRACEPARENT", W3C.1);
        assert_eq!(from(&[]), (true, false, None));
        assert_eq!(from(&[parent]), (false, true, None));
        assert_eq!(from(&[parent, ("TRACESTATE", "a=1"), ("BAGGAGE", "k=v,l=w")]), (false, true, Some((3, 7))));
        assert_eq!(from(&[parent, ("TRACESTATE", "a=\n1"), ("BAGGAGE", "k=\u{e9}")]), (false, true, None));
        for nonsense in [("TRACEPARENT", "00-1-2-3"), ("traceparent", W3C.1)] {
            assert_eq!(from(&[nonsense, ("TRACESTATE", "a=1")]), (true, false, None), "{nonsense:?}");
        }
    }

    #[test]
    fn all_of_them_write() {
        let all = [TraceContext, Baggage, B3, B3Multi, Jaeger, XRay, OtTrace];
        let written = injected(&all, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1);
        let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
        let ids = ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "uber-trace-id"];
        assert_eq!(names.get(..6), Some(&ids[..]));
        let ids = ["x-amzn-trace-id", "ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"];
        assert_eq!(names.get(6..), Some(&ids[..]));
        assert!(injected(&[], "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1).is_empty());
    }

    #[test]
    fn baggage_that_the_program_set_stays_if_it_is_valid() {
        let context = extract_with(&[TraceContext, Baggage], &Map::of(&[W3C, ("baggage", "a=1")]));
        for (present, expected) in [("mine=1", "mine=1"), ("=,mine=1", "=,mine=1"), ("none", "a=1"), ("", "a=1")] {
            let mut headers = Map::of(&[("baggage", present)]);
            inject_with(&[TraceContext, Baggage, B3], &context, &mut headers);
            assert_eq!(headers.value("baggage"), Some(expected));
            assert!(headers.value("traceparent").is_some() && headers.value("b3").is_some());
        }
    }

    #[test]
    fn malformed_headers_cause_no_panic() {
        let names =
            ["traceparent", "b3", "uber-trace-id", "x-amzn-trace-id", "ot-tracer-traceid", "uberctx-a", "baggage"];
        let parts = [
            "",
            "-",
            ":",
            "%",
            "%3",
            ";",
            "=",
            "Root=",
            "Root=1-",
            "Sampled=",
            "0",
            "f",
            "\u{e9}",
            ",",
            "0af7651916cd43dd8448eb211c80319c",
        ];
        for name in names {
            for first in parts {
                for second in parts {
                    for third in parts {
                        let value = format!("{first}{second}{third}");
                        let context = extract_with(
                            &[TraceContext, Baggage, B3, Jaeger, XRay, OtTrace],
                            &Map::of(&[(name, &value)]),
                        );
                        inject_with(&[Baggage, Jaeger, OtTrace], &context, &mut Map::of(&[(name, &value)]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod testing {
    use super::text::hex;
    use super::*;

    /// Headers in a list.
    #[derive(Default)]
    pub(super) struct Map(pub(super) Vec<(String, String)>);

    impl Map {
        pub(super) fn of(headers: &[(&str, &str)]) -> Map {
            Map(headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
        }

        pub(super) fn value(&self, name: &str) -> Option<&str> {
            self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
        }
    }

    impl Headers for Map {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.iter().filter(|(found, _)| found == name).for_each(|(_, value)| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
        }
    }

    impl HeadersMut for Map {
        fn set(&mut self, name: &str, value: &[u8]) {
            self.0.retain(|(found, _)| found != name);
            self.0.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        }

        fn remove(&mut self, name: &str) {
            self.0.retain(|(found, _)| found != name);
        }
    }

    /// Trace, span and flags that are read from headers.
    pub(super) fn extracted(propagators: &[Propagator], headers: &[(&str, &str)]) -> Option<(String, String, u8)> {
        let context = extract_with(propagators, &Map::of(headers));
        let trace = format!("{:032x}", u128::from_be_bytes(context.trace));
        let span = format!("{:016x}", u64::from_be_bytes(context.span));
        (!context.is_empty() && context.remote).then_some((trace, span, context.flags))
    }

    /// The headers that are written.
    pub(super) fn injected(propagators: &[Propagator], trace: &str, span: &str, flags: u8) -> Vec<(String, String)> {
        let (trace, span) = (hex(trace.as_bytes()).unwrap(), hex(span.as_bytes()).unwrap());
        let mut headers = Map::default();
        inject_with(propagators, &Context { trace, span, flags, ..Context::EMPTY }, &mut headers);
        headers.0
    }
}

//! The program's run as a span of its own: for batch jobs, CI steps and whatever else comes to an end.
//!
//! By the conventions for command line programs (semconv/cli/cli-spans, the callee's side). The run's parent stands in
//! our environment, and the run stands in the program's, by the specification's environment carriers. Requests that the
//! program serves have parents of their own.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::{Injector as _, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags};
use opentelemetry::{Array, Context, StringValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _, SpanData, SpanEvents, SpanLinks,
};
use opentelemetry_semantic_conventions::attribute as name;

use crate::attributes::attribute::{Attribute, into_sdk};
use crate::attributes::limits;
use crate::config::{self, Config, SpanLimits};
use crate::conventions::catalog::PROCESS_RUN_DURATION;
use crate::conventions::{Described, Measured, Selection};
use crate::launch::{ChildEnd, Ended, Environment, LaunchedPid, Program, signal_name};
use crate::records::scope;
use crate::redact;
use crate::signals::metrics::data::Origin;

/// What the hooks compute, to be compared with what the SDK does.
#[cfg(test)]
#[path = "../../templates/hooks/src/settings/ratio.rs"]
mod ratio;

/// Headers of W3C Trace Context, and the variables that stand for them.
const CARRIED: [(&str, &str); 2] = [("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE")];
/// More arguments than people read are left out, and so is the end of long ones.
const MAX_ARGUMENTS: usize = 128;
/// In characters.
const MAX_ARGUMENT: usize = 1024;

/// A run that has begun.
pub(crate) struct RunSpan {
    context: SpanContext,
    parent: SpanId,
    started: SystemTime,
    program: Program,
    with_arguments: bool,
    pid: LaunchedPid,
}

impl RunSpan {
    /// Begins a run: `program` is about to be started in `environment`, as `pid`.
    pub(crate) fn begin(config: &Config, program: &Program, environment: &Environment, pid: LaunchedPid) -> RunSpan {
        let parent = parent(environment);
        let ids = RandomIdGenerator::default();
        let trace = if parent.is_valid() { parent.trace_id() } else { ids.new_trace_id() };
        let context = Context::new().with_remote_span_context(parent.clone());
        let context = parent.is_valid().then_some(&context);
        let decided =
            sampler(config.sampler).should_sample(context, trace, &program.short_name(), &SpanKind::Internal, &[], &[]);
        let is_sampled = decided.decision == SamplingDecision::RecordAndSample;
        let flags = TraceFlags::default().with_sampled(is_sampled);
        RunSpan {
            context: SpanContext::new(trace, ids.new_span_id(), flags, false, decided.trace_state),
            parent: parent.span_id(),
            started: SystemTime::now(),
            program: program.clone(),
            with_arguments: config.run.arguments,
            pid,
        }
    }

    /// Variables that the program's environment must have, or must not have, for its work to join this run.
    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        let mut headers = HashMap::new();
        let context = Context::new().with_remote_span_context(self.context.clone());
        TraceContextPropagator::new().inject_context(&context, &mut headers);
        let mut value = |name| headers.remove(name).filter(|value| !value.is_empty()).map(OsString::from);
        CARRIED.iter().map(|(header, variable)| (*variable, value(*header))).collect()
    }

    /// The process of the program.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid.get().copied()
    }

    /// Whether this is the run's trace.
    pub(crate) fn is_in(&self, trace: [u8; 16]) -> bool {
        self.context.trace_id().to_bytes() == trace
    }

    /// Whether the run's span is exported.
    pub(crate) fn is_sampled(&self) -> bool {
        self.context.is_sampled()
    }

    /// The origin of what is measured of the run.
    pub(crate) fn origin(&self, ended: &Ended) -> Origin {
        let (trace, span) = (self.context.trace_id(), self.context.span_id());
        Origin { trace, span, is_sampled: self.is_sampled(), at: ended.at, read_at: SystemTime::now() }
    }

    /// The duration of the run.
    pub(crate) fn lasted(&self, ended: &Ended) -> Duration {
        ended.at.duration_since(self.started).unwrap_or_default()
    }

    /// The run, described by the conventions.
    pub(crate) fn described(&self, ended: &Ended) -> Described<'static> {
        let executable = self.program.file.file_name().unwrap_or(self.program.file.as_os_str());
        let executable = executable.to_string_lossy().into_owned();
        let path = std::path::absolute(&self.program.file).unwrap_or_else(|_| self.program.file.clone());
        let mut attributes = vec![
            Attribute::new(name::PROCESS_EXECUTABLE_NAME, executable.clone()),
            Attribute::int(name::PROCESS_EXIT_CODE, i64::from(ended.end.status())),
        ];
        let (error, status) = failure(ended.end);
        attributes.extend(error.map(|error| Attribute::new(name::ERROR_TYPE, error)));
        let measured = Measured::duration(&PROCESS_RUN_DURATION, Selection::by(&attributes, |_| true));
        attributes.push(Attribute::new(name::PROCESS_EXECUTABLE_PATH, path.to_string_lossy().into_owned()));
        attributes.extend(self.pid().map(|pid| Attribute::int(name::PROCESS_PID, i64::from(pid))));
        if self.with_arguments {
            attributes.push(Attribute::list(name::PROCESS_COMMAND_ARGS, self.arguments()));
        }
        Described {
            name: executable.into(),
            kind: SpanKind::Internal,
            attributes,
            status,
            measured: [Some(measured)].into(),
        }
    }

    /// The program's words, its own name first.
    fn arguments(&self) -> Array {
        let words = std::iter::once(&self.program.name).chain(&self.program.args);
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        // Arguments are cut after redaction: an argument beyond the limit may mark another one as a secret.
        let clean = redact::arguments(&words).into_iter().take(MAX_ARGUMENTS);
        let short = clean.map(|word| StringValue::from(limits::text(&word, Some(MAX_ARGUMENT)).to_owned()));
        Array::String(short.collect())
    }

    /// The finished span, within its limits.
    pub(crate) fn data(self, ended: &Ended, mut described: Described<'_>, limits: &SpanLimits) -> SpanData {
        let dropped = limits::attributes(&mut described.attributes, limits.attributes, limits.value_length);
        SpanData {
            span_context: self.context,
            parent_span_id: self.parent,
            parent_span_is_remote: self.parent != SpanId::INVALID,
            span_kind: described.kind,
            name: described.name.into_sdk(),
            start_time: self.started,
            end_time: ended.at.max(self.started),
            attributes: into_sdk(described.attributes),
            dropped_attributes_count: dropped,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: described.status,
            instrumentation_scope: (*scope::own()).clone(),
        }
    }
}

/// The class of error, if it is one: by the conventions every exit code but 0 is. A signal has a name.
fn failure(end: ChildEnd) -> (Option<String>, Status) {
    match end {
        ChildEnd::Exited(0) => (None, Status::Unset),
        ChildEnd::Exited(code) => (Some(code.to_string()), Status::error(format!("exited with {code}"))),
        ChildEnd::Killed(signal) => {
            let signal = signal_name(signal);
            (Some(signal.clone()), Status::error(format!("killed by {signal}")))
        }
    }
}

/// The context of the span that started otel-rs; invalid without the variables, or with malformed ones.
fn parent(environment: &Environment) -> SpanContext {
    let mut headers = HashMap::new();
    for (header, variable) in CARRIED {
        if let Some(value) = environment.get(variable) {
            headers.set(header, value);
        }
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    context.span().span_context().clone()
}

/// The SDK's own sampler, with which that of the hooks agrees.
fn sampler(config: config::Sampler) -> Sampler {
    let (is_parent_based, root) = match config.name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, config.name),
    };
    let root = match root {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(config.ratio),
        _ => Sampler::AlwaysOn,
    };
    if is_parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Value;

    use super::*;
    use crate::launch::Usage;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn run(settings: &[(&str, &str)], environment: &[(&str, &str)]) -> RunSpan {
        let find = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let config = crate::config::resolve(&[], &find).unwrap().config;
        let args = ["--token", "hunter2", "x"].map(OsString::from).into();
        let program = Program { name: "./job".into(), file: "/srv/job".into(), args };
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        RunSpan::begin(&config, &program, &environment.collect(), LaunchedPid::default())
    }

    fn ended(end: ChildEnd, run: &RunSpan) -> Ended {
        Ended { end, usage: Usage::default(), at: run.started + Duration::from_millis(1500) }
    }

    #[test]
    fn the_parent_is_read_from_the_environment_and_the_run_is_passed_on() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let run = run(&[], &[("TRACEPARENT", &parent), ("TRACESTATE", "a=1")]);
        let own = run.context.span_id();
        assert_eq!((run.context.trace_id().to_string(), run.parent.to_string()), (TRACE.to_owned(), SPAN.to_owned()));
        assert_ne!(own.to_string(), SPAN);
        let expected =
            [("TRACEPARENT", Some(format!("00-{TRACE}-{own}-01").into())), ("TRACESTATE", Some("a=1".into()))];
        assert_eq!(run.variables(), expected);
    }

    #[test]
    fn a_malformed_parent_is_ignored_with_its_tracestate() {
        for bad in ["", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            let run = run(&[], &[("TRACEPARENT", bad), ("TRACESTATE", "a=1")]);
            assert_eq!(run.parent, SpanId::INVALID, "{bad}");
            assert!(run.context.is_valid() && run.context.trace_id().to_string() != TRACE, "{bad}");
            assert_eq!(run.variables()[1], ("TRACESTATE", None), "{bad}");
        }
    }

    #[test]
    fn the_sampler_decides_whether_a_run_is_sampled() {
        let sampled = |name, flag: Option<u8>| {
            let parent = flag.map(|flag| format!("00-{TRACE}-{SPAN}-0{flag}"));
            let environment: Vec<_> = parent.iter().map(|parent| ("TRACEPARENT", parent.as_str())).collect();
            run(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0")], &environment).is_sampled()
        };
        for (name, root, below_unsampled, below_sampled) in [
            ("parentbased_always_on", true, false, true),
            ("parentbased_always_off", false, false, true),
            ("parentbased_traceidratio", false, false, true),
            ("always_on", true, true, true),
            ("always_off", false, false, false),
            ("traceidratio", false, false, false),
        ] {
            assert_eq!(
                (sampled(name, None), sampled(name, Some(0)), sampled(name, Some(1))),
                (root, below_unsampled, below_sampled),
                "{name}"
            );
        }
    }

    #[test]
    fn the_hooks_sample_the_same_traces_as_the_sdk() {
        let by_sdk = |ratio, trace: u128| {
            let sampler = Sampler::TraceIdRatioBased(ratio);
            let result = sampler.should_sample(None, trace.into(), "", &SpanKind::Internal, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        };
        let by_hooks = |ratio, trace: u128| {
            ratio::threshold(ratio).is_none_or(|threshold| ratio::within(&trace.to_be_bytes(), threshold))
        };
        for ratio in [0.0, 1e-18, 1e-9, 0.1, 0.25, 1.0 / 3.0, 0.5, 0.75, 0.9, 1.0 - 1e-16, 1.0] {
            // Ids around the bound, whose last bit does not count, with all and with no bits of the other half.
            let bound = u128::from((ratio * (1_u64 << 63) as f64) as u64) << 1;
            let near = (0..8).map(|step| (bound + step).saturating_sub(4) & u128::from(u64::MAX));
            // Ids spread evenly over the whole range: multiples of the golden ratio.
            let far = (1..=500_u128).map(|step| step.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            let mut sampled = 0;
            for low in near.chain(far) {
                for trace in [low, low | !u128::from(u64::MAX)] {
                    assert_eq!(by_hooks(ratio, trace), by_sdk(ratio, trace), "{trace:032x} at {ratio}");
                    sampled += u32::from(by_sdk(ratio, trace));
                }
            }
            let share = f64::from(sampled) / 1016.0;
            assert!((share - ratio).abs() < 0.05, "{share} are sampled at {ratio}");
        }
        // Decisions of other services, in any language, by the same algorithm with a ratio of one half.
        for (trace, sampled) in [
            (0xffff_ffff_ffff_ffff_7fff_ffff_ffff_ffff_u128, true),
            (0x0000_0000_0000_0000_8000_0000_0000_0000, false),
            (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, false),
            (0x4bf9_2f35_77b3_4da6_23ce_929d_0e0e_4736, true),
        ] {
            assert_eq!((by_hooks(0.5, trace), by_sdk(0.5, trace)), (sampled, sampled), "{trace:032x}");
        }
    }

    #[test]
    fn an_end_is_described_by_the_conventions() {
        let run = run(&[], &[]);
        for (end, code, error) in [
            (ChildEnd::Exited(0), 0, None),
            (ChildEnd::Exited(3), 3, Some("3")),
            (ChildEnd::Killed(9), 137, Some("SIGKILL")),
        ] {
            let described = run.described(&ended(end, &run));
            let get = |key: &str| {
                let found = described.attributes.iter().find(|attribute| *attribute.name == *key);
                found.map(|attribute| attribute.value.clone().into_sdk())
            };
            assert_eq!(get(name::PROCESS_EXIT_CODE), Some(Value::I64(code)));
            assert_eq!(get(name::ERROR_TYPE).map(|value| value.to_string()).as_deref(), error);
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some());
            assert_eq!(described.name, "job");
            let arguments = get(name::PROCESS_COMMAND_ARGS).unwrap().to_string();
            assert_eq!(arguments, r#"["./job","--token","REDACTED","x"]"#);
            let mut measured = described.measured.iter().flat_map(|each| each.attributes.of(&described.attributes));
            assert!(!measured.any(|attribute| *attribute.name == *name::PROCESS_COMMAND_ARGS));
        }
        assert_eq!(run.lasted(&ended(ChildEnd::Exited(0), &run)), Duration::from_millis(1500));
    }
}

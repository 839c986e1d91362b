//! The top level of the schema, and its sections that are too small for a file of their own.

use super::limits::attribute_limits;
use super::walk::{Field, Map};
use super::{instrumentation, metrics, processors, resource, sampler};
use crate::config::model::{
    Config, HostMetrics, Instrumentations, LOG_LEVELS, LogLevel, LogLimits, ObserverThread, Run,
};
use crate::config::registry::{
    OTEL_LOG_LEVEL, OTEL_PROPAGATORS, OTEL_RS_BAGGAGE_ATTRIBUTES, OTEL_RS_DETACH_AFTER, OTEL_RS_EXCLUDED_URLS,
    OTEL_RS_HOST_METRICS, OTEL_RS_LOG_IDS, OTEL_RS_LOG_SPAN_FIELDS, OTEL_RS_LOGS, OTEL_RS_MEMORY_LIMIT,
    OTEL_RS_RUNTIME_POLL_TIMES, OTEL_RS_SPAN_EVENTS, OTEL_RS_SPANS, OTEL_SDK_DISABLED,
};
use crate::config::text;

/// The newest minor version of the format that is supported.
const NEWEST: u32 = 2;

/// Reads a whole file. `None` if it is no mapping.
pub(super) fn configuration(root: &Field, env: &dyn Fn(&str) -> Option<String>) -> Option<Config> {
    let file = root.map()?;
    file_format(&file);
    // Both choose which names may be used. Those in development always may here.
    file.word("maturity_level", &[("stable", ()), ("development", ())]);
    file.word("stability", &[("stable", ()), ("development", ())]);
    let limits = attribute_limits(file.map("attribute_limits").as_ref(), LogLimits::default());
    let tracer_provider = file.map("tracer_provider");
    let instrumentation = file.map("instrumentation/development");
    let own = distribution(&file);
    let own = own.as_ref();
    let words = |key| own.and_then(|own| own.get(key)).map(|field| field.texts());
    let truth = |key| own.and_then(|own| own.boolean(key));
    let (run, instrumentations) = (Run::default(), Instrumentations::default());
    Some(Config {
        disabled: file.boolean("disabled").unwrap_or_else(|| OTEL_SDK_DISABLED.default_as(text::boolean)),
        log_level: log_level(&file).unwrap_or_else(|| OTEL_LOG_LEVEL.default_word(LOG_LEVELS)),
        resource: resource::read(file.map("resource").as_ref(), env),
        propagators: propagators(&file),
        sampler: sampler::read(tracer_provider.as_ref().and_then(|provider| provider.get("sampler"))),
        traces: processors::traces(tracer_provider.as_ref(), limits),
        metrics: metrics::read(file.map("meter_provider").as_ref()),
        logs: processors::logs(file.map("logger_provider").as_ref(), limits),
        http: instrumentation::http(instrumentation.as_ref(), own),
        instrumentations: Instrumentations {
            enabled: words("enabled_instrumentations").unwrap_or(instrumentations.enabled),
            disabled: words("disabled_instrumentations").unwrap_or(instrumentations.disabled),
        },
        excluded_urls: own
            .and_then(|own| own.listed("excluded_urls", text::url_patterns))
            .unwrap_or_else(|| OTEL_RS_EXCLUDED_URLS.default_as(text::url_patterns)),
        detach_after: own
            .and_then(|own| own.whole("detach_after", text::milliseconds))
            .unwrap_or_else(|| OTEL_RS_DETACH_AFTER.default_as(text::milliseconds)),
        host_metrics: own.and_then(host_metrics).unwrap_or_default(),
        run: Run {
            span: truth("process_span").unwrap_or(run.span),
            arguments: truth("process_span_args").unwrap_or(run.arguments),
            environment_parent: truth("environment_parent").unwrap_or(run.environment_parent),
            follow: truth("follow").unwrap_or(run.follow),
        },
        memory_limit: own
            .and_then(|own| own.get("memory_limit")?.size())
            .unwrap_or_else(|| OTEL_RS_MEMORY_LIMIT.default_as(text::size)),
        runtime_poll_times: truth("runtime_poll_times")
            .unwrap_or_else(|| OTEL_RS_RUNTIME_POLL_TIMES.default_as(text::boolean)),
        baggage_attributes: words("baggage_attributes")
            .unwrap_or_else(|| OTEL_RS_BAGGAGE_ATTRIBUTES.default_as(text::words)),
        spans: own
            .and_then(|own| own.listed("spans", text::directives))
            .unwrap_or_else(|| OTEL_RS_SPANS.default_as(text::directives)),
        log_records: own
            .and_then(|own| own.listed("logs", text::directives))
            .unwrap_or_else(|| OTEL_RS_LOGS.default_as(text::directives)),
        log_ids: truth("log_ids").unwrap_or_else(|| OTEL_RS_LOG_IDS.default_as(text::boolean)),
        span_events: truth("span_events").unwrap_or_else(|| OTEL_RS_SPAN_EVENTS.default_as(text::boolean)),
        log_span_fields: truth("log_span_fields").unwrap_or_else(|| OTEL_RS_LOG_SPAN_FIELDS.default_as(text::boolean)),
        observer_thread: own.and_then(|own| own.word("observer_thread", ObserverThread::NAMES)).unwrap_or_default(),
    })
}

/// What is measured from outside the program: a list, empty for nothing.
fn host_metrics(own: &Map) -> Option<HostMetrics> {
    let field = own.get("host_metrics")?;
    let names = field.texts();
    let known: Vec<&str> = OTEL_RS_HOST_METRICS.words().iter().copied().filter(|name| *name != "none").collect();
    if !names.iter().all(|name| known.contains(&name.as_str())) {
        field.wrong(&format!("some of {}", text::names(&known)));
    }
    Some(HostMetrics::named(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Accepts 1.x, its release candidates, and 0.4, which had the same shape.
fn file_format(file: &Map) {
    let Some(field) = file.required("file_format") else { return };
    let Some(text) = field.version() else { return };
    let (version, candidate) = text.split_once("-rc.").unwrap_or((text, "0"));
    let numbers = version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match (numbers, candidate.parse::<u32>()) {
        (Some((1, minor)), Ok(_)) if minor > NEWEST => {
            field.not_used(format!("newer than 1.{NEWEST}, the newest format that this otel-rs supports"));
        }
        (Some((1, _) | (0, 4)), Ok(_)) => {}
        _ => field.wrong("a version of the format: \"1.0\" or another 1.x, or \"0.4\""),
    }
}

/// The names of severities, of which otel-rs has fewer.
fn log_level(file: &Map) -> Option<LogLevel> {
    let field = file.get("log_level")?;
    let text = field.text().unwrap_or_default().to_ascii_lowercase();
    Some(match text.strip_suffix(['2', '3', '4']).unwrap_or(&text) {
        "trace" | "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" | "fatal" => LogLevel::Error,
        _ => {
            field.wrong("one of `trace`, `debug`, `info`, `warn`, `error`, `fatal`");
            return None;
        }
    })
}

fn propagators(file: &Map) -> Vec<&'static str> {
    let mut found = Vec::new();
    let Some(propagator) = file.map("propagator") else { return found };
    let known: Vec<&'static str> = OTEL_PROPAGATORS.words().iter().copied().filter(|name| *name != "none").collect();
    let mut add = |name: &str| match known.iter().find(|known| **known == name) {
        Some(known) if found.contains(known) => true,
        Some(known) => {
            found.push(*known);
            true
        }
        None => false,
    };
    for item in propagator.items("composite") {
        if let Some((name, settings)) = item.choice()
            && !add(name)
        {
            settings.unknown_choice(name, &known);
        }
    }
    if let Some(list) = propagator.get("composite_list") {
        let names = list.text().unwrap_or_default().split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty() && *name != "none") {
            if !add(name) {
                list.unknown(name, &known);
            }
        }
    }
    found
}

/// The settings of otel-rs; those of other distributions are left to them.
fn distribution<'t>(file: &Map<'t>) -> Option<Map<'t>> {
    let distributions = file.map("distribution")?;
    distributions.allow_others();
    distributions.map("otel_rs")
}

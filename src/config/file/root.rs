//! The top of the schema, and what has no parts worth a file of their own.

use super::super::variables::{Kind, Variable};
use super::super::{Config, HostMetrics, Instrumentations, LogLevel, LogLimits, ObserverThread, Run, resolve, value};
use super::walk::{Field, Map};
use super::{default_of, instrumentation, metrics, processors, resource, sampler};

/// The newest minor version of the format that we know.
const NEWEST: u32 = 2;

/// Reads a whole file. `None` if it is no mapping.
pub(super) fn configuration(root: &Field, env: &dyn Fn(&str) -> Option<String>) -> Option<Config> {
    let file = root.map()?;
    file_format(&file);
    // Both say which names may be used. We know those in development anyway.
    file.word("maturity_level", &[("stable", ()), ("development", ())]);
    file.word("stability", &[("stable", ()), ("development", ())]);
    let limits = attribute_limits(file.map("attribute_limits").as_ref(), None);
    let tracer_provider = file.map("tracer_provider");
    let instrumentation = file.map("instrumentation/development");
    let own = distribution(&file);
    let own = own.as_ref();
    let words = |key| own.and_then(|own| own.get(key)).map(|field| field.texts());
    let truth = |key| own.and_then(|own| own.boolean(key));
    Some(Config {
        disabled: file.boolean("disabled").unwrap_or_else(|| default_of("OTEL_SDK_DISABLED", value::boolean)),
        log_level: log_level(&file),
        resource: resource::read(file.map("resource").as_ref(), env),
        propagators: propagators(&file),
        sampler: sampler::read(tracer_provider.as_ref().and_then(|provider| provider.get("sampler"))),
        traces: processors::traces(tracer_provider.as_ref(), limits),
        metrics: metrics::read(file.map("meter_provider").as_ref()),
        logs: processors::logs(file.map("logger_provider").as_ref(), limits),
        http: instrumentation::http(instrumentation.as_ref(), own),
        instrumentations: Instrumentations {
            enabled: words("enabled_instrumentations")
                .unwrap_or_else(|| default_of("OTEL_RS_ENABLED_INSTRUMENTATIONS", value::words)),
            disabled: words("disabled_instrumentations").unwrap_or_default(),
        },
        excluded_urls: own.and_then(|own| own.listed("excluded_urls", value::url_patterns)).unwrap_or_default(),
        detach_after: own
            .and_then(|own| own.whole("detach_after", value::milliseconds))
            .unwrap_or_else(|| default_of("OTEL_RS_DETACH_AFTER", value::milliseconds)),
        host_metrics: own.and_then(host_metrics).unwrap_or_else(|| HostMetrics::named(&["process", "system"])),
        run: Run {
            span: truth("process_span").unwrap_or(false),
            arguments: truth("process_span_args").unwrap_or(true),
            environment_parent: truth("environment_parent").unwrap_or(false),
            follow: truth("follow").unwrap_or(true),
        },
        memory_limit: own
            .and_then(|own| own.get("memory_limit")?.size())
            .unwrap_or_else(|| default_of("OTEL_RS_MEMORY_LIMIT", value::size)),
        runtime_poll_times: truth("runtime_poll_times").unwrap_or(false),
        observer_thread: own
            .and_then(|own| own.word("observer_thread", ObserverThread::NAMES))
            .unwrap_or(ObserverThread::Auto),
    })
}

/// What is measured besides what the program tells: a list, empty for nothing.
fn host_metrics(own: &Map) -> Option<HostMetrics> {
    let field = own.get("host_metrics")?;
    let names = field.texts();
    if !names.iter().all(|name| ["process", "process.pid", "system"].contains(&name.as_str())) {
        field.wrong("some of `process`, `process.pid`, `system`");
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
            field.not_used(format!("newer than 1.{NEWEST}, the newest format that this otel-rs knows"));
        }
        (Some((1, _) | (0, 4)), Ok(_)) => {}
        _ => field.wrong("a version of the format: \"1.0\" or another 1.x, or \"0.4\""),
    }
}

/// The names of severities, of which we know fewer.
fn log_level(file: &Map) -> LogLevel {
    let Some(field) = file.get("log_level") else { return LogLevel::Info };
    let text = field.text().unwrap_or_default().to_ascii_lowercase();
    match text.strip_suffix(['2', '3', '4']).unwrap_or(&text) {
        "trace" | "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" | "fatal" => LogLevel::Error,
        _ => {
            field.wrong("one of `trace`, `debug`, `info`, `warn`, `error`, `fatal`");
            LogLevel::Info
        }
    }
}

/// What limits attributes, of everything or of one signal: `general` counts where that says nothing.
pub(super) fn attribute_limits(limits: Option<&Map>, general: Option<LogLimits>) -> LogLimits {
    let general = general.unwrap_or_else(|| LogLimits {
        value_length: None,
        attributes: default_of("OTEL_ATTRIBUTE_COUNT_LIMIT", value::limit),
    });
    let Some(limits) = limits else { return general };
    limits.unsupported("attribute_value_depth_limit", "no attribute has nested values here");
    LogLimits {
        value_length: limits.whole("attribute_value_length_limit", value::limit).or(general.value_length),
        attributes: limits.whole("attribute_count_limit", value::limit).unwrap_or(general.attributes),
    }
}

fn propagators(file: &Map) -> Vec<&'static str> {
    let mut found = Vec::new();
    let Some(propagator) = file.map("propagator") else { return found };
    let Variable { kind: Kind::List(known), .. } = *resolve::variable("OTEL_PROPAGATORS") else { return found };
    let known: Vec<&'static str> = known.iter().copied().filter(|name| *name != "none").collect();
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

/// Our own settings; those of other distributions are none of our business.
fn distribution<'t>(file: &Map<'t>) -> Option<Map<'t>> {
    let distributions = file.map("distribution")?;
    distributions.allow_others();
    distributions.map("otel_rs")
}

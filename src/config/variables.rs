//! The registry of variables: one definition feeds parsing, flags, help and the reference page.

/// What a variable's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number of milliseconds above zero.
    Milliseconds,
    /// A whole number of milliseconds.
    Delay,
    /// A whole number of milliseconds; 0 for no limit.
    Timeout,
    /// A whole number above zero.
    Count,
    /// A whole number; unset for no limit where there is no default.
    Limit,
    /// A size in bytes, such as `64MB`.
    Size,
    /// A number between 0 and 1.
    Fraction,
    /// The number of a TCP port; 0 for any that is free.
    Port,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these, separated by commas; `none` stands alone.
    List(&'static [&'static str]),
    /// Any words, separated by commas.
    Words,
    /// `key=value` pairs separated by commas, percent-encoded.
    Pairs,
    /// The same, but the values are secrets.
    SecretPairs,
    /// Entities, `type{key=value,…}[key=value,…]@schema`, separated by semicolons, percent-encoded.
    Entities,
    /// A URL, whose scheme may be missing.
    Endpoint,
    /// The path of a file.
    Path,
    /// Specified, but what it sets does not exist here: says what to do in its place.
    Unsupported(&'static str),
}

/// A variable, and the flag that overrides it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    /// Its name in the environment.
    pub(crate) env: &'static str,
    /// The long flag, without dashes; none where a flag would not help anybody.
    pub(crate) flag: Option<&'static str>,
    /// What a value looks like.
    pub(crate) kind: Kind,
    /// The value that counts when there is none; empty when it is computed, as `help` then says.
    pub(crate) default: &'static str,
    /// Why the default is not the specification's; empty where it is, or where the specification has none.
    pub(crate) differs: &'static str,
    /// One sentence for the help text.
    pub(crate) help: &'static str,
    /// The heading under which the help shows it.
    pub(crate) group: &'static str,
    /// The page of the OpenTelemetry specification that defines it, below `https://opentelemetry.io/docs/specs/`;
    /// empty for our own.
    pub(crate) spec: &'static str,
}

const SDK: &str = "otel/configuration/sdk-environment-variables/";
const OTLP: &str = "otel/protocol/exporter/";
const HTTP: &str = "semconv/http/http-spans/";
const OTLP_METRICS: &str = "otel/metrics/sdk_exporters/otlp/";

const EXPORTERS: Kind = Kind::List(&["otlp", "console", "otlp/stdout", "none"]);
const METRIC_EXPORTERS: Kind = Kind::List(&["otlp", "console", "otlp/stdout", "prometheus", "none"]);
const PROTOCOLS: Kind = Kind::Choice(&["http/protobuf", "http/json", "grpc"]);
const COMPRESSIONS: Kind = Kind::Choice(&["gzip", "none"]);
/// Why a queue is longer than the specification's.
const LONG_QUEUE: &str = "`2048` there, which bounds memory inside the program; this queue is in the \
                          launcher, where a burst that fits costs nobody anything, and what is dropped is lost for good";
/// What `otel-rs` recommends in place of Zipkin.
pub(super) const NO_ZIPKIN: &str =
    "OpenTelemetry has given up its Zipkin exporter: export by `otlp` to a collector that passes spans on to Zipkin";

macro_rules! variables {
    ($($group:literal {
        $($env:literal $flag:literal $kind:expr, $default:literal, $spec:expr, $help:literal $(, $differs:expr)?;)*
    })*) => {
        &[$($(Variable {
            env: $env,
            flag: Some($flag),
            kind: $kind,
            default: $default,
            differs: first(&[$($differs,)? ""]),
            help: $help,
            group: $group,
            spec: $spec,
        },)*)*]
    };
}

/// What is said, or else nothing.
const fn first(said: &[&'static str]) -> &'static str {
    said[0]
}

/// The settings of OTLP for one kind of telemetry; each counts more than the one for all kinds.
macro_rules! otlp_of {
    ($signal:literal, $flag:literal, $what:literal) => {
        otlp_of!($signal $flag $what:
            "_ENDPOINT" "-endpoint" Kind::Endpoint, concat!("The whole URL; other than in the specification, one without any path gets /v1/", $flag, ", for ");
            "_PROTOCOL" "-protocol" PROTOCOLS, "The protocol for ";
            "_HEADERS" "-headers" Kind::SecretPairs, "Headers sent with ";
            "_COMPRESSION" "-compression" COMPRESSIONS, "Compression for ";
            "_TIMEOUT" "-timeout" Kind::Timeout, "Milliseconds one export may take, for ";
            "_CERTIFICATE" "-certificate" Kind::Path, "Trusted certificates (PEM) for ";
            "_CLIENT_KEY" "-client-key" Kind::Path, "Our private key (PEM) for ";
            "_CLIENT_CERTIFICATE" "-client-certificate" Kind::Path, "Our certificate (PEM) for ";
            "_INSECURE" "-insecure" Kind::Bool, "Whether an endpoint without a scheme is plain text, for ";
        )
    };
    ($signal:literal $flag:literal $what:literal: $($env:literal $end:literal $kind:expr, $help:expr;)*) => {
        [$(Variable {
            env: concat!("OTEL_EXPORTER_OTLP_", $signal, $env),
            flag: Some(concat!("exporter-otlp-", $flag, $end)),
            kind: $kind,
            default: "",
            differs: "",
            help: concat!($help, $what, " [default: OTEL_EXPORTER_OTLP", $env, "]"),
            group: concat!("OTLP for ", $what),
            spec: OTLP,
        },)*]
    };
}

/// The tables in the order in which people read them.
const TABLES: &[&[Variable]] = &[
    COMMON,
    &otlp_of!("TRACES", "traces", "spans"),
    &otlp_of!("METRICS", "metrics", "metrics"),
    &otlp_of!("LOGS", "logs", "log records"),
    UNSUPPORTED,
];

const fn count() -> usize {
    let (mut table, mut count) = (0, 0);
    while table < TABLES.len() {
        count += TABLES[table].len();
        table += 1;
    }
    count
}

const fn all() -> [Variable; count()] {
    let mut all = [COMMON[0]; count()];
    let (mut table, mut at) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            all[at] = TABLES[table][row];
            at += 1;
            row += 1;
        }
        table += 1;
    }
    all
}

/// Every variable that otel-rs reads.
pub(crate) static VARIABLES: &[Variable] = &all();

const COMMON: &[Variable] = variables! {
    "General" {
        "OTEL_SERVICE_NAME" "service-name" Kind::Text, "", SDK,
            "The service's name [default: the program's file name]",
            "`unknown_service:` stands before the name there; people know a program by its name alone";
        "OTEL_RESOURCE_ATTRIBUTES" "resource-attributes" Kind::Pairs, "", SDK,
            "Attributes of everything exported: key=value,…";
        "OTEL_ENTITIES" "entities" Kind::Entities, "", "otel/entities/entity-propagation/",
            "What the program is part of: type{key=value,…}[key=value,…];… It counts more than OTEL_RESOURCE_ATTRIBUTES";
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS" "experimental-resource-detectors"
            Kind::List(&["process", "process_args", "host", "os", "container", "k8s", "cloud", "service_instance", "none"]),
            "process,host,os,container,k8s,cloud,service_instance", "",
            "What is found out about the program and its surroundings; arguments may hold secrets, so process_args is not asked";
        "OTEL_PROPAGATORS" "propagators"
            Kind::List(&["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "ottrace", "none"]),
            "tracecontext,baggage", SDK,
            "Headers that carry a trace from service to service";
        "OTEL_SDK_DISABLED" "sdk-disabled" Kind::Bool, "false", SDK,
            "Run the program without collecting anything; the trace of whoever calls it is passed on all the same";
        "OTEL_LOG_LEVEL" "log-level" Kind::Choice(&["none", "error", "warn", "info", "debug"]), "info", SDK,
            "How much otel-rs says on stderr about its own work; debug tells each setting that was made, too";
        "OTEL_CONFIG_FILE" "config-file" Kind::Path, "", SDK,
            "A YAML file that holds the whole configuration; all other variables are then ignored";
        "OTEL_RS_MEMORY_LIMIT" "memory-limit" Kind::Size, "64MB", "",
            "Memory for open spans and for all that waits to be exported; beyond it the oldest is dropped and counted";
        "OTEL_SEMCONV_STABILITY_OPT_IN" "semconv-stability-opt-in"
            Kind::List(&[
                "http", "http/dup", "database", "database/dup", "code", "code/dup", "rpc", "rpc/dup", "messaging",
                "messaging/dup", "k8s", "k8s/dup", "gen_ai_latest_experimental", "none",
            ]), "", HTTP,
            "Conventions to switch to; otel-rs has always used the stable ones";
        "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN" "semconv-exception-signal-opt-in"
            Kind::Choice(&["logs", "logs/dup"]), "", "semconv/exceptions/",
            "How exceptions are told; otel-rs has always told them by log records alone, where the program logs them";
    }
    "What is told" {
        "OTEL_RS_ENABLED_INSTRUMENTATIONS" "enabled-instrumentations" Kind::Words, "*", "",
            "Instrumentations that may speak: names of `otel-rs list`, * for all";
        "OTEL_RS_DISABLED_INSTRUMENTATIONS" "disabled-instrumentations" Kind::Words, "", "",
            "Instrumentations that may not, even if enabled";
        "OTEL_RS_EXCLUDED_URLS" "excluded-urls" Kind::Words, "", "",
            "Requests that are not told of: /health, /internal/*, https://example.com/*";
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
            "instrumentation-http-capture-headers-server-request" Kind::Words, "", HTTP,
            "Headers of requests served that are recorded";
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE"
            "instrumentation-http-capture-headers-server-response" Kind::Words, "", HTTP,
            "Headers of responses given that are recorded";
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST"
            "instrumentation-http-capture-headers-client-request" Kind::Words, "", HTTP,
            "Headers of requests sent that are recorded";
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE"
            "instrumentation-http-capture-headers-client-response" Kind::Words, "", HTTP,
            "Headers of responses received that are recorded";
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
            "instrumentation-http-capture-headers-sanitize-fields" Kind::Words, "", HTTP,
            "Recorded headers whose values stay secret, besides those that always do";
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS" "instrumentation-http-known-methods" Kind::Words,
            "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE", HTTP,
            "Methods that keep their names; all others count as _OTHER";
        "OTEL_RS_DETACH_AFTER" "detach-after" Kind::Milliseconds, "10000", "",
            "Milliseconds after a request's end in which tasks it left behind still count as its work";
    }
    "The run as a whole" {
        "OTEL_RS_PROCESS_SPAN" "process-span" Kind::Bool, "false", "semconv/cli/cli-spans/",
            "Tell of the program's run as a span, for batch jobs and CI: with TRACEPARENT of the environment as its parent";
        "OTEL_RS_PROCESS_SPAN_ARGS" "process-span-args" Kind::Bool, "true", "semconv/cli/cli-spans/",
            "Whether that span holds the program's arguments; what looks like a secret in them is never told";
        "OTEL_RS_ENVIRONMENT_PARENT" "environment-parent" Kind::Bool, "false", "otel/context/env-carriers/",
            "Whether TRACEPARENT of the environment is the parent of work that has none, also without a span for the run";
        "OTEL_RS_FOLLOW" "follow" Kind::Bool, "true", "",
            "Stay while processes run that the program left behind when it exited with 0, as a daemon does";
    }
    "Traces" {
        "OTEL_TRACES_EXPORTER" "traces-exporter" EXPORTERS, "otlp", SDK,
            "Where spans go, several separated by commas";
        "OTEL_TRACES_SAMPLER" "traces-sampler" Kind::Choice(&[
            "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
            "always_on", "always_off", "traceidratio",
        ]), "parentbased_always_on", SDK,
            "Which traces are exported";
        "OTEL_TRACES_SAMPLER_ARG" "traces-sampler-arg" Kind::Fraction, "1", SDK,
            "Share of traces for the traceidratio samplers, 0 to 1";
        "OTEL_BSP_SCHEDULE_DELAY" "bsp-schedule-delay" Kind::Delay, "5000", SDK,
            "Milliseconds a span waits at most for its batch";
        "OTEL_BSP_EXPORT_TIMEOUT" "bsp-export-timeout" Kind::Timeout, "30000", SDK,
            "Milliseconds one export of spans may take, retries included";
        "OTEL_BSP_MAX_QUEUE_SIZE" "bsp-max-queue-size" Kind::Count, "65536", SDK,
            "Spans that may wait; beyond that the oldest are dropped and counted", LONG_QUEUE;
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" "bsp-max-export-batch-size" Kind::Count, "512", SDK,
            "Spans in one export";
    }
    "Metrics" {
        "OTEL_METRICS_EXPORTER" "metrics-exporter" METRIC_EXPORTERS, "otlp", SDK,
            "Where metrics go, several separated by commas";
        "OTEL_METRIC_EXPORT_INTERVAL" "metric-export-interval" Kind::Milliseconds, "60000", SDK,
            "Milliseconds between two exports of metrics";
        "OTEL_METRIC_EXPORT_TIMEOUT" "metric-export-timeout" Kind::Timeout, "30000", SDK,
            "Milliseconds one export of metrics may take, retries included";
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" "exporter-otlp-metrics-temporality-preference"
            Kind::Choice(&["cumulative", "delta", "lowmemory"]), "cumulative", OTLP_METRICS,
            "Whether sums count from the start or from the last export; lowmemory is delta here, for all counters";
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
            "exporter-otlp-metrics-default-histogram-aggregation"
            Kind::Choice(&["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]),
            "explicit_bucket_histogram", OTLP_METRICS,
            "How the buckets of histograms are chosen";
        "OTEL_METRICS_EXEMPLAR_FILTER" "metrics-exemplar-filter"
            Kind::Choice(&["always_on", "always_off", "trace_based"]), "trace_based", SDK,
            "Which durations of requests and queries are kept as exemplars, with their spans; trace_based: of sampled ones";
        "OTEL_EXPORTER_PROMETHEUS_HOST" "exporter-prometheus-host" Kind::Text, "localhost", SDK,
            "Where the page for Prometheus listens";
        "OTEL_EXPORTER_PROMETHEUS_PORT" "exporter-prometheus-port" Kind::Port, "9464", SDK,
            "Its port, 0 for any that is free";
        "OTEL_RS_HOST_METRICS" "host-metrics" Kind::List(&["process", "process.pid", "system", "none"]), "process,system", "",
            "What is measured besides what the program tells: its processes (process.pid: each on its own), the machine";
        "OTEL_RS_METRICS_CARDINALITY_LIMIT" "metrics-cardinality-limit" Kind::Count, "2000", "",
            "Series of one instrument; what is more is summed up as otel.metric.overflow";
        "OTEL_RS_RUNTIME_POLL_TIMES" "runtime-poll-times" Kind::Bool, "false", "",
            "Tell how long the polls of asynchronous tasks take, to find those that block a worker; small polls get slower";
        "OTEL_RS_OBSERVER_THREAD" "observer-thread" Kind::Choice(&["auto", "always", "never"]), "auto", "",
            "Whether callbacks of metrics have a thread in the program; auto: once the program has several (some calls are for programs of one)";
    }
    "Logs" {
        "OTEL_LOGS_EXPORTER" "logs-exporter" EXPORTERS, "otlp", SDK,
            "Where log records go, several separated by commas";
        "OTEL_BLRP_SCHEDULE_DELAY" "blrp-schedule-delay" Kind::Delay, "1000", SDK,
            "Milliseconds a log record waits at most for its batch";
        "OTEL_BLRP_EXPORT_TIMEOUT" "blrp-export-timeout" Kind::Timeout, "30000", SDK,
            "Milliseconds one export of log records may take, retries included";
        "OTEL_BLRP_MAX_QUEUE_SIZE" "blrp-max-queue-size" Kind::Count, "65536", SDK,
            "Log records that may wait; beyond that the oldest are dropped and counted", LONG_QUEUE;
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE" "blrp-max-export-batch-size" Kind::Count, "512", SDK,
            "Log records in one export";
    }
    "Limits" {
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT" "attribute-value-length-limit" Kind::Limit, "", SDK,
            "Characters in an attribute's text [default: no limit]";
        "OTEL_ATTRIBUTE_COUNT_LIMIT" "attribute-count-limit" Kind::Limit, "128", SDK,
            "Attributes of a span or log record";
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT" "span-attribute-value-length-limit" Kind::Limit, "", SDK,
            "Characters in the text of a span's attribute [default: OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT]";
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" "span-attribute-count-limit" Kind::Limit, "", SDK,
            "Attributes of a span [default: OTEL_ATTRIBUTE_COUNT_LIMIT]";
        "OTEL_SPAN_EVENT_COUNT_LIMIT" "span-event-count-limit" Kind::Limit, "128", SDK,
            "Events of a span";
        "OTEL_SPAN_LINK_COUNT_LIMIT" "span-link-count-limit" Kind::Limit, "128", SDK,
            "Links of a span; nothing that otel-rs tells of has any";
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT" "event-attribute-count-limit" Kind::Limit, "128", SDK,
            "Attributes of a span's event";
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT" "link-attribute-count-limit" Kind::Limit, "128", SDK,
            "Attributes of a span's link; nothing that otel-rs tells of has any";
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT" "logrecord-attribute-value-length-limit" Kind::Limit, "", SDK,
            "Characters in the text of a log record's attribute [default: OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT]";
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT" "logrecord-attribute-count-limit" Kind::Limit, "", SDK,
            "Attributes of a log record [default: OTEL_ATTRIBUTE_COUNT_LIMIT]";
    }
    "OTLP" {
        "OTEL_EXPORTER_OTLP_ENDPOINT" "exporter-otlp-endpoint" Kind::Endpoint, "", OTLP,
            "The collector [default: http://localhost:4318, http://localhost:4317 for grpc]";
        "OTEL_EXPORTER_OTLP_PROTOCOL" "exporter-otlp-protocol" PROTOCOLS, "", OTLP,
            "How to speak to it [default: http/protobuf, grpc if the endpoint's port is 4317]",
            "`http/protobuf` for every port there; 4317 is the port of gRPC, where nothing else is understood, and a \
             signal of which nothing is said follows the others";
        "OTEL_EXPORTER_OTLP_HEADERS" "exporter-otlp-headers" Kind::SecretPairs, "", OTLP,
            "Headers sent to it: key=value,…";
        "OTEL_EXPORTER_OTLP_COMPRESSION" "exporter-otlp-compression" COMPRESSIONS, "none", OTLP,
            "How exports are compressed";
        "OTEL_EXPORTER_OTLP_TIMEOUT" "exporter-otlp-timeout" Kind::Timeout, "10000", OTLP,
            "Milliseconds one export may take, retries included";
        "OTEL_EXPORTER_OTLP_CERTIFICATE" "exporter-otlp-certificate" Kind::Path, "", OTLP,
            "Certificates to trust, in PEM [default: the system's]";
        "OTEL_EXPORTER_OTLP_CLIENT_KEY" "exporter-otlp-client-key" Kind::Path, "", OTLP,
            "Our private key for mutual TLS, in PEM";
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" "exporter-otlp-client-certificate" Kind::Path, "", OTLP,
            "Our certificate for mutual TLS, in PEM";
        "OTEL_EXPORTER_OTLP_INSECURE" "exporter-otlp-insecure" Kind::Bool, "true", OTLP,
            "Whether an endpoint without a scheme is plain text",
            "`false` there; an endpoint like `0.0.0.0:4317` is mostly a collector nearby that speaks no \
             TLS, and whoever sends secrets along can say `https://`";
    }
};

/// Specified, but not to be had.
const UNSUPPORTED: &[Variable] = &[
    unsupported("OTEL_EXPORTER_ZIPKIN_ENDPOINT", SDK, NO_ZIPKIN),
    unsupported("OTEL_EXPORTER_ZIPKIN_TIMEOUT", SDK, NO_ZIPKIN),
    unsupported("OTEL_EXPORTER_ZIPKIN_PROTOCOL", SDK, NO_ZIPKIN),
    // Obsolete in the specification: whoever has never read them need not begin.
    unsupported("OTEL_EXPORTER_OTLP_SPAN_INSECURE", OTLP, "use `OTEL_EXPORTER_OTLP_TRACES_INSECURE` in its place"),
    unsupported("OTEL_EXPORTER_OTLP_METRIC_INSECURE", OTLP, "use `OTEL_EXPORTER_OTLP_METRICS_INSECURE` in its place"),
];

const fn unsupported(env: &'static str, spec: &'static str, instead: &'static str) -> Variable {
    Variable {
        env,
        flag: None,
        kind: Kind::Unsupported(instead),
        default: "",
        differs: "",
        help: "Not supported",
        group: "Not supported",
        spec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_its_variable_in_small_letters() {
        for variable in VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Unsupported(_))) {
            let name = variable.env.strip_prefix("OTEL_RS_").or(variable.env.strip_prefix("OTEL_")).unwrap();
            let expected = name.to_lowercase().replace('_', "-");
            assert_eq!(variable.flag, Some(expected.as_str()), "{}", variable.env);
        }
    }

    #[test]
    fn no_variable_stands_twice() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.env).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VARIABLES.len());
        let mut flags: Vec<_> = VARIABLES.iter().filter_map(|variable| variable.flag).collect();
        flags.sort_unstable();
        let all = flags.len();
        flags.dedup();
        assert_eq!(flags.len(), all);
    }
}

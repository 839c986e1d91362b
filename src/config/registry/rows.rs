//! The rows of the registry: every variable, its flag, its default, its help.

use super::{BatchVariables, OtlpVariables, ValueKind, Variable};

const SDK: &str = "otel/configuration/sdk-environment-variables/";
const OTLP: &str = "otel/protocol/exporter/";
const HTTP: &str = "semconv/http/http-spans/";
const OTLP_METRICS: &str = "otel/metrics/sdk_exporters/otlp/";

const EXPORTERS: ValueKind = ValueKind::List(&["otlp", "console", "otlp/stdout", "none"]);
const METRIC_EXPORTERS: ValueKind = ValueKind::List(&["otlp", "console", "otlp/stdout", "prometheus", "none"]);
const PROTOCOLS: ValueKind = ValueKind::Choice(&["http/protobuf", "http/json", "grpc"]);
const COMPRESSIONS: ValueKind = ValueKind::Choice(&["gzip", "none"]);
/// Why a queue is longer than the specification's.
const LONG_QUEUE: &str = "`2048` there, which bounds memory inside the program; this queue is in the \
                          launcher, where a burst that fits costs the program nothing, and a dropped record is lost for good";
/// The advice to users of Zipkin.
pub(in crate::config) const NO_ZIPKIN: &str =
    "OpenTelemetry has given up its Zipkin exporter: export by `otlp` to a collector that passes spans on to Zipkin";

macro_rules! variables {
    ($($group:literal {
        $($env:ident $flag:literal $kind:expr, $default:literal, $spec:expr, $help:literal $(, $differs:expr)?;)*
    })*) => {
        $($(
            #[doc = $help]
            pub(crate) const $env: Variable = Variable {
                env: stringify!($env),
                flag: Some($flag),
                kind: $kind,
                default: $default,
                differs: first(&[$($differs,)? ""]),
                help: $help,
                group: $group,
                spec: $spec,
            };
        )*)*
        /// The variables that are the same for all signals, or are of one signal only.
        const COMMON: &[Variable] = &[$($($env,)*)*];
    };
}

/// The text that is given, or else none.
const fn first(given: &[&'static str]) -> &'static str {
    given[0]
}

/// The settings of OTLP for one kind of telemetry; each counts more than the one for all kinds.
macro_rules! otlp_of {
    ($rows:ident $variables:ident $signal:literal $what:literal:
        $endpoint:ident $protocol:ident $headers:ident $compression:ident $timeout:ident
        $certificate:ident $client_key:ident $client_certificate:ident $insecure:ident) => {
        otlp_of!(@rows $rows $signal $what:
            $endpoint "-endpoint" "_ENDPOINT" ValueKind::Endpoint,
                concat!("The whole URL; other than in the specification, one without any path gets /v1/", $signal, ", for ");
            $protocol "-protocol" "_PROTOCOL" PROTOCOLS, "The protocol for ";
            $headers "-headers" "_HEADERS" ValueKind::SecretPairs, "Headers sent with ";
            $compression "-compression" "_COMPRESSION" COMPRESSIONS, "Compression for ";
            $timeout "-timeout" "_TIMEOUT" ValueKind::Timeout, "Milliseconds one export may take, for ";
            $certificate "-certificate" "_CERTIFICATE" ValueKind::Path, "Trusted certificates (PEM) for ";
            $client_key "-client-key" "_CLIENT_KEY" ValueKind::Path, "The client's private key (PEM) for ";
            $client_certificate "-client-certificate" "_CLIENT_CERTIFICATE" ValueKind::Path,
                "The client's certificate (PEM) for ";
            $insecure "-insecure" "_INSECURE" ValueKind::Bool, "Whether an endpoint without a scheme is plain text, for ";
        );
        /// The same by what they set.
        pub(in crate::config) const $variables: OtlpVariables = OtlpVariables {
            endpoint: $endpoint,
            protocol: $protocol,
            headers: $headers,
            compression: $compression,
            timeout: $timeout,
            certificate: $certificate,
            client_key: $client_key,
            client_certificate: $client_certificate,
            insecure: $insecure,
        };
    };
    (@rows $rows:ident $signal:literal $what:literal:
        $($env:ident $flag:literal $end:literal $kind:expr, $help:expr;)*) => {
        $(
            #[doc = concat!($help, $what)]
            pub(crate) const $env: Variable = Variable {
                env: stringify!($env),
                flag: Some(concat!("exporter-otlp-", $signal, $flag)),
                kind: $kind,
                default: "",
                differs: "",
                help: concat!($help, $what, " [default: OTEL_EXPORTER_OTLP", $end, "]"),
                group: concat!("OTLP for ", $what),
                spec: OTLP,
            };
        )*
        const $rows: &[Variable] = &[$($env,)*];
    };
}

/// The tables in the order in which people read them.
const TABLES: &[&[Variable]] = &[COMMON, TRACES_ROWS, METRICS_ROWS, LOGS_ROWS, UNSUPPORTED];

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

variables! {
    "General" {
        OTEL_SERVICE_NAME "service-name" ValueKind::Text, "", SDK,
            "The service's name [default: the program's file name]",
            "`unknown_service:` precedes the name there; the name alone is easier to find";
        OTEL_RESOURCE_ATTRIBUTES "resource-attributes" ValueKind::Pairs, "", SDK,
            "Attributes of everything exported: key=value,…";
        OTEL_ENTITIES "entities" ValueKind::Entities, "", "otel/entities/entity-propagation/",
            "What the program is part of: type{key=value,…}[key=value,…];… It counts more than OTEL_RESOURCE_ATTRIBUTES";
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS "experimental-resource-detectors"
            ValueKind::List(&["process", "process_args", "host", "os", "container", "k8s", "cloud", "service_instance", "none"]),
            "process,host,os,container,k8s,cloud,service_instance", "",
            "Enabled detectors of the program and its surroundings; not process_args, since arguments may hold secrets";
        OTEL_PROPAGATORS "propagators"
            ValueKind::List(&["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "ottrace", "none"]),
            "tracecontext,baggage", SDK,
            "Headers that carry a trace from service to service";
        OTEL_SDK_DISABLED "sdk-disabled" ValueKind::Bool, "false", SDK,
            "Run the program without collecting anything; the caller's trace is still passed on";
        OTEL_LOG_LEVEL "log-level" ValueKind::Choice(&["none", "error", "warn", "info", "debug"]), "info", SDK,
            "How much otel-rs writes to stderr about its own work; debug also lists the flags and variables that are set";
        OTEL_CONFIG_FILE "config-file" ValueKind::Path, "", SDK,
            "A YAML file that holds the whole configuration; all other variables are then ignored";
        OTEL_RS_MEMORY_LIMIT "memory-limit" ValueKind::Size, "64MB", "",
            "Memory for open spans and for all that waits to be exported; beyond it the oldest is dropped and counted";
        OTEL_SEMCONV_STABILITY_OPT_IN "semconv-stability-opt-in"
            ValueKind::List(&[
                "http", "http/dup", "database", "database/dup", "code", "code/dup", "rpc", "rpc/dup", "messaging",
                "messaging/dup", "k8s", "k8s/dup", "gen_ai_latest_experimental", "none",
            ]), "", HTTP,
            "Conventions to switch to; otel-rs has always used the stable ones";
        OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN "semconv-exception-signal-opt-in"
            ValueKind::Choice(&["logs", "logs/dup"]), "", "semconv/exceptions/",
            "How exceptions are recorded; in otel-rs always as log records alone, where the program logs them";
    }
    "What is recorded" {
        OTEL_RS_ENABLED_INSTRUMENTATIONS "enabled-instrumentations" ValueKind::Words, "*", "",
            "Enabled instrumentations: names of `otel-rs list`, * for all";
        OTEL_RS_DISABLED_INSTRUMENTATIONS "disabled-instrumentations" ValueKind::Words, "", "",
            "Disabled instrumentations; they stay so even if they are enabled, too. panic: log records of panics";
        OTEL_RS_EXCLUDED_URLS "excluded-urls" ValueKind::Words, "", "",
            "Requests that are not recorded: /health, /internal/*, https://example.com/*";
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST
            "instrumentation-http-capture-headers-server-request" ValueKind::Words, "", HTTP,
            "Headers of requests served that are recorded";
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE
            "instrumentation-http-capture-headers-server-response" ValueKind::Words, "", HTTP,
            "Headers of responses given that are recorded";
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST
            "instrumentation-http-capture-headers-client-request" ValueKind::Words, "", HTTP,
            "Headers of requests sent that are recorded";
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE
            "instrumentation-http-capture-headers-client-response" ValueKind::Words, "", HTTP,
            "Headers of responses received that are recorded";
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS
            "instrumentation-http-capture-headers-sanitize-fields" ValueKind::Words, "", HTTP,
            "Recorded headers whose values stay secret, besides those that always do";
        OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS "instrumentation-http-known-methods" ValueKind::Words,
            "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE", HTTP,
            "Methods that keep their names; all others count as _OTHER";
        OTEL_RS_BAGGAGE_ATTRIBUTES "baggage-attributes" ValueKind::Words, "", "",
            "Entries of baggage that become attributes of spans and log records: tenant,user.*";
        OTEL_RS_DETACH_AFTER "detach-after" ValueKind::Milliseconds, "10000", "",
            "Milliseconds after a request's end in which tasks it left behind still count as its work";
    }
    "The run as a whole" {
        OTEL_RS_PROCESS_SPAN "process-span" ValueKind::Bool, "false", "semconv/cli/cli-spans/",
            "Record the program's run as a span, for batch jobs and CI; its parent is TRACEPARENT of the environment";
        OTEL_RS_PROCESS_SPAN_ARGS "process-span-args" ValueKind::Bool, "true", "semconv/cli/cli-spans/",
            "Whether that span holds the program's arguments; what looks like a secret in them is never recorded";
        OTEL_RS_ENVIRONMENT_PARENT "environment-parent" ValueKind::Bool, "false", "otel/context/env-carriers/",
            "Whether TRACEPARENT of the environment is the parent of work that has none, also without a span for the run";
        OTEL_RS_FOLLOW "follow" ValueKind::Bool, "true", "",
            "Stay while processes run that the program left behind when it exited with 0, as a daemon does";
    }
    "Traces" {
        OTEL_TRACES_EXPORTER "traces-exporter" EXPORTERS, "otlp", SDK,
            "Where spans go, several separated by commas";
        OTEL_TRACES_SAMPLER "traces-sampler" ValueKind::Choice(&[
            "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
            "always_on", "always_off", "traceidratio",
        ]), "parentbased_always_on", SDK,
            "Which traces are exported";
        OTEL_TRACES_SAMPLER_ARG "traces-sampler-arg" ValueKind::Fraction, "1", SDK,
            "Share of traces for the traceidratio samplers, 0 to 1";
        OTEL_BSP_SCHEDULE_DELAY "bsp-schedule-delay" ValueKind::Delay, "5000", SDK,
            "Milliseconds a span waits at most for its batch";
        OTEL_BSP_EXPORT_TIMEOUT "bsp-export-timeout" ValueKind::Timeout, "30000", SDK,
            "Milliseconds one export of spans may take, retries included";
        OTEL_BSP_MAX_QUEUE_SIZE "bsp-max-queue-size" ValueKind::Count, "65536", SDK,
            "Spans that may wait; beyond that the oldest are dropped and counted", LONG_QUEUE;
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE "bsp-max-export-batch-size" ValueKind::Count, "512", SDK,
            "Spans in one export";
        OTEL_RS_SPANS "spans" ValueKind::Words, "", "",
            "Which of the program's own spans are recorded: info,shop::db=debug,noisy=off [default: info, without those that an instrumentation records already]";
    }
    "Metrics" {
        OTEL_METRICS_EXPORTER "metrics-exporter" METRIC_EXPORTERS, "otlp", SDK,
            "Where metrics go, several separated by commas";
        OTEL_METRIC_EXPORT_INTERVAL "metric-export-interval" ValueKind::Milliseconds, "60000", SDK,
            "Milliseconds between two exports of metrics";
        OTEL_METRIC_EXPORT_TIMEOUT "metric-export-timeout" ValueKind::Timeout, "30000", SDK,
            "Milliseconds one export of metrics may take, retries included";
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE "exporter-otlp-metrics-temporality-preference"
            ValueKind::Choice(&["cumulative", "delta", "lowmemory"]), "cumulative", OTLP_METRICS,
            "Whether sums count from the start or from the last export; lowmemory is delta here, for all counters";
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
            "exporter-otlp-metrics-default-histogram-aggregation"
            ValueKind::Choice(&["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]),
            "explicit_bucket_histogram", OTLP_METRICS,
            "How the buckets of histograms are chosen";
        OTEL_METRICS_EXEMPLAR_FILTER "metrics-exemplar-filter"
            ValueKind::Choice(&["always_on", "always_off", "trace_based"]), "trace_based", SDK,
            "Which durations of requests and queries are kept as exemplars, with their spans; trace_based: of sampled ones";
        OTEL_EXPORTER_PROMETHEUS_HOST "exporter-prometheus-host" ValueKind::Text, "localhost", SDK,
            "Where the page for Prometheus listens";
        OTEL_EXPORTER_PROMETHEUS_PORT "exporter-prometheus-port" ValueKind::Port, "9464", SDK,
            "Its port, 0 for any that is free";
        OTEL_RS_HOST_METRICS "host-metrics" ValueKind::List(&["process", "process.pid", "system", "none"]), "process,system", "",
            "What is measured from outside the program: its processes (process.pid: each on its own), the machine";
        OTEL_RS_METRICS_CARDINALITY_LIMIT "metrics-cardinality-limit" ValueKind::Count, "2000", "",
            "Series of one instrument; what is more is summed up as otel.metric.overflow";
        OTEL_RS_RUNTIME_POLL_TIMES "runtime-poll-times" ValueKind::Bool, "false", "",
            "Record how long the polls of asynchronous tasks take, to find those that block a worker; small polls get slower";
        OTEL_RS_OBSERVER_THREAD "observer-thread" ValueKind::Choice(&["auto", "always", "never"]), "auto", "",
            "Whether callbacks of metrics have a thread in the program; auto: once the program has several (some system calls fail in a program of several threads)";
    }
    "Logs" {
        OTEL_LOGS_EXPORTER "logs-exporter" EXPORTERS, "otlp", SDK,
            "Where log records go, several separated by commas";
        OTEL_BLRP_SCHEDULE_DELAY "blrp-schedule-delay" ValueKind::Delay, "1000", SDK,
            "Milliseconds a log record waits at most for its batch";
        OTEL_BLRP_EXPORT_TIMEOUT "blrp-export-timeout" ValueKind::Timeout, "30000", SDK,
            "Milliseconds one export of log records may take, retries included";
        OTEL_BLRP_MAX_QUEUE_SIZE "blrp-max-queue-size" ValueKind::Count, "65536", SDK,
            "Log records that may wait; beyond that the oldest are dropped and counted", LONG_QUEUE;
        OTEL_BLRP_MAX_EXPORT_BATCH_SIZE "blrp-max-export-batch-size" ValueKind::Count, "512", SDK,
            "Log records in one export";
        OTEL_RS_LOGS "logs" ValueKind::Words, "", "",
            "Which log records are recorded: info,shop::db=debug,noisy=off [default: those that the program's logger accepts; where it has none, info]";
        OTEL_RS_LOG_IDS "log-ids" ValueKind::Bool, "false", "",
            "Write trace_id and span_id into the program's own log lines of JSON";
        OTEL_RS_SPAN_EVENTS "span-events" ValueKind::Bool, "false", "",
            "Turn log records that are written within a sampled span into events of that span, in place of log records";
        OTEL_RS_LOG_SPAN_FIELDS "log-span-fields" ValueKind::Bool, "false", "",
            "Give log records the fields of the program's own spans around them as attributes";
    }
    "Limits" {
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT "attribute-value-length-limit" ValueKind::Limit, "", SDK,
            "Characters in an attribute's text [default: no limit]";
        OTEL_ATTRIBUTE_COUNT_LIMIT "attribute-count-limit" ValueKind::Limit, "128", SDK,
            "Attributes of a span or log record";
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT "span-attribute-value-length-limit" ValueKind::Limit, "", SDK,
            "Characters in the text of a span's attribute [default: OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT]";
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT "span-attribute-count-limit" ValueKind::Limit, "", SDK,
            "Attributes of a span [default: OTEL_ATTRIBUTE_COUNT_LIMIT]";
        OTEL_SPAN_EVENT_COUNT_LIMIT "span-event-count-limit" ValueKind::Limit, "128", SDK,
            "Events of a span";
        OTEL_SPAN_LINK_COUNT_LIMIT "span-link-count-limit" ValueKind::Limit, "128", SDK,
            "Links of a span";
        OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT "event-attribute-count-limit" ValueKind::Limit, "128", SDK,
            "Attributes of a span's event";
        OTEL_LINK_ATTRIBUTE_COUNT_LIMIT "link-attribute-count-limit" ValueKind::Limit, "128", SDK,
            "Attributes of a span's link";
        OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT "logrecord-attribute-value-length-limit" ValueKind::Limit, "", SDK,
            "Characters in the text of a log record's attribute [default: OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT]";
        OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT "logrecord-attribute-count-limit" ValueKind::Limit, "", SDK,
            "Attributes of a log record [default: OTEL_ATTRIBUTE_COUNT_LIMIT]";
    }
    "OTLP" {
        OTEL_EXPORTER_OTLP_ENDPOINT "exporter-otlp-endpoint" ValueKind::Endpoint, "", OTLP,
            "The collector [default: http://localhost:4318, http://localhost:4317 for grpc]";
        OTEL_EXPORTER_OTLP_PROTOCOL "exporter-otlp-protocol" PROTOCOLS, "", OTLP,
            "The protocol [default: http/protobuf, grpc if the endpoint's port is 4317]",
            "`http/protobuf` for every port there; 4317 is the port of gRPC, where no other protocol is understood, and \
             a signal without settings of its own follows the others";
        OTEL_EXPORTER_OTLP_HEADERS "exporter-otlp-headers" ValueKind::SecretPairs, "", OTLP,
            "Headers sent to it: key=value,…";
        OTEL_EXPORTER_OTLP_COMPRESSION "exporter-otlp-compression" COMPRESSIONS, "none", OTLP,
            "How exports are compressed";
        OTEL_EXPORTER_OTLP_TIMEOUT "exporter-otlp-timeout" ValueKind::Timeout, "10000", OTLP,
            "Milliseconds one export may take, retries included";
        OTEL_EXPORTER_OTLP_CERTIFICATE "exporter-otlp-certificate" ValueKind::Path, "", OTLP,
            "Certificates to trust, in PEM [default: the system's]";
        OTEL_EXPORTER_OTLP_CLIENT_KEY "exporter-otlp-client-key" ValueKind::Path, "", OTLP,
            "The client's private key for mutual TLS, in PEM";
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE "exporter-otlp-client-certificate" ValueKind::Path, "", OTLP,
            "The client's certificate for mutual TLS, in PEM";
        OTEL_EXPORTER_OTLP_INSECURE "exporter-otlp-insecure" ValueKind::Bool, "true", OTLP,
            "Whether an endpoint without a scheme is plain text",
            "`false` there; an endpoint like `0.0.0.0:4317` is mostly a collector nearby without \
             TLS; write `https://` where secrets are sent along";
    }
}

otlp_of! {
    TRACES_ROWS OTLP_OF_TRACES "traces" "spans":
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL
    OTEL_EXPORTER_OTLP_TRACES_HEADERS
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE
    OTEL_EXPORTER_OTLP_TRACES_INSECURE
}

otlp_of! {
    METRICS_ROWS OTLP_OF_METRICS "metrics" "metrics":
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
    OTEL_EXPORTER_OTLP_METRICS_HEADERS
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT
    OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE
    OTEL_EXPORTER_OTLP_METRICS_INSECURE
}

otlp_of! {
    LOGS_ROWS OTLP_OF_LOGS "logs" "log records":
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL
    OTEL_EXPORTER_OTLP_LOGS_HEADERS
    OTEL_EXPORTER_OTLP_LOGS_COMPRESSION
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT
    OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE
    OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY
    OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE
    OTEL_EXPORTER_OTLP_LOGS_INSECURE
}

/// The settings of OTLP for all kinds of telemetry.
pub(in crate::config) const OTLP_OF_ALL: OtlpVariables = OtlpVariables {
    endpoint: OTEL_EXPORTER_OTLP_ENDPOINT,
    protocol: OTEL_EXPORTER_OTLP_PROTOCOL,
    headers: OTEL_EXPORTER_OTLP_HEADERS,
    compression: OTEL_EXPORTER_OTLP_COMPRESSION,
    timeout: OTEL_EXPORTER_OTLP_TIMEOUT,
    certificate: OTEL_EXPORTER_OTLP_CERTIFICATE,
    client_key: OTEL_EXPORTER_OTLP_CLIENT_KEY,
    client_certificate: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE,
    insecure: OTEL_EXPORTER_OTLP_INSECURE,
};

/// How spans are batched.
pub(crate) const BATCHES_OF_SPANS: BatchVariables = BatchVariables {
    delay: OTEL_BSP_SCHEDULE_DELAY,
    timeout: OTEL_BSP_EXPORT_TIMEOUT,
    queue: OTEL_BSP_MAX_QUEUE_SIZE,
    size: OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
};

/// How log records are batched.
pub(crate) const BATCHES_OF_LOGS: BatchVariables = BatchVariables {
    delay: OTEL_BLRP_SCHEDULE_DELAY,
    timeout: OTEL_BLRP_EXPORT_TIMEOUT,
    queue: OTEL_BLRP_MAX_QUEUE_SIZE,
    size: OTEL_BLRP_MAX_EXPORT_BATCH_SIZE,
};

/// Specified, but not supported.
const UNSUPPORTED: &[Variable] = &[
    unsupported("OTEL_EXPORTER_ZIPKIN_ENDPOINT", SDK, NO_ZIPKIN),
    unsupported("OTEL_EXPORTER_ZIPKIN_TIMEOUT", SDK, NO_ZIPKIN),
    unsupported("OTEL_EXPORTER_ZIPKIN_PROTOCOL", SDK, NO_ZIPKIN),
    // Obsolete in the specification: an implementation that never read them need not begin.
    unsupported("OTEL_EXPORTER_OTLP_SPAN_INSECURE", OTLP, "use `OTEL_EXPORTER_OTLP_TRACES_INSECURE` in its place"),
    unsupported("OTEL_EXPORTER_OTLP_METRIC_INSECURE", OTLP, "use `OTEL_EXPORTER_OTLP_METRICS_INSECURE` in its place"),
];

const fn unsupported(env: &'static str, spec: &'static str, instead: &'static str) -> Variable {
    Variable {
        env,
        flag: None,
        kind: ValueKind::Unsupported(instead),
        default: "",
        differs: "",
        help: "Not supported",
        group: "Not supported",
        spec,
    }
}

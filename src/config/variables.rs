//! The registry of variables: one definition feeds parsing, flags and help.

/// What a variable's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number of milliseconds.
    Milliseconds,
    /// A whole number above zero.
    Count,
    /// A number between 0 and 1.
    Fraction,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these, separated by commas; `none` stands alone.
    List(&'static [&'static str]),
    /// `key=value` pairs separated by commas, percent-encoded.
    Pairs,
    /// The same, but the values are secrets.
    SecretPairs,
    /// A URL, whose scheme may be missing.
    Endpoint,
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
    /// The value that counts when there is none; empty when it is computed.
    pub(crate) default: &'static str,
    /// One sentence for the help text.
    pub(crate) help: &'static str,
    /// The heading under which the help shows it.
    pub(crate) group: &'static str,
    /// The page of the OpenTelemetry specification that defines it, below `https://opentelemetry.io/docs/specs/`;
    /// empty for our own.
    #[allow(dead_code, reason = "for the reference page made from this table")]
    pub(crate) spec: &'static str,
}

const SDK: &str = "otel/configuration/sdk-environment-variables/";
const OTLP: &str = "otel/protocol/exporter/";
const EXPORTERS: Kind = Kind::List(&["otlp", "console", "none"]);
const PROTOCOLS: Kind = Kind::Choice(&["http/protobuf", "grpc"]);

macro_rules! variables {
    ($($group:literal { $($env:literal $flag:literal $kind:expr, $default:literal, $spec:expr, $help:literal;)* })*) => {
        &[$($(Variable {
            env: $env, flag: Some($flag), kind: $kind, default: $default, help: $help, group: $group, spec: $spec,
        },)*)*]
    };
}

/// Every variable that otel-rs reads.
pub(crate) const VARIABLES: &[Variable] = variables! {
    "General" {
        "OTEL_SDK_DISABLED" "sdk-disabled" Kind::Bool, "false", SDK,
            "Run the program without collecting anything";
        "OTEL_SERVICE_NAME" "service-name" Kind::Text, "", SDK,
            "The service's name [default: the program's file name]";
        "OTEL_RESOURCE_ATTRIBUTES" "resource-attributes" Kind::Pairs, "", SDK,
            "Attributes of everything exported: key=value,…";
        "OTEL_PROPAGATORS" "propagators" Kind::List(&["tracecontext", "baggage", "none"]), "tracecontext,baggage", SDK,
            "Headers that carry a trace from service to service";
    }
    "Signals" {
        "OTEL_TRACES_EXPORTER" "traces-exporter" EXPORTERS, "otlp", SDK,
            "Where spans go, several separated by commas";
        "OTEL_METRICS_EXPORTER" "metrics-exporter" EXPORTERS, "otlp", SDK,
            "Where metrics go, several separated by commas";
        "OTEL_LOGS_EXPORTER" "logs-exporter" EXPORTERS, "otlp", SDK,
            "Where log records go, several separated by commas";
        "OTEL_TRACES_SAMPLER" "traces-sampler" Kind::Choice(&[
            "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
            "always_on", "always_off", "traceidratio",
        ]), "parentbased_always_on", SDK,
            "Which traces are exported";
        "OTEL_TRACES_SAMPLER_ARG" "traces-sampler-arg" Kind::Fraction, "1", SDK,
            "Share of traces for the traceidratio samplers, 0 to 1";
        "OTEL_METRIC_EXPORT_INTERVAL" "metric-export-interval" Kind::Milliseconds, "60000", SDK,
            "Milliseconds between two exports of metrics";
        "OTEL_BSP_SCHEDULE_DELAY" "bsp-schedule-delay" Kind::Milliseconds, "5000", SDK,
            "Milliseconds a span waits at most for its batch";
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" "bsp-max-export-batch-size" Kind::Count, "512", SDK,
            "Spans in one export";
    }
    "OTLP" {
        "OTEL_EXPORTER_OTLP_ENDPOINT" "exporter-otlp-endpoint" Kind::Endpoint, "", OTLP,
            "The collector [default: http://localhost:4318, http://localhost:4317 for grpc]";
        "OTEL_EXPORTER_OTLP_PROTOCOL" "exporter-otlp-protocol" PROTOCOLS, "", OTLP,
            "How to speak to it [default: http/protobuf, grpc if the endpoint's port is 4317]";
        "OTEL_EXPORTER_OTLP_HEADERS" "exporter-otlp-headers" Kind::SecretPairs, "", OTLP,
            "Headers sent to it: key=value,…";
        "OTEL_EXPORTER_OTLP_TIMEOUT" "exporter-otlp-timeout" Kind::Milliseconds, "10000", OTLP,
            "Milliseconds one export may take";
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" "exporter-otlp-traces-endpoint" Kind::Endpoint, "", OTLP,
            "The whole URL for spans";
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" "exporter-otlp-traces-protocol" PROTOCOLS, "", OTLP,
            "The protocol for spans";
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS" "exporter-otlp-traces-headers" Kind::SecretPairs, "", OTLP,
            "Headers sent with spans";
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT" "exporter-otlp-traces-timeout" Kind::Milliseconds, "", OTLP,
            "Milliseconds one export of spans may take";
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" "exporter-otlp-metrics-endpoint" Kind::Endpoint, "", OTLP,
            "The whole URL for metrics";
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" "exporter-otlp-metrics-protocol" PROTOCOLS, "", OTLP,
            "The protocol for metrics";
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS" "exporter-otlp-metrics-headers" Kind::SecretPairs, "", OTLP,
            "Headers sent with metrics";
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT" "exporter-otlp-metrics-timeout" Kind::Milliseconds, "", OTLP,
            "Milliseconds one export of metrics may take";
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" "exporter-otlp-logs-endpoint" Kind::Endpoint, "", OTLP,
            "The whole URL for log records";
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL" "exporter-otlp-logs-protocol" PROTOCOLS, "", OTLP,
            "The protocol for log records";
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS" "exporter-otlp-logs-headers" Kind::SecretPairs, "", OTLP,
            "Headers sent with log records";
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT" "exporter-otlp-logs-timeout" Kind::Milliseconds, "", OTLP,
            "Milliseconds one export of log records may take";
    }
    "otel-rs" {
        "OTEL_RS_DETACH_AFTER" "rs-detach-after" Kind::Milliseconds, "10000", "",
            "Milliseconds after a request's end in which tasks it left behind still count as its work";
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_its_variable_in_small_letters() {
        for variable in VARIABLES {
            let expected = variable.env.strip_prefix("OTEL_").unwrap().to_lowercase().replace('_', "-");
            assert_eq!(variable.flag, Some(expected.as_str()), "{}", variable.env);
        }
    }

    #[test]
    fn no_variable_stands_twice() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.env).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VARIABLES.len());
    }
}

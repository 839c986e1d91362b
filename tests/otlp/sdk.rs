//! Metrics, which opentelemetry-otlp's exporter passes on to the transport of all signals.

use std::time::Duration;

use tonic::Code;

use super::{End, PROTOCOLS, measures, run, serve};
use crate::support::Otlp;
use crate::support::otlp::{Answer, Seen};
use crate::support::tls::Authority;

/// Metrics alone.
fn metrics(protocol: &str, otlp: &Otlp, more: &[(&str, &str)]) -> End {
    let url = otlp.url();
    let mut settings = vec![
        ("EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("EXPORTER_OTLP_PROTOCOL", protocol),
        ("TRACES_EXPORTER", "none"),
    ];
    settings.extend(more);
    run("/a\n", &settings)
}

fn header<'a>(request: &'a Seen, name: &str) -> Option<&'a str> {
    request.headers.get(name).map(String::as_str)
}

#[test]
fn metrics_are_sent_by_tls_with_gzip_and_headers_after_the_required_pause() {
    let authority = Authority::new();
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("127.0.0.1", false));
        otlp.will([Answer::Failed(503, Code::Unavailable, Some("1".into()))]);
        let settings = [
            ("EXPORTER_OTLP_CERTIFICATE", &*authority.file("ca.pem")),
            ("EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=a%20b"),
        ];
        metrics(protocol, &otlp, &settings).is_complete();
        let requests = otlp.requests("metric");
        let [first, second] = &requests[..] else { panic!("{protocol}: {requests:?}") };
        assert!(second.at.duration_since(first.at) >= Duration::from_secs(1), "{protocol}: a RetryInfo or Retry-After");
        let encoding = if protocol == "grpc" { "grpc-encoding" } else { "content-encoding" };
        for request in [first, second] {
            assert_eq!(header(request, encoding), Some("gzip"), "{protocol}");
            assert_eq!(header(request, "x-tenant"), Some("a b"), "{protocol}");
            assert_eq!(header(request, "user-agent"), Some(concat!("otel-rs/", env!("CARGO_PKG_VERSION"))));
        }
        assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1, "{protocol}");
    }
}

#[test]
fn metrics_without_an_answer_are_given_up_at_the_deadline() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Never]);
        let end = metrics(protocol, &otlp, &[("EXPORTER_OTLP_METRICS_TIMEOUT", "300")]);
        end.is_good();
        assert_eq!(otlp.requests("metric").len(), 1, "{protocol}");
        end.prints(1, "caused by: no answer within 300 ms");
        end.prints(1, "metric points were lost");
    }
}

#[test]
fn rejected_points_are_counted() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Partly(4, "too many")]);
        let end = metrics(protocol, &otlp, &[]);
        end.is_good();
        assert_eq!(otlp.requests("metric").len(), 1, "{protocol}");
        end.prints(1, "accepted the metrics with a warning: too many");
        end.prints(1, "4 metric points were lost: 4 rejected");
    }
}

#[test]
fn refused_metrics_are_counted_and_not_sent_again() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Failed(401, Code::Unauthenticated, None)]);
        let end = metrics(protocol, &otlp, &[]);
        end.is_good();
        assert_eq!(otlp.requests("metric").len(), 1, "{protocol}");
        end.prints(1, "hint: check `OTEL_EXPORTER_OTLP_HEADERS`");
        end.prints(1, "metric points were lost");
    }
}

#[test]
fn variables_that_the_sdk_reads_do_not_override_a_file() {
    let otlp = Otlp::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("otel.yaml");
    let text = format!(
        "file_format: \"1.0\"\nmeter_provider:\n  readers:\n    - periodic:\n        exporter:\n          \
         otlp_http:\n            endpoint: {}/v1/metrics\n",
        otlp.url()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = measures(&[
        ("EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1/v1/metrics"),
        ("EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
        ("EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=wrong"),
        ("EXPORTER_OTLP_METRICS_TIMEOUT", "1"),
    ]);
    command.env("OTEL_CONFIG_FILE", file);
    serve(command, "/a\n").is_complete();
    assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1);
    for request in otlp.requests("metric") {
        assert_eq!(header(&request, "content-type"), Some("application/x-protobuf"));
        assert_eq!((header(&request, "content-encoding"), header(&request, "x-tenant")), (None, None));
    }
}

//! Requests of each OTLP protocol as a receiver gets them.

use serde_json::Value;

use super::{PROTOCOLS, run, serve};
use crate::launcher::launch;
use crate::support::Otlp;
use crate::support::expect::server;
use crate::support::otlp::{Answer, Seen};

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.get(name).map(String::as_str)
}

#[test]
fn each_protocol_delivers_spans_and_metrics_with_its_headers() {
    for protocol in PROTOCOLS {
        for compression in ["none", "gzip"] {
            let otlp = Otlp::start();
            let end = run(
                "/a\n/b 500\n",
                &[
                    ("EXPORTER_OTLP_ENDPOINT", &otlp.url()),
                    ("EXPORTER_OTLP_PROTOCOL", protocol),
                    ("EXPORTER_OTLP_COMPRESSION", compression),
                ],
            );
            end.is_complete();
            otlp.traces().require(server().named("GET /b"));
            assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 2, "{protocol}");
            let kind = match protocol {
                "grpc" => "application/grpc",
                "http/protobuf" => "application/x-protobuf",
                _ => "application/json",
            };
            let encoding = if protocol == "grpc" { "grpc-encoding" } else { "content-encoding" };
            let seen = otlp.requests("");
            assert!(seen.len() >= 2, "{seen:?}");
            for request in &seen {
                assert_eq!(header(request, "content-type"), Some(kind));
                assert_eq!(header(request, encoding), (compression == "gzip").then_some("gzip"), "{protocol}");
                assert_eq!(header(request, "user-agent"), Some(concat!("otel-rs/", env!("CARGO_PKG_VERSION"))));
            }
        }
    }
}

#[test]
fn headers_arrive_decoded_and_are_the_same_by_every_protocol() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        let end = run(
            "/a\n",
            &[
                ("EXPORTER_OTLP_ENDPOINT", &otlp.url()),
                ("EXPORTER_OTLP_PROTOCOL", protocol),
                ("EXPORTER_OTLP_HEADERS", "x-tenant=a%20b,X-Per=100%25,content-type=text/plain"),
            ],
        );
        end.is_complete();
        for request in otlp.requests("") {
            assert_eq!(header(&request, "x-tenant"), Some("a b"), "{protocol}");
            assert_eq!(header(&request, "x-per"), Some("100%"), "{protocol}");
            assert_ne!(header(&request, "content-type"), Some("text/plain"), "{protocol}");
        }
    }
}

#[test]
fn credentials_of_an_endpoint_are_sent_and_never_shown() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Failed(401, tonic::Code::Unauthenticated, None)]);
        let end = run(
            "/a\n",
            &[
                ("EXPORTER_OTLP_ENDPOINT", &otlp.url().replace("://", "://me:geheim@")),
                ("EXPORTER_OTLP_PROTOCOL", protocol),
                ("EXPORTER_OTLP_HEADERS", "x-token=auchgeheim"),
                ("LOG_LEVEL", "debug"),
            ],
        );
        end.is_good();
        for request in otlp.requests("") {
            assert_eq!(header(&request, "authorization"), Some("Basic bWU6Z2VoZWlt"), "{protocol}");
        }
        end.prints(1, "cannot export");
        end.prints(1, "hint: check `OTEL_EXPORTER_OTLP_HEADERS`");
        for secret in ["geheim", "me:", "bWU6Z2VoZWlt"] {
            end.prints(0, secret);
        }
    }
}

/// The rules of OTLP/JSON: names in lowerCamelCase, ids in hex, numbers of 64 bits as text, enums as numbers.
#[test]
fn json_follows_the_specification() {
    let otlp = Otlp::start();
    let settings = [("EXPORTER_OTLP_ENDPOINT", otlp.url()), ("EXPORTER_OTLP_PROTOCOL", "http/json".into())];
    run("/a\n/b 500\n", &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).is_complete();

    let traces = otlp.json("/v1/traces");
    let resource = &traces[0]["resourceSpans"][0];
    let service = list(&resource["resource"]["attributes"]).iter().find(|kv| kv["key"] == "service.name").cloned();
    assert_eq!(service.expect("a name")["value"], serde_json::json!({"stringValue": "measures"}));
    assert_eq!(resource["schemaUrl"].as_str().map(|url| url.starts_with("https://opentelemetry.io/")), Some(true));
    let scopes = list(&resource["scopeSpans"]);
    let named = |name: &str| {
        let scope = scopes.iter().find(|scope| scope["scope"]["name"] == name);
        &scope.unwrap_or_else(|| panic!("no scope {name} in {resource:#}"))["spans"]
    };
    let server = list(named("server")).iter().find(|span| span["name"] == "GET /b").expect("the second request");
    let client = list(named("client")).iter().find(|span| span["parentSpanId"] == server["spanId"]).expect("its call");
    assert_eq!((&server["kind"], &client["kind"]), (&2.into(), &3.into()));
    assert_eq!(server["status"]["code"], 2);
    for (id, length) in [(&server["traceId"], 32), (&server["spanId"], 16)] {
        let id = id.as_str().expect("text");
        assert!(id.len() == length && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    }
    let (start, end) = (number(&server["startTimeUnixNano"]), number(&server["endTimeUnixNano"]));
    assert!(start > 0 && start <= end, "{server:#}");
    let status = list(&server["attributes"]).iter().find(|kv| kv["key"] == "http.response.status_code");
    assert_eq!(status.expect("the status")["value"], serde_json::json!({"intValue": "500"}));

    let exports = otlp.json("/v1/metrics");
    let scopes = exports.iter().flat_map(|export| list(&export["resourceMetrics"][0]["scopeMetrics"]));
    let metrics: Vec<&Value> = scopes.flat_map(|scope| list(&scope["metrics"])).collect();
    let named = |name: &str| *metrics.iter().find(|metric| metric["name"] == name).expect(name);
    let durations = &named("http.server.request.duration")["histogram"];
    assert_eq!(durations["aggregationTemporality"], 2);
    let points = list(&durations["dataPoints"]);
    assert_eq!(points.iter().map(|point| number(&point["count"])).sum::<u64>(), 2, "{durations:#}");
    assert!(points[0]["explicitBounds"][0].is_f64() && points[0]["sum"].is_f64(), "{durations:#}");
    let counts = list(&points[0]["bucketCounts"]).iter().map(number);
    assert_eq!(counts.sum::<u64>(), number(&points[0]["count"]));
    let orders = &named("orders.served")["sum"];
    assert_eq!(orders["isMonotonic"], true);
    assert_eq!(orders["dataPoints"][0]["asInt"], "2");
}

#[test]
fn log_records_are_the_same_json_on_their_way_and_on_stdout() {
    let otlp = Otlp::start();
    let mut command = launch("writes_logs");
    command.env("OTEL_LOGS_EXPORTER", "otlp,otlp/stdout").env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    let end = serve(command, "");
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    let line = end.stdout.lines().find(|line| line.starts_with('{')).expect("a line of JSON");
    for export in [otlp.json("/v1/logs").remove(0), serde_json::from_str(line).expect("JSON")] {
        let scopes = list(&export["resourceLogs"][0]["scopeLogs"]);
        let shop = scopes.iter().find(|scope| scope["scope"]["name"] == "shop::orders").expect("the target's scope");
        let record = &shop["logRecords"][0];
        assert_eq!((&record["severityNumber"], &record["severityText"]), (&13.into(), &"WARN".into()));
        assert_eq!(record["body"], serde_json::json!({"stringValue": "out of teapots"}));
        assert!(number(&record["timeUnixNano"]) <= number(&record["observedTimeUnixNano"]), "{record:#}");
        for (id, length) in [("traceId", 32), ("spanId", 16)] {
            let id = record[id].as_str().expect("text");
            assert!(id.len() == length && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
        }
        for value in [
            serde_json::json!({"intValue": "7"}),
            serde_json::json!({"boolValue": true}),
            serde_json::json!({"doubleValue": 1.5}),
        ] {
            assert!(list(&record["attributes"]).iter().any(|kv| kv["value"] == value), "no {value} in {record:#}");
        }
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value:#}"))
}

/// A number of 64 bits, which stands there as text.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number as text: {value}"))
}

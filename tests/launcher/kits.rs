//! Telemetry recorded with the hooks' kits, from end to end.

use std::process::Stdio;

use super::launch;
use crate::support::Otlp;
use crate::support::expect::{Traces, client, server, span};
use crate::support::metrics::Metrics;
use crate::support::model::Kind;

/// The caller that the program's headers name.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn exported(variables: &[(&str, &str)]) -> (Traces, Metrics) {
    let otlp = Otlp::start();
    let mut command = launch("uses_kits");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    for signal in ["TRACES", "METRICS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
    }
    command.envs(variables.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (otlp.traces(), otlp.metrics())
}

#[test]
fn kits_record_spans_and_metrics_of_all_their_shapes() {
    let (traces, metrics) = exported(&[]);
    let job = traces.require(span().named("nightly").root().attr("job.attempt", 2).not_failed());
    assert_eq!(job.kind, Kind::Internal);
    traces.require(span().named("hasty").failed().attr("error.type", "E7"));
    traces.require(span().named("forgotten").failed().attr("error.type", "cancelled"));

    let of_mysql = || client().child_of(&job).attr("db.system.name", "mysql").attr("server.port", 3306);
    traces.require(
        of_mysql()
            .named("SELECT orders")
            .attr("db.query.text", "SELECT item FROM orders WHERE name = ?")
            .attr("db.response.returned_rows", 2)
            .not_failed(),
    );
    traces.require(of_mysql().named("DELETE orders").attr("error.type", "cancelled").failed());
    let refused = of_mysql().named("INSERT orders").failed().attr("db.response.status_code", "1062");
    traces.require(refused.attr("error.type", "1062"));
    traces.require(of_mysql().named("ROLLBACK").without("db.query.text"));
    traces.require_count(4, of_mysql());
    let of_redis = || client().child_of(&job).attr("db.system.name", "redis").without("server.address");
    traces.require(of_redis().named("SET").attr("db.query.text", "SET ? ?").not_failed());
    traces.require(of_redis().named("GET").attr("db.operation.name", "GET").not_failed());

    let of_kafka = || span().attr("messaging.system", "kafka").attr("messaging.destination.name", "orders");
    let sent = traces.require(of_kafka().named("publish orders").child_of(&job).attr("messaging.message.id", "m7"));
    let fetched =
        traces.require(of_kafka().named("poll orders").child_of(&job).attr("messaging.batch.message_count", 3));
    let processed = traces.require(of_kafka().named("handle orders").child_of(&job).failed());
    let batch = traces.require(of_kafka().named("publish all orders").attr("messaging.batch.message_count", 2));
    let settled = traces.require(of_kafka().named("ack orders").attr("messaging.operation.type", "settle"));
    let links: Vec<_> = processed.links.iter().map(|link| (&link.trace, &link.span)).collect();
    assert_eq!(links, [(&sent.trace, &sent.id)], "its parent is other work");
    let kinds = [&sent, &fetched, &processed, &batch, &settled].map(|span| span.kind);
    assert_eq!(kinds, [Kind::Producer, Kind::Client, Kind::Consumer, Kind::Client, Kind::Client]);
    let counted = |name: &str| -> f64 {
        let of_orders = [("messaging.destination.name", "orders".into())];
        metrics.all(name, &of_orders).iter().map(|series| series.value()).sum()
    };
    assert_eq!(counted("messaging.client.sent.messages"), 4.0, "{metrics}");
    assert_eq!(counted("messaging.client.consumed.messages"), 4.0, "{metrics}");
    let of_orders = [("messaging.destination.name", "orders".into())];
    assert_eq!(metrics.count("messaging.client.operation.duration", &of_orders), 5, "{metrics}");
    assert_eq!(metrics.count("messaging.process.duration", &[("error.type", "bad_order".into())]), 1, "{metrics}");

    let call = client().named("shop.Orders/Place").child_of(&job).failed().attr("error.type", "NOT_FOUND");
    let call = traces.require(call.attr("rpc.response.status_code", "NOT_FOUND").attr("server.port", 50051));
    let served = server().named("shop.Orders/Place").child_of(&call).not_failed();
    traces.require(served.attr("rpc.response.status_code", "NOT_FOUND").attr("rpc.system.name", "grpc"));
    for metric in ["rpc.client.call.duration", "rpc.server.call.duration"] {
        let of_status = |status: &str| {
            let method = ("rpc.method", "shop.Orders/Place".into());
            metrics.count(metric, &[method, ("rpc.response.status_code", status.into())])
        };
        assert_eq!(["NOT_FOUND", "OK"].map(of_status), [1, 1], "{metrics}");
    }
}

#[test]
fn a_call_has_the_status_of_its_end() {
    let (traces, metrics) = exported(&[]);
    let done = client().named("shop.Orders/List").not_failed().without("error.type");
    traces.require(done.attr("rpc.response.status_code", "OK"));
    let over_http = server().named("shop.Orders/Cancel").failed().attr("error.type", "503");
    traces.require(over_http.attr("http.response.status_code", 503).without("rpc.response.status_code"));
    let failed = [("rpc.method", "shop.Orders/Cancel".into()), ("error.type", "503".into())];
    assert_eq!(metrics.count("rpc.server.call.duration", &failed), 1, "{metrics}");
}

#[test]
fn a_message_names_its_sender_where_there_is_no_other_work() {
    let (traces, _) = exported(&[]);
    let sent = traces.require(span().named("publish payments").root());
    assert_eq!(sent.kind, Kind::Producer);
    let processed = traces.require(span().named("handle payments").child_of(&sent));
    assert_eq!((processed.kind, processed.links.len()), (Kind::Consumer, 0));
    traces.forbid(span().named("create payments"));
    // The message carries another span's context.
    let passed_on = traces.require(span().named("pass on payments").child_of_remote(TRACE, CALLER));
    assert_eq!(passed_on.kind, Kind::Client);
}

#[test]
fn work_of_a_kit_is_a_child_of_its_operation_or_of_the_work_around_it_if_disabled() {
    let (traces, _) = exported(&[]);
    let request = traces.require(span().named("request").child_of_remote(TRACE, CALLER));
    let within = traces.trace(TRACE);
    let below = within.require_count(6, span().named("below"));
    for name in ["shut", "publish orders", "handle orders", "shop.Orders/Place"] {
        let of_kits = within.all(&span().named(name));
        assert!(!of_kits.is_empty(), "{name}");
        for operation in of_kits {
            assert!(below.iter().any(|below| below.parent == operation.id), "{name}: {below:?}");
        }
    }
    // A statement is not current while it runs.
    within.require(span().named("below").child_of(&request));

    let (traces, _) = exported(&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "kits")]);
    let request = traces.require(span().named("request").child_of_remote(TRACE, CALLER));
    traces.require_count(6, span().named("below").child_of(&request));
    traces.require(server().named("POST").failed().attr("error.type", "503").without("rpc.method"));
    traces.require_count(8, span());
}

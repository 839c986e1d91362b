//! Telemetry recorded with the hooks' kits, from end to end.

use std::process::Stdio;

use super::launch;
use crate::support::Otlp;
use crate::support::expect::{Traces, client, server, span};
use crate::support::metrics::Metrics;
use crate::support::model::Kind;

fn exported() -> (Traces, Metrics) {
    let otlp = Otlp::start();
    let mut command = launch("uses_kits");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    for signal in ["TRACES", "METRICS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (otlp.traces(), otlp.metrics())
}

#[test]
fn kits_record_spans_and_metrics_of_all_their_shapes() {
    let (traces, metrics) = exported();
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
    let kinds = [&sent, &fetched, &processed, &batch, &settled].map(|span| span.kind);
    assert_eq!(kinds, [Kind::Producer, Kind::Client, Kind::Consumer, Kind::Client, Kind::Client]);
    let counted = |name: &str| -> f64 { metrics.all(name, &[]).iter().map(|series| series.value()).sum() };
    assert_eq!(counted("messaging.client.sent.messages"), 3.0, "{metrics}");
    assert_eq!(counted("messaging.client.consumed.messages"), 3.0, "{metrics}");
    assert_eq!(metrics.count("messaging.client.operation.duration", &[]), 4, "{metrics}");
    assert_eq!(metrics.count("messaging.process.duration", &[("error.type", "bad_order".into())]), 1, "{metrics}");

    let call = client().named("shop.Orders/Place").child_of(&job).failed().attr("error.type", "NOT_FOUND");
    let call = traces.require(call.attr("rpc.response.status_code", "NOT_FOUND").attr("server.port", 50051));
    let served = server().named("shop.Orders/Place").child_of(&call).not_failed();
    traces.require(served.attr("rpc.response.status_code", "NOT_FOUND").attr("rpc.system.name", "grpc"));
    for metric in ["rpc.client.call.duration", "rpc.server.call.duration"] {
        assert_eq!(metrics.count(metric, &[("rpc.method", "shop.Orders/Place".into())]), 1, "{metrics}");
    }
}

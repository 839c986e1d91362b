//! The fixture `shop`, woven and launched: its exported telemetry.

mod bodies;
mod client;
mod database;
mod limits;
mod logs;
mod metrics;
mod peers;
mod pools;
mod request;
mod run;
mod tasks;
mod versions;

use std::sync::Arc;

use crate::support::definition::Definition;
use crate::support::expect::Traces;
use crate::support::http::{ClientRequest, Http};
use crate::support::launched::{Launch, Launched};
use crate::support::metrics::Metrics;
use crate::support::{Fixture, Otlp};

/// Ids of a caller that is not instrumented by us.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The header that carries them.
fn traceparent() -> (&'static str, String) {
    ("traceparent", format!("00-{TRACE}-{SPAN}-01"))
}

/// Runs a shop, sends requests, and ends it: what was received.
#[track_caller]
fn received(versions: &str, ask: impl FnOnce(&Launched)) -> (Arc<Fixture>, Traces, Metrics) {
    let (fixture, traces, metrics) = received_with(versions, |launch| launch, ask);
    require_as_defined(&metrics);
    (fixture, traces, metrics)
}

/// The received metrics of a shop agree with their pages: unit, kind, buckets, attributes.
#[track_caller]
fn require_as_defined(metrics: &Metrics) {
    for defined in [
        Definition::of("http"),
        Definition::of("database").and("sqlx-core"),
        Definition::of("run"),
        Definition::of("tower"),
    ] {
        let missing = defined.names().filter(|name| metrics.all(name, &[]).is_empty()).map(|name| (name, ""));
        defined.check(metrics, &missing.collect::<Vec<_>>());
    }
}

/// The same with more settings.
fn received_with(
    versions: &str,
    settings: impl FnOnce(Launch) -> Launch,
    ask: impl FnOnce(&Launched),
) -> (Arc<Fixture>, Traces, Metrics) {
    let fixture = Fixture::with("shop", versions);
    let otlp = Otlp::start();
    let shop = settings(Launch::of(&fixture).to(&otlp)).start();
    ask(&shop);
    shop.stop();
    (fixture, otlp.traces(), otlp.metrics())
}

/// `GET path` as that caller, over HTTP/1 or HTTP/2.
fn get_as_caller(shop: &Launched, path: &str, http2: bool) -> (u16, String) {
    let headers = vec![traceparent(), ("user-agent", "tester/1".to_owned())];
    Http::new(http2).send(ClientRequest { method: "GET", url: shop.url(path), headers })
}

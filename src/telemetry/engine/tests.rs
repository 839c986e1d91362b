//! The whole way from records to a destination.

use super::intake::now_unix_ns;
use super::*;
use crate::channel::feed::{self, Feed};
use crate::config::HostMetrics;
use crate::launch::{Environment, Program};
use crate::records::record::SpanStart;
use crate::records::record::make::{self, Given};
use crate::signals::metrics::CellValue;
use crate::wire::{Domain, ProcessId, cell_kind, key, kind};

const PROCESS: ProcessId = ProcessId(1);

fn config(settings: &[(&str, &str)]) -> Config {
    let get = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    crate::config::resolve(&[], &get).unwrap().config
}

/// A request that queries a database and calls a second service, as its hooks would report it.
fn trace(now: u64, number: u8) -> Vec<u8> {
    let ms = 1_000_000;
    let id = |span: u8| [span, number, 1, 1, 1, 1, 1, 1];
    let start = |span: u8, parent: u8, domain, scope, after: u64, facts: &[Given<'_>]| {
        let start = SpanStart {
            trace: [number + 1; 16],
            span: id(span),
            parent: if parent == 0 { [0; 8] } else { id(parent) },
            time: now + after * ms,
            scope,
            domain,
            flags: 1,
            parent_remote: span == 4,
        };
        make::start(&start, facts)
    };
    let end = |span: u8, after: u64, facts: &[Given<'_>]| make::span(kind::SPAN_END, id(span), now + after * ms, facts);
    let server = |path| {
        [
            Given::Text(key::HTTP_METHOD, "GET"),
            Given::Text(key::URL_PATH, path),
            Given::Text(key::URL_SCHEME, "http"),
            Given::Text(key::HTTP_HOST, "127.0.0.1:3000"),
            Given::Text(key::HTTP_VERSION, "1.1"),
        ]
    };
    let mut all = start(1, 0, Domain::HttpServer as u8, 4, 0, &server("/orders/7"));
    all.extend(make::span(kind::SPAN_UPDATE, id(1), now, &[Given::Text(key::HTTP_ROUTE, "/orders/{id}")]));
    let query = "SELECT * FROM orders WHERE note = 'hunter2' AND id = ?";
    let facts = [Given::Text(key::DB_SYSTEM, "sqlite"), Given::Text(key::DB_QUERY, query)];
    all.extend(start(2, 1, Domain::Database as u8, 8, 1, &facts));
    all.extend(end(2, 2, &[Given::Int(key::DB_ROWS, 1)]));
    let url = "http://u:hunter2@127.0.0.1:3001/stock/7?token=hunter2";
    let facts = [Given::Text(key::HTTP_METHOD, "GET"), Given::Text(key::URL_FULL, url)];
    all.extend(start(3, 1, Domain::HttpClient as u8, 12, 3, &facts));
    let facts = [Given::Text(key::EVENT_NAME, "retry"), Given::NamedInt("attempt", 2)];
    all.extend(make::span(kind::SPAN_EVENT, id(3), now + 4 * ms, &facts));
    all.extend(start(4, 3, Domain::HttpServer as u8, 4, 5, &server("/stock/7")));
    all.extend(end(4, 7, &[Given::Text(key::HTTP_ROUTE, "/stock/{id}"), Given::Int(key::HTTP_STATUS, 503)]));
    all.extend(end(3, 9, &[Given::Int(key::HTTP_STATUS, 503)]));
    all.extend(end(1, 12, &[Given::Int(key::HTTP_STATUS, 200)]));
    all
}

fn programs(config: &Config) -> Programs {
    let program = Program { name: "shop".into(), file: "/bin/shop".into(), args: Vec::new() };
    Programs::new(&config.resource, &program, &Environment::from_iter([]), Default::default(), Vec::new())
}

/// Runs an engine over `traces` requests and one that is never finished.
fn run(config: &Config, traces: u8, end: ChildEnd) -> TelemetryReport {
    run_within(Duration::from_secs(5), config, traces, &[Domain::HttpServer], end)
}

/// The same, with a span that is never finished in each of those domains.
fn run_within(deadline: Duration, config: &Config, traces: u8, open: &[Domain], end: ChildEnd) -> TelemetryReport {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entered = runtime.enter();
    let nothing = HostMetrics { process: false, process_ids: false, system: false };
    let host = Host::new(nothing, "/bin/shop".as_ref(), Default::default());
    let mut engine = Engine::new(config, programs(config), host, None);
    drop(entered);
    let marker = |name: &str, version: &str| Some(format!("otel-rs:layer:1|{name}|{version}|0.1.0|\n").into_bytes());
    let strings = move |id| match id {
        4 => marker("hyper", "1.6.0"),
        8 => marker("sqlx-core", "0.8.6"),
        _ => marker("reqwest", "0.12.9"),
    };
    let active = [
        Given::Text(key::METRIC_NAME, "http.server.active_requests"),
        Given::Text(key::METRIC_UNIT, "{request}"),
        Given::Named("http.request.method", "GET"),
    ];
    let description = make::attributes(&active);
    let cell = CellValue { kind: cell_kind::UP_DOWN_COUNTER, attributes: 3, description, value: 1 };
    let source = engine.programs.launched();
    let cells = Box::new(move || vec![cell.clone()]);
    engine.intake.attach(PROCESS, &source, Box::new(strings), cells, None, &mut engine.output);
    let (sender, receiver) = feed::queue();
    let now = now_unix_ns();
    for number in 0..traces {
        sender.records(PROCESS, trace(now, number));
    }
    sender.send(Feed::PassDone { process: PROCESS });
    for (domain, number) in open.iter().zip(240..) {
        let open = SpanStart {
            trace: [number; 16],
            span: [number; 8],
            parent: [0; 8],
            time: now,
            scope: 4,
            domain: *domain as u8,
            flags: 1,
            parent_remote: false,
        };
        sender.records(PROCESS, make::start(&open, &[Given::Text(key::HTTP_METHOD, "POST")]));
    }
    sender.send(Feed::Exited { process: PROCESS, dropped: 0, last_seen_unix_ns: now + 1_000_000 });
    sender.send(Feed::Closed);
    let (sender, ending) = oneshot::channel();
    let ended = Ended { end, usage: Usage::default(), at: SystemTime::now() };
    sender.send(ProgramEnd { ended, deadline }).unwrap();
    runtime.block_on(engine.run(receiver, tokio::sync::mpsc::unbounded_channel().1, ending))
}

#[test]
fn spans_on_the_console_count_as_exported() {
    let config = config(&[("OTEL_TRACES_EXPORTER", "console"), ("OTEL_METRICS_EXPORTER", "console")]);
    let report = run(&config, 2, ChildEnd::Killed(9));
    let expected = TelemetryReport { exported_spans: 9, open_requests: 1, ..TelemetryReport::default() };
    assert_eq!(report, expected);
}

#[test]
fn only_what_is_served_counts_as_an_open_request() {
    let open = [Domain::HttpServer, Domain::RpcServer, Domain::HttpClient, Domain::RpcClient, Domain::Internal];
    let config = config(&[("OTEL_TRACES_EXPORTER", "console"), ("OTEL_METRICS_EXPORTER", "none")]);
    let report = run_within(Duration::from_secs(5), &config, 0, &open, ChildEnd::Killed(9));
    assert_eq!((report.exported_spans, report.open_requests), (5, 2));
}

#[test]
fn an_unreachable_collector_delays_the_end_a_little_and_its_losses_are_counted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for protocol in ["grpc", "http/protobuf"] {
        let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let since = Instant::now();
        let report = run(&config(&settings), 100, ChildEnd::Exited(0));
        assert_eq!((report.exported_spans, report.lost), (0, 401), "{protocol}");
        assert!(since.elapsed() < Duration::from_secs(4), "{protocol}: {:?}", since.elapsed());
    }
}

#[test]
fn a_collector_that_never_answers_is_given_up_at_the_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for protocol in ["grpc", "http/protobuf"] {
        let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let since = Instant::now();
        let report =
            run_within(Duration::from_secs(1), &config(&settings), 1, &[Domain::HttpServer], ChildEnd::Exited(0));
        assert_eq!((report.exported_spans, report.lost), (0, 5), "{protocol}");
        assert!(since.elapsed() < Duration::from_secs(3), "{protocol}: {:?}", since.elapsed());
    }
}

/// For trying out a real collector: `OTEL_RS_TEST_COLLECTOR=localhost:4317 cargo test real_collector -- --ignored`.
#[test]
#[ignore = "needs a collector"]
fn a_real_collector_accepts_all_spans() {
    let read = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok()).unwrap_or_default();
    let (endpoint, protocol) = (read("OTEL_RS_TEST_COLLECTOR"), read("OTEL_RS_TEST_PROTOCOL"));
    assert_ne!(endpoint, "", "no collector named");
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.as_str())];
    let report = run(&config(&settings), 2, ChildEnd::Killed(9));
    assert_eq!((report.exported_spans, report.lost), (9, 0));
}

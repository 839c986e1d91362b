//! Sizes of bodies, as they passed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::{received, received_with};
use crate::support::definition::Definition;
use crate::support::http::{ClientRequest, Http};
use crate::support::launched::Launch;
use crate::support::metrics::Metrics;
use crate::support::model::Value;
use crate::support::wait_for;

const SETS: [&str; 2] = ["newest", "oldest"];

/// How many bodies there were, and how long in all.
fn bodies(metrics: &Metrics, name: &str, with: &[(&str, Value)]) -> (u64, f64) {
    let found = metrics.all(name, with);
    (metrics.count(name, with), found.iter().map(|series| series.sum()).sum())
}

#[test]
fn a_server_counts_the_bytes_that_pass_whatever_the_content_length() {
    for versions in SETS {
        let (fixture, _, metrics) = received(versions, |shop| {
            for http2 in [false, true] {
                let http = Http::new(http2);
                let pieces = [1000, 2000, 3].map(|length| vec![b'z'; length]);
                assert_eq!(http.post(&shop.url("/swallow"), pieces), (200, "3003".to_owned()));
                let ask = |method, path| http.send(ClientRequest { method, url: shop.url(path), headers: Vec::new() });
                assert_eq!(ask("GET", "/three/700").1.len(), 2100);
                assert_eq!(ask("HEAD", "/hello"), (200, String::new()));
            }
        });
        for version in ["1.1", "2"] {
            let of = |name, route: &str| {
                let with = [("http.route", route.into()), ("network.protocol.version", version.into())];
                bodies(&metrics, name, &with)
            };
            let both =
                |route: &str| (of("http.server.request.body.size", route), of("http.server.response.body.size", route));
            assert_eq!(both("/swallow"), ((1, 3003.0), (1, 4.0)), "{versions} {metrics}");
            assert_eq!(both(&fixture.route("/three/{bytes}")), ((1, 0.0), (1, 2100.0)), "{versions} {metrics}");
            assert_eq!(both("/hello"), ((1, 0.0), (1, 0.0)), "{versions} {metrics}");
        }
        let count = |name| metrics.count(name, &[]);
        assert_eq!(count("http.server.request.duration"), 6);
        assert_eq!((count("http.server.request.body.size"), count("http.server.response.body.size")), (6, 6));
    }
}

#[test]
fn a_client_counts_what_it_sends_and_what_it_fetches() {
    for versions in SETS {
        let mut stock = 0;
        let (fixture, _, metrics) = received(versions, |shop| {
            stock = shop.stock;
            for path in ["/exchange/5000/70000", "/exchange/5000/70000", "/h2/exchange/90000/70000"] {
                assert_eq!(shop.get(path), (200, "210000".to_owned()));
            }
        });
        let of = |name, version: &str| {
            let with = [
                ("network.protocol.version", version.into()),
                ("http.request.method", "POST".into()),
                ("http.response.status_code", 200.into()),
                ("server.address", "127.0.0.1".into()),
                ("server.port", stock.into()),
            ];
            bodies(&metrics, name, &with)
        };
        for (version, sent, received) in [("1.1", (2, 10_000.0), (2, 420_000.0)), ("2", (1, 90_000.0), (1, 210_000.0))]
        {
            assert_eq!(of("http.client.request.body.size", version), sent, "{versions} {metrics}");
            assert_eq!(of("http.client.response.body.size", version), received, "{versions} {metrics}");
        }
        let route = [("http.route", fixture.route("/three/{bytes}").as_str().into())];
        assert_eq!(bodies(&metrics, "http.server.request.body.size", &route), (3, 100_000.0), "the stock agrees");
        assert_eq!(bodies(&metrics, "http.server.response.body.size", &route), (3, 630_000.0), "the stock agrees");
    }
}

/// A server for one request, which gets `answer`, and then the end of the connection.
fn answering(answer: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut buffer = [0; 1024];
        while !head.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "a whole request");
            head.extend(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    (port, serving)
}

#[test]
fn bodies_that_fail_midway_are_counted_up_to_there() {
    for versions in SETS {
        let (cut_off, cutting_off) = answering("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nas far as this");
        let (silent, falling_silent) = answering("");
        let (_, _, metrics) = received(versions, |shop| {
            let mut upload = TcpStream::connect(("127.0.0.1", shop.shop)).unwrap();
            let head = "POST /swallow HTTP/1.1\r\nhost: shop\r\ncontent-length: 1000\r\n\r\n";
            upload.write_all(format!("{head}{}", "z".repeat(400)).as_bytes()).unwrap();
            upload.shutdown(Shutdown::Write).unwrap();
            let _ = upload.read_to_end(&mut Vec::new());
            for port in [cut_off, silent] {
                assert_eq!(shop.get(&format!("/fetch/{port}")).0, 502);
            }
            assert_eq!(shop.get("/unreachable").0, 502);
            assert_eq!(shop.get("/slow").0, 502);
        });
        cutting_off.join().unwrap();
        falling_silent.join().unwrap();
        let swallow = [("http.route", "/swallow".into())];
        assert_eq!(bodies(&metrics, "http.server.request.body.size", &swallow), (1, 400.0), "{versions} {metrics}");

        let of = |name, port: u16| bodies(&metrics, name, &[("server.port", port.into())]);
        assert_eq!(of("http.client.response.body.size", cut_off), (1, 14.0), "{versions} {metrics}");
        assert_eq!(of("http.client.request.body.size", cut_off), (1, 0.0), "{versions} {metrics}");
        assert_eq!(of("http.client.response.body.size", silent), (0, 0.0), "there was none: {metrics}");
        let lost = metrics.require("http.client.request.body.size", &[("server.port", silent.into())]);
        let duration = metrics.require("http.client.request.duration", &[("server.port", silent.into())]);
        assert_eq!(lost.attributes["error.type"], duration.attributes["error.type"], "{versions} {metrics}");
        assert_eq!(of("http.client.request.body.size", 1), (0, 0.0), "nothing was sent: {metrics}");
        let given_up = [("error.type", "cancelled".into())];
        assert_eq!(bodies(&metrics, "http.client.request.body.size", &given_up), (1, 0.0), "{versions} {metrics}");
        let active = metrics.all("http.client.active_requests", &[]);
        assert!(active.len() >= 3 && active.iter().all(|series| series.value() == 0.0), "{versions} {metrics}");
    }
}

#[test]
fn responses_without_a_body_have_size_zero() {
    for versions in SETS {
        let (unchanged, first) = answering("HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n");
        let (upgraded, second) =
            answering("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nhello");
        let (_, _, metrics) = received(versions, |shop| {
            for port in [unchanged, upgraded] {
                assert_eq!(shop.get(&format!("/fetch/{port}")), (200, "0".to_owned()));
            }
        });
        first.join().unwrap();
        second.join().unwrap();
        for (port, status) in [(unchanged, 304), (upgraded, 101)] {
            let with = [("server.port", port.into()), ("http.response.status_code", status.into())];
            assert_eq!(bodies(&metrics, "http.client.response.body.size", &with), (1, 0.0), "{versions} {metrics}");
            let of_server = [("server.port", port.into())];
            assert_eq!(metrics.count("http.client.connection.duration", &of_server), 1, "{versions} {metrics}");
            assert_eq!(now(&metrics, "http.client.open_connections", &of_server), 0.0, "{versions} {metrics}");
        }
    }
}

#[test]
fn excluded_requests_are_not_counted() {
    let without = |launch: Launch| launch.env("OTEL_RS_EXCLUDED_URLS", "/three/*");
    let (_, _, metrics) = received_with("newest", without, |shop| {
        for path in ["/exchange/5000/70000", "/h2/exchange/5000/70000"] {
            assert_eq!(shop.get(path), (200, "210000".to_owned()));
        }
    });
    for name in ["http.client.request.body.size", "http.client.response.body.size", "http.client.active_requests"] {
        assert!(metrics.all(name, &[]).is_empty(), "{metrics}");
    }
    assert_eq!(metrics.count("http.server.request.body.size", &[]), 2, "{metrics}");
    assert_eq!(metrics.all("http.client.open_connections", &[("http.connection.state", "idle".into())]).len(), 2);
}

#[test]
fn views_leave_sizes_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("otel.yaml");
    let text = r#"
file_format: "1.0"
meter_provider:
  readers:
    - periodic: {exporter: {otlp_http: {endpoint: "${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/metrics"}}}
  views:
    - {selector: {instrument_name: "*.body.size"}, stream: {aggregation: {drop: {}}}}
"#;
    std::fs::write(&file, text).unwrap();
    let with = |launch: Launch| launch.env("OTEL_CONFIG_FILE", file.display());
    let (_, _, metrics) = received_with("newest", with, |shop| assert_eq!(shop.get("/hello").0, 200));
    assert_eq!(metrics.count("http.server.request.duration", &[]), 1, "{metrics}");
    assert!(!metrics.series().any(|series| series.name.ends_with(".body.size")), "{metrics}");
}

/// Values of an up-down counter, added up.
fn now(metrics: &Metrics, name: &str, with: &[(&str, Value)]) -> f64 {
    metrics.all(name, with).iter().map(|series| series.value()).sum()
}

#[test]
fn connections_are_active_while_requests_use_them_and_then_idle() {
    for versions in SETS {
        let otlp = crate::support::Otlp::start();
        let fixture = crate::support::Fixture::with("shop", versions);
        let shop = Launch::of(&fixture).to(&otlp).env("OTEL_METRIC_EXPORT_INTERVAL", 100).start();
        let at_once = |path: &str| vec![ClientRequest { method: "GET", url: shop.url(path), headers: Vec::new() }; 3];
        let asks = [at_once("/wait"), at_once("/h2/wait")].concat();
        let waiting = std::thread::spawn(move || Http::new(false).send_all(asks));
        let stock = shop.stock;
        let requests = || now(&otlp.metrics(), "http.client.active_requests", &[("server.port", stock.into())]);
        let connections = |version: &str, state: &str| {
            let with = [
                ("server.address", "127.0.0.1".into()),
                ("server.port", stock.into()),
                ("network.protocol.version", version.into()),
                ("http.connection.state", state.into()),
            ];
            now(&otlp.metrics(), "http.client.open_connections", &with)
        };
        let all = || {
            let of = |version| (connections(version, "active"), connections(version, "idle"));
            (requests(), of("1.1"), of("2"))
        };
        let becomes = |what: &str, expected| {
            wait_for(what, 20, || (all() == expected).then_some(()));
        };
        becomes("six requests on four connections", (6.0, (3.0, 0.0), (1.0, 0.0)));
        assert_eq!(shop.get("/release").0, 200);
        assert!(waiting.join().unwrap().iter().all(|(status, body)| (*status, body.as_str()) == (200, "at last")));
        becomes("four idle connections", (0.0, (0.0, 3.0), (0.0, 1.0)));
        assert_eq!(otlp.metrics().count("http.client.connection.duration", &[]), 0, "all are open");

        assert_eq!(shop.get("/closing"), (200, "bye".to_owned()));
        becomes("the closed one to be gone", (0.0, (0.0, 2.0), (0.0, 1.0)));
        let closed = wait_for("its duration", 20, || {
            otlp.metrics().all("http.client.connection.duration", &[("server.port", stock.into())]).pop()
        });
        assert_eq!(closed.count(), 1, "{closed}");
        assert_eq!(closed.attributes["network.protocol.version"], "1.1".into(), "{closed}");
        assert!(closed.sum() > 0.1 && closed.sum() < 60.0, "longer than an export: {closed}");
        shop.stop();
        // All of them, with all of their attributes.
        let (http, metrics) = (Definition::of("http"), otlp.metrics());
        http.check(&metrics, &[]);
        http.check_attributes(&metrics, &[("*", "error.type")]);
    }
}

#[test]
fn servers_beyond_the_limit_are_counted_together() {
    // The attribute of the overflow series is not listed on a page.
    let (_, _, metrics) = received_with(
        "newest",
        |launch| launch,
        |shop| {
            // The port has no listener.
            for port in 2..102 {
                assert_eq!(shop.get(&format!("/fetch/{port}")).0, 502);
            }
        },
    );
    let all = metrics.all("http.client.active_requests", &[]);
    assert!(all.iter().all(|series| series.value() == 0.0), "{metrics}");
    let others = metrics.require("http.client.active_requests", &[("otel.metric.overflow", true.into())]);
    assert!(!others.attributes.contains_key("server.address"), "{others}");
    assert_eq!(all.len(), 65, "64 servers, and all others: {metrics}");
    assert_eq!(metrics.count("http.client.request.duration", &[]), 100, "durations have no such limit");
}

//! Variables of OTLP: for all signals, and for each.

use super::run::{Outcome, Run, by_default, refused, refused_in, refused_unseen, with};
use super::variables;
use crate::support::Otlp;
use crate::support::expect::server;
use crate::support::otlp::Seen;
use crate::support::tls::Authority;

const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
/// The signals, by the words in the paths of their requests.
const SIGNALS: [&str; 3] = ["trace", "metric", "log"];

/// The first request of a signal.
fn first(otlp: &Otlp, signal: &str) -> Seen {
    otlp.requests(signal).into_iter().next().unwrap_or_else(|| panic!("no request of {signal}s"))
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", String::as_str)
}

/// Whether the requests of `signal` pass `check`, and those of the others do not.
fn only(outcome: &Outcome, signal: &str, check: impl Fn(&Seen) -> bool) {
    for any in SIGNALS {
        let seen = first(&outcome.otlp, any);
        assert_eq!(check(&seen), any == signal, "{seen:?}");
    }
}

fn variable(signal: &str, what: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{}S_{what}", signal.to_uppercase())
}

fn own_endpoint(signal: &str) {
    let own = Otlp::start();
    let name = variable(signal, "ENDPOINT");
    let outcome = with(&name, format!("{}/v1/{signal}s", own.url()));
    for any in SIGNALS {
        let (there, here) = (own.requests(any).is_empty(), outcome.otlp.requests(any).is_empty());
        assert_eq!((there, here), (any != signal, any == signal), "{any}");
    }
    refused(&name, "ftp://host");
}

fn own_protocol(signal: &str) {
    let name = variable(signal, "PROTOCOL");
    only(&with(&name, "grpc"), signal, |seen| seen.path.ends_with("Service/Export"));
    only(&with(&name, "http/json"), signal, |seen| header(seen, "content-type") == "application/json");
    refused(&name, "pigeon");
}

fn own_headers(signal: &str) {
    let name = variable(signal, "HEADERS");
    only(&with(&name, "x-tenant=red"), signal, |seen| header(seen, "x-tenant") == "red");
    refused_unseen(&name, "no-value");
}

fn own_compression(signal: &str) {
    let name = variable(signal, "COMPRESSION");
    only(&with(&name, "gzip"), signal, |seen| header(seen, "content-encoding") == "gzip");
    let all = Run::new().env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip").env(&name, "none").outcome();
    assert_eq!(header(&first(&all.otlp, signal), "content-encoding"), "");
    refused(&name, "tar");
}

fn own_timeout(signal: &str) {
    let name = variable(signal, "TIMEOUT");
    let run = |limit: &str| {
        let others = ["TRACES", "METRICS", "LOGS"].into_iter().filter(|other| !name.contains(other));
        let run =
            others.fold(Run::new().to(Otlp::silent()), |run, other| run.env(&format!("OTEL_{other}_EXPORTER"), "none"));
        run.env("OTEL_EXPORTER_OTLP_TIMEOUT", 60_000).env(&name, limit).outcome()
    };
    let outcome = run("123");
    assert!(outcome.stderr.contains("123 ms"), "{}", outcome.stderr);
    let outcome = run("soon");
    outcome.warns(&name, "soon");
    assert!(outcome.stderr.contains("no answer before the program's end"), "{}", outcome.stderr);
}

/// Signals that arrive over TLS when the files of `set` are given.
fn arrive(authority: &Authority, asks: bool, set: &[(&str, &str)]) -> (Vec<&'static str>, String) {
    let run = Run::new().to(Otlp::secure(authority.server("127.0.0.1", asks)));
    let outcome = set.iter().fold(run, |run, (name, file)| run.env(name, file)).outcome();
    (SIGNALS.into_iter().filter(|signal| !outcome.otlp.requests(signal).is_empty()).collect(), outcome.stderr)
}

/// `variable` names the authorities that all signals trust, or one signal.
fn trusts(variable: &str, signal: Option<&'static str>) {
    let authority = Authority::new();
    let ca = authority.file("ca.pem");
    assert_eq!(arrive(&authority, false, &[]).0, [] as [&str; 0], "nobody knows our authority");
    let expected = signal.map_or(SIGNALS.to_vec(), |signal| vec![signal]);
    assert_eq!(arrive(&authority, false, &[(variable, &ca)]).0, expected);
    assert_eq!(arrive(&authority, false, &[(variable, &ca), GRPC]).0, expected);
    let missing = authority.file("missing.pem");
    let (arrived, stderr) = arrive(&authority, false, &[(variable, &missing)]);
    assert!(arrived.is_empty() && stderr.contains(&missing), "{stderr}");
}

/// `variable` and its counterpart name the client certificate and its key, for all signals or one.
fn shows(variable: &str, signal: Option<&'static str>) {
    let authority = Authority::new();
    authority.sign("me", "me.test");
    let [ca, certificate, key, missing] = ["ca.pem", "me.pem", "me.key", "missing"].map(|name| authority.file(name));
    let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let (own, file, other, other_file) = match variable.strip_suffix("CLIENT_KEY") {
        Some(prefix) => (variable, &key, format!("{prefix}CLIENT_CERTIFICATE"), &certificate),
        None => (variable, &certificate, variable.replace("CLIENT_CERTIFICATE", "CLIENT_KEY"), &key),
    };
    let expected = signal.map_or(SIGNALS.to_vec(), |signal| vec![signal]);
    let with_own = |file: &str| arrive(&authority, true, &[trusted, (&other, other_file), (own, file)]);
    assert_eq!(with_own(file).0, expected);
    assert_eq!(arrive(&authority, true, &[trusted, (&other, other_file), (own, file), GRPC]).0, expected);
    assert_eq!(arrive(&authority, true, &[trusted]).0, [] as [&str; 0]);
    let (arrived, stderr) = with_own(&missing);
    assert!(arrived.is_empty() && stderr.contains(&missing), "{stderr}");
}

fn own_insecure(signal: &str) {
    let name = variable(signal, "INSECURE");
    let outcome = schemeless().env(&name, "false").outcome();
    for any in SIGNALS {
        assert_eq!(outcome.otlp.requests(any).is_empty(), any == signal, "{any}: TLS is not used there");
    }
    assert!(outcome.stderr.contains("`https://"), "{}", outcome.stderr);
    refused_in(schemeless, &name, "perhaps");
}

/// To an endpoint that has no scheme.
fn schemeless() -> Run {
    let run = Run::new();
    let endpoint = run.url().replace("http://", "");
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
}

variables! {
    OTEL_EXPORTER_OTLP_ENDPOINT => {
        let unset = with("OTEL_EXPORTER_OTLP_ENDPOINT", "");
        assert!(unset.stderr.contains("`http://localhost:4318"), "{}", unset.stderr);
        assert!(unset.traces.0.is_empty());
        for signal in SIGNALS {
            assert_eq!(first(&by_default().otlp, signal).path, format!("/v1/{signal}s"));
        }
        let outcome = with("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://me:hunter2@host");
        assert!(outcome.stderr.contains("in `OTEL_EXPORTER_OTLP_ENDPOINT`: expected"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("`http://localhost:4318"), "the default is in effect: {}", outcome.stderr);
    }
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT => { own_endpoint("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT => { own_endpoint("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT => { own_endpoint("log"); }

    OTEL_EXPORTER_OTLP_PROTOCOL => {
        let types = |outcome: &Outcome| SIGNALS.map(|signal| header(&first(&outcome.otlp, signal), "content-type").to_owned());
        assert_eq!(types(by_default()), ["application/x-protobuf"; 3]);
        let json = with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
        assert_eq!(types(&json), ["application/json"; 3]);
        json.traces.require(server());
        let grpc = with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(types(&grpc), ["application/grpc"; 3]);
        grpc.traces.require(server());
        refused("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon");
    }
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL => { own_protocol("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL => { own_protocol("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL => { own_protocol("log"); }

    OTEL_EXPORTER_OTLP_HEADERS => {
        for protocol in ["http/protobuf", "grpc"] {
            let run = Run::new().env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
            let outcome = run.env("OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=a%20b,authorization=Basic%20abc").outcome();
            for signal in SIGNALS {
                let seen = first(&outcome.otlp, signal);
                assert_eq!((header(&seen, "x-tenant"), header(&seen, "authorization")), ("a b", "Basic abc"));
            }
        }
        assert_eq!(header(&first(&by_default().otlp, "trace"), "x-tenant"), "");
        refused_unseen("OTEL_EXPORTER_OTLP_HEADERS", "no-value");
    }
    OTEL_EXPORTER_OTLP_TRACES_HEADERS => { own_headers("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_HEADERS => { own_headers("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_HEADERS => { own_headers("log"); }

    OTEL_EXPORTER_OTLP_COMPRESSION => {
        let outcome = with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        outcome.traces.require(server());
        let grpc = Run::new().env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        let grpc = grpc.outcome();
        grpc.traces.require(server());
        for signal in SIGNALS {
            assert_eq!(header(&first(&by_default().otlp, signal), "content-encoding"), "");
            assert_eq!(header(&first(&outcome.otlp, signal), "content-encoding"), "gzip");
            assert_eq!(header(&first(&grpc.otlp, signal), "grpc-encoding"), "gzip");
        }
        refused("OTEL_EXPORTER_OTLP_COMPRESSION", "tar");
    }
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION => { own_compression("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION => { own_compression("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_COMPRESSION => { own_compression("log"); }

    OTEL_EXPORTER_OTLP_TIMEOUT => {
        let outcome = Run::new().to(Otlp::silent()).env("OTEL_EXPORTER_OTLP_TIMEOUT", 123).outcome();
        assert!(outcome.stderr.contains("123 ms"), "{}", outcome.stderr);
        let patient = Run::new().to(Otlp::silent()).outcome();
        assert!(patient.stderr.contains("no answer before the program's end"), "{}", patient.stderr);
        let bad = Run::new().to(Otlp::silent()).env("OTEL_EXPORTER_OTLP_TIMEOUT", "soon").outcome();
        bad.warns("OTEL_EXPORTER_OTLP_TIMEOUT", "soon");
        assert!(bad.stderr.contains("no answer before the program's end"), "{}", bad.stderr);
    }
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT => { own_timeout("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT => { own_timeout("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT => { own_timeout("log"); }

    OTEL_EXPORTER_OTLP_CERTIFICATE => { trusts("OTEL_EXPORTER_OTLP_CERTIFICATE", None); }
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE => { trusts("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", Some("trace")); }
    OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE => { trusts("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", Some("metric")); }
    OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE => { trusts("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", Some("log")); }

    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE => { shows("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", None); }
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE => {
        shows("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", Some("trace"));
    }
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE => {
        shows("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", Some("metric"));
    }
    OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE => { shows("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", Some("log")); }

    OTEL_EXPORTER_OTLP_CLIENT_KEY => { shows("OTEL_EXPORTER_OTLP_CLIENT_KEY", None); }
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY => { shows("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", Some("trace")); }
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY => { shows("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", Some("metric")); }
    OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY => { shows("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", Some("log")); }

    OTEL_EXPORTER_OTLP_INSECURE => {
        schemeless().outcome().traces.require(server());
        let secure = schemeless().env("OTEL_EXPORTER_OTLP_INSECURE", "false").outcome();
        assert!(secure.traces.0.is_empty() && secure.stderr.contains("`https://"), "{}", secure.stderr);
        refused_in(schemeless, "OTEL_EXPORTER_OTLP_INSECURE", "perhaps");
    }
    OTEL_EXPORTER_OTLP_TRACES_INSECURE => { own_insecure("trace"); }
    OTEL_EXPORTER_OTLP_METRICS_INSECURE => { own_insecure("metric"); }
    OTEL_EXPORTER_OTLP_LOGS_INSECURE => { own_insecure("log"); }

    OTEL_EXPORTER_ZIPKIN_ENDPOINT => { no_zipkin("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://localhost:9411"); }
    OTEL_EXPORTER_ZIPKIN_TIMEOUT => { no_zipkin("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "10"); }
    OTEL_EXPORTER_ZIPKIN_PROTOCOL => { no_zipkin("OTEL_EXPORTER_ZIPKIN_PROTOCOL", "http/json"); }

    OTEL_EXPORTER_OTLP_SPAN_INSECURE => {
        not_supported("OTEL_EXPORTER_OTLP_SPAN_INSECURE", "true", "use `OTEL_EXPORTER_OTLP_TRACES_INSECURE`");
    }
    OTEL_EXPORTER_OTLP_METRIC_INSECURE => {
        let instead = "use `OTEL_EXPORTER_OTLP_METRICS_INSECURE`";
        not_supported("OTEL_EXPORTER_OTLP_METRIC_INSECURE", "true", instead);
    }
}

fn no_zipkin(name: &str, value: &str) {
    not_supported(name, value, "collector that passes spans on to Zipkin");
}

fn not_supported(name: &str, value: &str, instead: &str) {
    assert!(!by_default().stderr.contains(name));
    let outcome = with(name, value);
    assert!(
        outcome.stderr.contains(&format!("warning: `{name}` has no effect: it is not supported")),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains(instead), "{}", outcome.stderr);
    outcome.is_as(by_default(), name);
}

/// The lines that an OpenTelemetry talk for Python people ends with, word for word, against a collector of gRPC
/// on 4317 alone.
#[test]
fn the_settings_of_a_talk_work_as_they_stand() {
    let Ok(otlp) = Otlp::start_at("0.0.0.0:4317") else { return crate::support::skip("port 4317 is taken") };
    let running = Run::new()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        .env("OTEL_SERVICE_NAME", "meu-app")
        .env("OTEL_METRICS_EXPORTER", "otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "0.0.0.0:4317")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
        .start();
    // Other programs that export to the default port while this test runs arrive here, too.
    let ours = |otlp: &Otlp| otlp.metrics().all("orders.served", &[]).into_iter().next();
    crate::support::wait_for("metrics while the program runs", 10, || ours(&otlp));
    let outcome = running.end();
    assert_eq!(outcome.stderr, "");
    let of_us: Vec<_> =
        otlp.traces().0.into_iter().filter(|s| s.resource["service.name"] == "meu-app".into()).collect();
    assert_eq!(of_us.len(), 4);
    assert!(otlp.requests("").iter().all(|seen| seen.path.ends_with("Service/Export")));
}

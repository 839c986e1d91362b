//! Collectors behind a proxy.

use super::{End, PROTOCOLS, measures, serve};
use crate::support::gate::HttpProxy;
use crate::support::tls::Authority;
use crate::support::{OTEL_RS, Otlp, clean};

/// A program with these variables, by their whole names.
fn run(url: &str, protocol: &str, variables: &[(&str, &str)]) -> End {
    let mut command = measures(&[("EXPORTER_OTLP_ENDPOINT", url), ("EXPORTER_OTLP_PROTOCOL", protocol)]);
    command.envs(variables.iter().copied());
    serve(command, "/a\n")
}

#[track_caller]
fn all_arrived(end: &End, otlp: &Otlp) {
    end.is_complete();
    assert_eq!(otlp.spans(), 3);
    assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1);
}

/// The requests to the proxy.
fn requests(proxy: &HttpProxy) -> Vec<String> {
    let mut first: Vec<String> =
        proxy.requests().iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
    first.sort_unstable();
    first.dedup();
    first
}

#[test]
fn plain_requests_are_passed_on_and_others_are_tunneled() {
    for (protocol, variable) in PROTOCOLS.into_iter().zip(["HTTP_PROXY", "http_proxy", "all_proxy"]) {
        let (otlp, proxy) = (Otlp::start(), HttpProxy::start());
        let end = run(&otlp.url(), protocol, &[(variable, &proxy.url(""))]);
        all_arrived(&end, &otlp);
        let (url, host) = (otlp.url(), otlp.url().replace("http://", ""));
        let expected = match protocol {
            "grpc" => vec![format!("CONNECT {host}")],
            _ => ["metrics", "traces"].map(|signal| format!("POST {url}/v1/{signal}")).to_vec(),
        };
        assert_eq!(requests(&proxy), expected, "{protocol} {variable}");
    }
}

#[test]
fn tls_goes_through_a_tunnel() {
    let authority = Authority::new();
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("127.0.0.1", false));
        let proxy = HttpProxy::requiring(Some("Basic bWU6aHVudGVyKzI="));
        let ca = authority.file("ca.pem");
        let variables =
            [("HTTPS_PROXY", &*proxy.url("me:hunter%2B2@")), ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
        all_arrived(&run(&otlp.url(), protocol, &variables), &otlp);
        assert_eq!(requests(&proxy), [format!("CONNECT {}", otlp.url().replace("https://", ""))], "{protocol}");
    }
}

#[test]
fn credentials_open_a_proxy_and_are_never_shown() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        let proxy = HttpProxy::requiring(Some("Basic bWU6aHVudGVyMg=="));
        let end = run(&otlp.url(), protocol, &[("HTTP_PROXY", &proxy.url("me:hunter2@"))]);
        all_arrived(&end, &otlp);
        assert!(otlp.requests("").iter().all(|seen| !seen.headers.contains_key("proxy-authorization")));

        let end = run(&otlp.url(), protocol, &[("HTTP_PROXY", &proxy.url("me:hunter3@"))]);
        end.is_good();
        end.prints(1, "cannot export");
        end.prints(1, "the proxy `http://127.0.0.1:");
        end.prints(1, "hint: check `HTTP_PROXY`, or name the collector's host in `NO_PROXY`");
        end.prints(0, "hunter");
        end.prints(1, "3 spans were lost");
        assert_eq!(otlp.spans(), 3);
    }
}

#[test]
fn hosts_without_a_proxy_are_reached_directly() {
    for protocol in PROTOCOLS {
        for variable in ["NO_PROXY", "no_proxy"] {
            let (otlp, proxy) = (Otlp::start(), HttpProxy::start());
            let end = run(&otlp.url(), protocol, &[("ALL_PROXY", &proxy.url("")), (variable, "127.0.0.0/8")]);
            all_arrived(&end, &otlp);
            assert_eq!(proxy.requests(), [""; 0]);
        }
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_once() {
    for bad in ["socks5://me:hunter2@127.0.0.1:1080", "http://me:hunter@2@127.0.0.1:1"] {
        let otlp = Otlp::start();
        let end = run(&otlp.url(), "http/protobuf", &[("ALL_PROXY", bad)]);
        all_arrived(&end, &otlp);
        end.prints(1, "ignoring `ALL_PROXY` for exports");
        end.prints(0, "hunter");
    }
}

#[test]
fn the_configuration_shows_the_proxy_and_probes_through_it() {
    let authority = Authority::new();
    for protocol in PROTOCOLS {
        for secure in [false, true] {
            let otlp = if secure { Otlp::secure(authority.server("127.0.0.1", false)) } else { Otlp::start() };
            let proxy = HttpProxy::requiring(Some("Basic bWU6aHVudGVyMg=="));
            let config = |proxy: &str| {
                let mut command = clean(OTEL_RS);
                command.arg("config").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("ALL_PROXY", proxy);
                command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
                if secure {
                    command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.file("ca.pem"));
                }
                let output = command.output().unwrap();
                String::from_utf8(output.stdout).unwrap()
            };
            let printed = config(&proxy.url("me:hunter2@"));
            let shown = format!("({protocol}) through {}/ (ALL_PROXY)", proxy.url(""));
            assert_eq!((printed.matches(&shown).count(), printed.matches("accepts it").count()), (3, 3), "{printed}");
            assert!(!proxy.requests().is_empty() && !printed.contains("hunter"), "{printed}");

            let printed = config(&proxy.url("me:hunter3@"));
            let problem = format!("the proxy `{}/` cannot reach `{}`: it answers 407", proxy.url(""), otlp.url());
            assert!(printed.contains(&problem), "{protocol} {secure}: {printed}");
            assert!(printed.contains("correct `ALL_PROXY`, or name the collector's host in `NO_PROXY`"), "{printed}");
        }
    }
}

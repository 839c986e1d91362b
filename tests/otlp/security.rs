//! TLS: trusted authorities, client certificates, and the warnings about either.

use super::{End, PROTOCOLS, run};
use crate::support::Otlp;
use crate::support::tls::Authority;

fn over_tls(protocol: &str, otlp: &Otlp, more: &[(&str, &str)]) -> End {
    let url = otlp.url();
    let mut settings = vec![("EXPORTER_OTLP_ENDPOINT", url.as_str()), ("EXPORTER_OTLP_PROTOCOL", protocol)];
    settings.extend(more);
    run("/a\n", &settings)
}

#[track_caller]
fn all_arrived(end: &End, otlp: &Otlp) {
    end.is_complete();
    assert_eq!(otlp.spans(), 3);
    assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1);
}

#[track_caller]
fn nothing_arrived(end: &End, otlp: &Otlp) {
    end.is_good();
    assert!(otlp.requests("").is_empty());
    end.prints(1, "cannot export");
    end.prints(1, "3 spans were lost");
}

#[test]
fn an_authority_of_ones_own_is_trusted() {
    let authority = Authority::new();
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("127.0.0.1", false));
        let end = over_tls(protocol, &otlp, &[("EXPORTER_OTLP_CERTIFICATE", &authority.file("ca.pem"))]);
        all_arrived(&end, &otlp);
    }
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    for protocol in PROTOCOLS {
        for ca in [None, Some(other.file("ca.pem"))] {
            let otlp = Otlp::secure(authority.server("127.0.0.1", false));
            let certificate = ca.as_deref().map(|file| ("EXPORTER_OTLP_CERTIFICATE", file));
            let end = over_tls(protocol, &otlp, certificate.as_slice());
            nothing_arrived(&end, &otlp);
            end.prints(1, "invalid peer certificate: UnknownIssuer");
            end.prints(1, "hint: set `OTEL_EXPORTER_OTLP_CERTIFICATE` to the certificate of the collector's authority");
        }
    }
}

#[test]
fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("collector.test", false));
        let end = over_tls(protocol, &otlp, &[("EXPORTER_OTLP_CERTIFICATE", &authority.file("ca.pem"))]);
        nothing_arrived(&end, &otlp);
        end.prints(1, "hint: use the name that the collector's certificate is for");
    }
}

#[test]
fn a_client_certificate_is_sent_to_a_collector_that_requires_it() {
    let authority = Authority::new();
    authority.sign("me", "me.test");
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("127.0.0.1", true));
        let files = [authority.file("ca.pem"), authority.file("me.pem"), authority.file("me.key")];
        let settings = [
            ("EXPORTER_OTLP_CERTIFICATE", files[0].as_str()),
            ("EXPORTER_OTLP_CLIENT_CERTIFICATE", files[1].as_str()),
            ("EXPORTER_OTLP_CLIENT_KEY", files[2].as_str()),
        ];
        let end = over_tls(protocol, &otlp, &settings);
        all_arrived(&end, &otlp);

        let otlp = Otlp::secure(authority.server("127.0.0.1", true));
        let end = over_tls(protocol, &otlp, &settings[..1]);
        nothing_arrived(&end, &otlp);
        end.prints(1, "hint: set `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY`");
    }
}

#[test]
fn a_rejected_client_certificate_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    other.sign("me", "me.test");
    for protocol in PROTOCOLS {
        let otlp = Otlp::secure(authority.server("127.0.0.1", true));
        let files = [authority.file("ca.pem"), other.file("me.pem"), other.file("me.key")];
        let end = over_tls(
            protocol,
            &otlp,
            &[
                ("EXPORTER_OTLP_CERTIFICATE", &files[0]),
                ("EXPORTER_OTLP_CLIENT_CERTIFICATE", &files[1]),
                ("EXPORTER_OTLP_CLIENT_KEY", &files[2]),
            ],
        );
        nothing_arrived(&end, &otlp);
        end.prints(1, "hint: check `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`");
    }
}

#[test]
fn a_scheme_that_does_not_fit_the_collector_is_reported_with_a_hint() {
    let authority = Authority::new();
    let (plain, secure) = (Otlp::start(), Otlp::secure(authority.server("127.0.0.1", false)));
    for protocol in PROTOCOLS {
        for (otlp, url, hint) in [
            (&plain, plain.url().replace("http:", "https:"), "hint: use an `http://` endpoint"),
            (&secure, secure.url().replace("https:", "http:"), "`https://`"),
        ] {
            let end = run("/a\n", &[("EXPORTER_OTLP_ENDPOINT", &url), ("EXPORTER_OTLP_PROTOCOL", protocol)]);
            nothing_arrived(&end, otlp);
            end.prints(1, hint);
        }
    }
}

#[test]
fn unusable_files_are_named_and_the_program_runs() {
    let authority = Authority::new();
    authority.sign("me", "me.test");
    authority.sign("other", "other.test");
    let file = |name| authority.file(name);
    let (ca, me, key) = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY");
    let empty = authority.write("empty.pem", "");
    let text = authority.write("text.pem", "hello\n");
    let torn = authority.write("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = authority.write("locked.key", locked);
    for (settings, cause, hint) in [
        (vec![(ca, file("none.pem"))], "cannot read the CA certificate `", "check `OTEL_EXPORTER_OTLP_CERTIFICATE`"),
        (
            vec![(ca, file("me.key"))],
            "expected `-----BEGIN CERTIFICATE-----`, found `-----BEGIN PRIVATE KEY-----`",
            "check `OTEL_EXPORTER_OTLP_CERTIFICATE`",
        ),
        (vec![(ca, empty)], "found an empty file", "check `OTEL_EXPORTER_OTLP_CERTIFICATE`"),
        (vec![(ca, text)], "found no PEM", "check `OTEL_EXPORTER_OTLP_CERTIFICATE`"),
        (vec![(ca, torn)], "found damaged PEM", "check `OTEL_EXPORTER_OTLP_CERTIFICATE`"),
        (vec![(me, file("me.pem"))], "is of no use without the client key", "set `OTEL_EXPORTER_OTLP_CLIENT_KEY`, too"),
        (
            vec![(key, file("me.key"))],
            "is of no use without the client certificate",
            "set `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, too",
        ),
        (
            vec![(me, file("me.pem")), (key, file("other.key"))],
            "does not fit the client certificate `",
            "check `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY`",
        ),
        (
            vec![(me, file("me.pem")), (key, file("me.pem"))],
            "expected `-----BEGIN PRIVATE KEY-----`, found `-----BEGIN CERTIFICATE-----`",
            "check `OTEL_EXPORTER_OTLP_CLIENT_KEY`",
        ),
        (vec![(me, file("me.pem")), (key, locked)], "ENCRYPTED", "decrypt the key with `openssl pkey`"),
    ] {
        let names: Vec<_> = settings.iter().map(|(name, _)| format!("EXPORTER_OTLP_{name}")).collect();
        let mut all = vec![("EXPORTER_OTLP_ENDPOINT", "https://user:geheim@127.0.0.1:1")];
        all.extend(names.iter().zip(&settings).map(|(name, (_, value))| (name.as_str(), value.as_str())));
        let end = run("/a\n", &all);
        end.is_good();
        end.prints(1, "warning: cannot export spans and metrics to `https://127.0.0.1:1`, the program keeps running without this exporter");
        end.prints(1, cause);
        end.prints(1, hint);
        end.prints(1, "warning: cannot");
        end.prints(0, "geheim");
    }
}

#[test]
fn one_signals_bad_certificate_does_not_cost_the_others() {
    let authority = Authority::new();
    let otlp = Otlp::secure(authority.server("127.0.0.1", false));
    let (ca, none) = (authority.file("ca.pem"), authority.file("none.pem"));
    let end =
        over_tls("grpc", &otlp, &[("EXPORTER_OTLP_CERTIFICATE", &ca), ("EXPORTER_OTLP_TRACES_CERTIFICATE", &none)]);
    end.is_good();
    end.prints(1, "cannot export spans to `https://127.0.0.1:");
    assert_eq!(otlp.spans(), 0);
    assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1);
}

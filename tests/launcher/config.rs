//! `otel-rs config` reports why nothing arrives.

use std::process::Command;

use super::program;
use crate::support::tls::Authority;
use crate::support::{OTEL_RS, Otlp, clean};

/// The output of `otel-rs config ARGS`, and its status.
fn config(environment: &[(&str, &str)], args: &[&str]) -> (String, i32) {
    let output = clean(OTEL_RS).arg("config").args(args).envs(environment.iter().copied()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

/// The problems of a program that has layers, in an environment in which all goes well but for `environment`.
fn problems(environment: &[(&str, &str)]) -> Vec<String> {
    let otlp = Otlp::start();
    let program = program("writes_spans");
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url())];
    all.extend(environment.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    problems_of(&all, &["--", program.to_str().unwrap()])
}

fn problems_of(environment: &[(&str, &str)], args: &[&str]) -> Vec<String> {
    let (output, status) = config(environment, args);
    let (_, problems) = output.split_once("\nproblems\n").unwrap_or_else(|| panic!("{output}"));
    let problems: Vec<_> =
        problems.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with("hint: ")).collect();
    let none = problems == ["none"];
    assert_eq!(status, i32::from(!none), "{output}");
    if none { Vec::new() } else { problems }
}

/// What is to be done about the problems that are found.
fn hints(environment: &[(&str, &str)], args: &[&str]) -> Vec<String> {
    let (output, _) = config(environment, args);
    let (_, problems) = output.split_once("\nproblems\n").unwrap_or_else(|| panic!("{output}"));
    problems.lines().filter_map(|line| line.trim().strip_prefix("hint: ").map(str::to_owned)).collect()
}

/// A local port without a listener.
fn silent() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn a_working_setup_has_no_problems() {
    assert_eq!(problems(&[]), [""; 0]);
    assert_eq!(problems(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), [""; 0]);
    assert_eq!(problems(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]), [""; 0]);
}

#[test]
fn a_port_without_a_server_is_reported() {
    let url = silent();
    let found = problems(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]);
    let expected = format!(
        "spans, metrics and log records do not arrive: cannot connect to `{url}`: Connection refused (os error 111)"
    );
    assert_eq!(found, std::slice::from_ref(&expected));
    assert_eq!(problems(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), [expected]);
}

#[test]
fn a_server_without_an_answer_is_not_one_that_answered() {
    // The kernel accepts connections of the backlog.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let found = || problems(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    let expected = |text: &str| [format!("spans, metrics and log records do not arrive: {text}")];
    assert_eq!(found(), expected(&format!("connected to `{url}`, but it did not answer within 2 s")));
    std::thread::spawn(move || server.incoming().for_each(drop));
    assert_eq!(found(), expected(&format!("`{url}` closed the connection without an answer")));
}

#[test]
fn a_wrong_path_and_a_wrong_protocol_are_reported() {
    let otlp = Otlp::start();
    let elsewhere = format!("{}/no/such/path", otlp.url());
    let none = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
    let with = |more: &[(&str, &str)]| {
        let found = problems(&[&none[..], more].concat());
        found.into_iter().filter(|problem| problem.starts_with("spans")).collect::<Vec<_>>()
    };
    assert_eq!(
        with(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &elsewhere)]),
        [format!("spans do not arrive: no OTLP receiver is at `{elsewhere}`: 404")]
    );
    // A server of plain HTTP/1 that gets gRPC.
    let page = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", page.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in page.incoming() {
            use std::io::{Read, Write};
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    assert_eq!(
        with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
        [format!("spans do not arrive: `{url}` uses `http/protobuf`, but `grpc` is configured")]
    );
}

#[test]
fn a_programs_layers_are_listed() {
    let program = program("records_everything");
    let (output, _) = config(&[], &["--", program.to_str().unwrap()]);
    let (_, layers) =
        output.split_once(&format!("layers in {}\n", program.display())).unwrap_or_else(|| panic!("{output}"));
    assert!(layers.trim_start().starts_with("client ") && layers.contains("\n  server "), "{output}");
}

#[test]
fn a_program_without_layers_is_reported() {
    let otlp = Otlp::start();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url())];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let found = problems_of(&environment, &["--", "/bin/true"]);
    assert_eq!(found, ["`true` was built without layers, so it records nothing"]);
    let found = problems_of(&environment, &["--process-span", "--", "/bin/true"]);
    assert_eq!(found, [""; 0], "but its run is recorded");
    let found = problems_of(&environment, &["no-such-program"]);
    assert!(found.len() == 1 && found[0].starts_with("cannot run `no-such-program`: not found in PATH"), "{found:?}");
    let old = tempfile::tempdir().unwrap();
    let file = old.path().join("old");
    std::fs::write(&file, b"\x7fELF otel-rs:layer:99|toy|1.2.3|0.1.0|\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let found = problems_of(&environment, &[file.to_str().unwrap()]);
    assert!(found.len() == 1 && found[0].contains("its layers use wire version 99"), "{found:?}");
}

#[test]
fn disabled_signals_are_reported() {
    for (name, value, problem) in [
        ("OTEL_SDK_DISABLED", "true", "nothing is collected: the SDK is disabled"),
        ("OTEL_TRACES_SAMPLER", "always_off", "no spans are exported: the sampler is `always_off`"),
        ("OTEL_TRACES_EXPORTER", "none", "no spans are exported: their exporter is `none`"),
        ("OTEL_METRICS_EXPORTER", "none", "no metrics are exported: their exporter is `none`"),
        ("OTEL_LOGS_EXPORTER", "none", "no log records are exported: their exporter is `none`"),
    ] {
        assert_eq!(problems(&[(name, value)]), [problem], "{name}");
    }
}

#[test]
fn contradicting_settings_are_reported() {
    for (name, value, problem) in [
        (
            "OTEL_TRACES_SAMPLER",
            "traceidratio",
            "the sampler `traceidratio` has no share to sample, so it samples everything",
        ),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "0.5",
            "`OTEL_TRACES_SAMPLER_ARG` has no effect: the sampler `parentbased_always_on` takes no share",
        ),
        ("OTEL_EXPORTER_OTLP_ENPOINT", "x", "`OTEL_EXPORTER_OTLP_ENPOINT` is not a variable that otel-rs reads"),
        ("OTEL_SERVICE_NAME", "", "`OTEL_SERVICE_NAME` is empty, which counts as not set"),
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            "soon",
            "ignoring `soon` in `OTEL_BSP_SCHEDULE_DELAY`: expected a whole number of milliseconds",
        ),
        (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "100",
            "an export may hold 512 spans, but only 100 may wait for it, so none will ever be full",
        ),
    ] {
        assert_eq!(problems(&[(name, value)]), [problem], "{name}");
    }
    // Variables of other programs are left alone.
    assert_eq!(problems(&[("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask")]), [""; 0]);
    let (output, _) = config(&[("OTEL_EXPORTER_OTLP_ENPOINT", "x")], &[]);
    assert!(output.contains("hint: did you mean `OTEL_EXPORTER_OTLP_ENDPOINT`?"), "{output}");
}

#[test]
fn variables_beside_a_configuration_file_are_reported() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "file_format: '1.0'\nresource: {attributes_list: '${OTEL_RESOURCE_ATTRIBUTES}'}\n";
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let expected = format!(
        "variables are ignored because the configuration file `{path}` is used and does not refer to them: \
         `OTEL_EXPORTER_OTLP_ENDPOINT`"
    );
    for name in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        let found = problems(&[(name, path), ("OTEL_RESOURCE_ATTRIBUTES", "a=b")]);
        assert!(found.contains(&expected), "{found:?}");
    }
    let environment = [("OTEL_RESOURCE_ATTRIBUTES", "a=b"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let (output, _) = config(&environment, &["--config-file", path]);
    assert!(output.contains(&expected), "{output}");
    let (output, _) = config(&[("OTEL_CONFIG_FILE", path)], &[]);
    assert!(output.contains(&format!("hint: correct it in `{path}`")), "no variable would help: {output}");
    assert!(!output.contains("hint: set `OTEL_TRACES_EXPORTER`"), "{output}");
}

#[test]
fn a_failed_tls_handshake_is_reported_with_its_reason() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let receiver = Otlp::secure(authority.server("127.0.0.1", true));
    let url = receiver.url();
    authority.sign("us", "us");
    let found = |certificate: &str, more: &[(&str, &str)]| {
        let environment =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate)];
        problems(&[&environment[..], more].concat()).join("\n")
    };
    let (key, certificate) = (authority.file("us.key"), authority.file("us.pem"));
    let ours =
        [("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()), ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &certificate)];
    assert_eq!(found(&authority.file("ca.pem"), &ours), "");
    assert_eq!(found(&authority.file("ca.pem"), &[&ours[..], &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]].concat()), "");
    let output = found(&authority.file("ca.pem"), &[]);
    assert!(output.contains("do not arrive: TLS handshake with") && output.contains("CertificateRequired"), "{output}");
    let output = found(&stranger.file("ca.pem"), &ours);
    assert!(output.contains("do not arrive: TLS handshake with") && output.contains("UnknownIssuer"), "{output}");
    let output = found("/no/such.pem", &ours);
    assert!(output.contains("cannot read the CA certificate `/no/such.pem`: entity not found"), "{output}");
}

#[test]
fn the_hint_names_the_setting_in_effect() {
    let url = silent();
    let missing = "/no/such.pem";
    let file = tempfile::NamedTempFile::new().unwrap();
    let exporter = format!("{{otlp_http: {{endpoint: 'https://127.0.0.1:9/', tls: {{ca_file: {missing}}}}}}}");
    let text = format!("file_format: '1.0'\ntracer_provider: {{processors: [{{batch: {{exporter: {exporter}}}}}]}}\n");
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let only_spans = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
    for (environment, args, hint) in [
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str())][..],
            &[][..],
            "or correct `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`",
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9")],
            &["--exporter-otlp-endpoint", &url],
            "or correct `--exporter-otlp-endpoint`",
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
                ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", missing),
            ],
            &[],
            "check `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE`",
        ),
    ] {
        let found = hints(&[&only_spans[..], environment].concat(), args);
        assert!(found.iter().any(|found| found.ends_with(hint)), "{hint}: {found:?}");
    }
    let found = hints(&[("OTEL_CONFIG_FILE", path), ("OTEL_SERVICE_NAME", "")], &[]);
    assert!(found.contains(&format!("check `ca_file` in `{path}`")), "{found:?}");
    assert!(!found.iter().any(|hint| hint.contains("OTEL_")), "no variable counts: {found:?}");
}

#[test]
fn each_signals_own_settings_are_checked() {
    let authority = Authority::new();
    let receiver = Otlp::secure(authority.server("127.0.0.1", false));
    let (url, ca) = (receiver.url(), authority.file("ca.pem"));
    let found = problems(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/no/such.pem"),
    ]);
    assert!(found.len() == 1 && found[0].starts_with("metrics do not arrive: cannot read the CA"), "{found:?}");
    // Certificates do nothing where no TLS is used.
    let found = problems(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca)]);
    assert!(found.iter().all(|problem| problem.starts_with("no TLS is used with `http://")), "{found:?}");
    assert!(found.iter().all(|problem| problem.ends_with("no effect: `OTEL_EXPORTER_OTLP_CERTIFICATE`")), "{found:?}");
    assert_ne!(found, [""; 0]);
}

#[test]
fn a_taken_port_of_prometheus_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let page = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &port),
    ];
    let found = problems(&page);
    assert!(found.len() == 1 && found[0].contains(&format!("to Prometheus at `127.0.0.1:{port}`")), "{found:?}");
    drop(taken);
    assert_eq!(problems(&page), [""; 0]);
}

#[test]
fn unknown_instrumentations_and_bad_patterns_are_reported() {
    let found = problems(&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "hyperr")]);
    assert_eq!(found, ["unknown instrumentation `hyperr` in `OTEL_RS_DISABLED_INSTRUMENTATIONS`"]);
    let found = problems(&[("OTEL_RS_EXCLUDED_URLS", "healthcheck")]);
    assert!(found.len() == 1 && found[0].starts_with("ignoring `healthcheck` in `OTEL_RS_EXCLUDED_URLS`"), "{found:?}");
}

#[test]
fn each_value_has_its_source_and_no_secret_shows() {
    let environment = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@127.0.0.1:9/?token=hunter2"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "team=red,from=http://me:hunter2@host/?key=hunter2,dsn=me:hunter2@tcp(h:1)/d,api_key=hunter2",
        ),
    ];
    let args = ["--service-name=shop", "--exporter_otlp_timeout", "7"];
    let (text, _) = config(&environment, &args);
    let (json, _) = config(&environment, &[&args[..], &["--format", "json"]].concat());
    assert!(!text.contains("hunter2") && !json.contains("hunter2"), "{text}\n{json}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let from = |name: &str| {
        let settings = report["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["name"] == name).unwrap();
        format!("{} {}", found["value"].as_str().unwrap(), found["from"].as_str().unwrap())
    };
    assert_eq!(from("OTEL_SERVICE_NAME"), "shop --service-name");
    assert_eq!(from("OTEL_EXPORTER_OTLP_TIMEOUT"), "7 --exporter-otlp-timeout");
    assert!(from("OTEL_RESOURCE_ATTRIBUTES").starts_with("team=red,"));
    assert_eq!(from("OTEL_BSP_SCHEDULE_DELAY"), "5000 default");
    let resource = report["resource"].as_array().unwrap();
    assert!(resource.contains(&serde_json::json!(["service.name", "shop"])), "{json}");
    assert!(resource.contains(&serde_json::json!(["team", "red"])), "{json}");
    assert_eq!(report["exports"][0]["exporter"], "otlp");
}

#[test]
fn a_bad_flag_is_a_usage_error() {
    let mut command: Command = clean(OTEL_RS);
    let output = command.args(["config", "--bsp-schedule-delay", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot use `soon` for `--bsp-schedule-delay`"));
}

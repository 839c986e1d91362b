//! Several programs below one launcher.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{launch_file, program};
use crate::metrics::prometheus;
use crate::support::metrics::Metrics;
use crate::support::model::{Attributes, Span, Value};
use crate::support::{Otlp, need, wait_for};

/// A start script, and programs to start: `{shop}` and `{stock}` serve a request for each line on stdin and are the same
/// program in two files, `{logs}` writes log records, `{forks}` has workers, `{becomes}` becomes another program, `{none}`
/// reports nothing.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn of(script: &str) -> Scene {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut script = format!("#!/bin/sh\n{script}\n");
        for (name, from) in [
            ("shop", "measures"),
            ("stock", "measures"),
            ("logs", "writes_logs"),
            ("forks", "forks_and_writes"),
            ("becomes", "becomes"),
        ] {
            let file = folder.path().join(name);
            std::fs::copy(program(from), &file).unwrap();
            script = script.replace(&format!("{{{name}}}"), file.to_str().unwrap());
        }
        std::fs::copy("/bin/sleep", folder.path().join("none")).unwrap();
        script = script.replace("{none}", folder.path().join("none").to_str().unwrap());
        let scene = Scene { folder };
        std::fs::write(scene.script(), script).unwrap();
        std::fs::set_permissions(scene.script(), std::fs::Permissions::from_mode(0o755)).unwrap();
        scene
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("start.sh")
    }

    fn launch(&self) -> Command {
        let mut command = launch_file(self.script());
        command.stdin(Stdio::null());
        command
    }

    fn exporting(&self, protocol: &str, otlp: &Otlp) -> Command {
        let mut command = self.launch();
        for signal in ["TRACES", "METRICS", "LOGS"] {
            command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
        }
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        command
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{stderr}");
    stderr
}

/// The values of the attribute `key` in all resources of a service.
fn all_of(resources: &[Attributes], service: &str, key: &str) -> BTreeSet<String> {
    let its = resources.iter().filter(|resource| resource["service.name"] == Value::from(service));
    its.filter_map(|resource| resource.get(key)).map(ToString::to_string).collect()
}

/// The resources of everything that came.
fn resources(otlp: &Otlp) -> Vec<Attributes> {
    let spans = otlp.traces().0.into_iter().map(|span| span.resource);
    let logs = otlp.logs().into_iter().map(|log| log.resource);
    let metrics = otlp.metrics();
    spans.chain(logs).chain(metrics.series().map(|series| series.resource.clone())).collect()
}

/// The names of spans and the bodies of log records by the service that they came under.
fn by_service(otlp: &Otlp) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |resource: &Attributes, what: String| {
        found.entry(resource["service.name"].to_string().replace('"', "")).or_default().insert(what);
    };
    otlp.traces().0.iter().for_each(|span| add(&span.resource, span.name.clone()));
    otlp.logs().iter().for_each(|log| add(&log.resource, "log".into()));
    found
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Requests that a service has counted, both ways.
fn served(metrics: &Metrics, service: &str) -> (f64, u64) {
    let its = metrics.of_service(service);
    (its.require("orders.served", &[]).value(), its.count("http.server.request.duration", &[]))
}

#[test]
fn each_program_of_a_start_script_has_a_resource_of_its_own() {
    let script = "printf '/a\n/b 503\n' | {shop} & printf '/c\n' | {stock} & {logs} & wait
                  printf '/d\n' | {stock}; printf '/e\n' | {shop}";
    for protocol in ["http/protobuf", "grpc", "http/json"] {
        let (scene, otlp) = (Scene::of(script), Otlp::start());
        run(scene.exporting(protocol, &otlp).env("OTEL_RS_PROCESS_SPAN", "true"));
        let calls = ["SELECT orders", "GET"];
        let expected = BTreeMap::from([
            ("shop".to_owned(), set(&[&calls[..], &["GET /a", "GET /b", "GET /e"]].concat())),
            ("stock".to_owned(), set(&[&calls[..], &["GET /c", "GET /d"]].concat())),
            ("logs".to_owned(), set(&["work", "log"])),
            ("start.sh".to_owned(), set(&["start.sh"])),
        ]);
        assert_eq!(by_service(&otlp), expected, "{protocol}");
        let metrics = otlp.metrics();
        assert_eq!(
            (served(&metrics, "shop"), served(&metrics, "stock")),
            ((3.0, 3), (2.0, 2)),
            "{protocol}\n{metrics}"
        );
        let runs: Vec<_> = metrics.all("otel_rs.process.run.duration", &[]);
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].resource["service.name"], "start.sh".into());
        let resources = resources(&otlp);
        for service in ["shop", "stock", "logs"] {
            let file = scene.folder.path().join(service).canonicalize().unwrap();
            let path = format!("{:?}", file.to_str().unwrap());
            assert_eq!(all_of(&resources, service, "process.executable.path"), BTreeSet::from([path]));
            // Of the first process, and the same for all signals.
            for key in ["process.pid", "service.instance.id", "host.name", "telemetry.distro.name"] {
                assert_eq!(all_of(&resources, service, key).len(), 1, "{key} of {service}");
            }
        }
        let instances: BTreeSet<_> =
            resources.iter().map(|resource| resource["service.instance.id"].to_string()).collect();
        assert_eq!(instances.len(), 4, "{instances:?}");
    }
}

#[test]
fn a_program_that_was_named_by_its_script_has_that_name() {
    let script = "printf '/a\n' | OTEL_SERVICE_NAME=one {shop} & printf '/b\n' | OTEL_SERVICE_NAME=two {shop} & wait
                  printf '/c\n' | OTEL_RESOURCE_ATTRIBUTES=service.name=three,tier=x {shop}; printf '/d\n' | {stock}";
    let names = |otlp: &Otlp| -> BTreeMap<String, String> {
        let servers = otlp.traces().0.into_iter().filter(|span| span.name.starts_with("GET /"));
        servers.map(|span| (span.name.clone(), span.resource["service.name"].to_string().replace('"', ""))).collect()
    };
    let expected = |names: [&str; 4]| -> BTreeMap<String, String> {
        ["GET /a", "GET /b", "GET /c", "GET /d"].into_iter().zip(names).map(|(a, b)| (a.into(), b.into())).collect()
    };
    let (scene, otlp) = (Scene::of(script), Otlp::start());
    run(&mut scene.exporting("http/protobuf", &otlp));
    assert_eq!(names(&otlp), expected(["one", "two", "three", "stock"]));
    let metrics = otlp.metrics();
    for service in ["one", "two", "three", "stock"] {
        assert_eq!(served(&metrics, service), (1.0, 1), "{service}\n{metrics}");
    }
    assert_eq!(all_of(&resources(&otlp), "three", "tier"), set(&["\"x\""]));
    // A name that all programs share applies to those without a name of their own.
    let otlp = Otlp::start();
    run(scene.exporting("http/protobuf", &otlp).env("OTEL_SERVICE_NAME", "all"));
    assert_eq!(names(&otlp), expected(["one", "two", "all", "all"]));
}

#[test]
fn workers_of_a_program_stay_together() {
    let (scene, otlp) = (Scene::of("OTEL_SERVICE_NAME=mine {forks} & printf '/a\n' | {shop} & wait"), Otlp::start());
    run(&mut scene.exporting("http/protobuf", &otlp));
    let traces = otlp.traces();
    let counted: Vec<_> = traces.0.iter().filter(|span| span.name == "counted").collect();
    assert_eq!(counted.len(), 700);
    assert!(counted.iter().all(|span| span.resource == counted[0].resource));
    assert_eq!(counted[0].resource["service.name"], "mine".into());
    assert_eq!(counted[0].resource["process.executable.name"], "forks".into());
}

#[test]
fn a_process_that_becomes_another_program_is_that_from_then_on() {
    for script in ["exec {becomes} {logs}", "{becomes} {logs}; :"] {
        let (scene, otlp) = (Scene::of(script), Otlp::start());
        run(&mut scene.exporting("http/protobuf", &otlp));
        let expected =
            BTreeMap::from([("becomes".to_owned(), set(&["counted"])), ("logs".to_owned(), set(&["work", "log"]))]);
        assert_eq!(by_service(&otlp), expected, "{script}");
        let resources = resources(&otlp);
        let pids = ["becomes", "logs"].map(|service| all_of(&resources, service, "process.pid"));
        assert_eq!(pids[0], pids[1], "it is one process");
    }
}

#[test]
fn short_lived_programs_are_not_mixed_up() {
    let script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
                  printf '/a\n' | {shop}; printf '/b\n' | {stock} & OTEL_SERVICE_NAME=job-$((n % 3)) {logs} & done; wait";
    let (scene, otlp) = (Scene::of(script), Otlp::start());
    run(&mut scene.exporting("http/protobuf", &otlp));
    let count = |service: &str, span: &str| {
        let is_its = |one: &&Span| one.name == span && one.resource["service.name"] == service.into();
        otlp.traces().0.iter().filter(is_its).count()
    };
    assert_eq!((count("shop", "GET /a"), count("stock", "GET /b")), (15, 15));
    assert_eq!(["job-0", "job-1", "job-2"].map(|job| count(job, "work")), [5, 5, 5]);
    assert_eq!(by_service(&otlp).len(), 5);
    let metrics = otlp.metrics();
    assert_eq!((served(&metrics, "shop"), served(&metrics, "stock")), ((15.0, 15), (15.0, 15)), "{metrics}");
}

#[test]
fn usage_of_a_process_belongs_to_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, otlp) = (Scene::of(&format!("{{none}} 2 & {}", waiting(folder.path()))), Otlp::start());
    let mut command = scene.exporting("http/protobuf", &otlp);
    // The first export comes when both are there.
    command.env("OTEL_RS_HOST_METRICS", "process,system").env("OTEL_METRIC_EXPORT_INTERVAL", "1500");
    let mut launcher = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let found = wait_for("all processes", 20, || {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for series in otlp.metrics().series().filter(|series| series.name.starts_with("process.")) {
            let text = |value: &Value| value.to_string().replace('"', "");
            let of = found.entry(text(&series.resource["service.name"])).or_default();
            of.insert(text(&series.attributes["process.executable.name"]));
        }
        let is_whole = found.get("start.sh").is_some_and(|rest| rest.contains("none")) && found.len() == 3;
        is_whole.then_some(found)
    });
    std::fs::write(folder.path().join("end"), "").unwrap();
    let _ = launcher.wait();
    assert_eq!((&found["shop"], &found["stock"]), (&set(&["shop"]), &set(&["stock"])), "{found:?}");
    let rest = &found["start.sh"];
    assert!(rest.contains("start.sh") && !rest.contains("shop") && !rest.contains("stock"), "{found:?}");
    let of_machine = otlp.metrics().all("system.cpu.time", &[]);
    assert!(!of_machine.is_empty() && of_machine.iter().all(|one| one.resource["service.name"] == "start.sh".into()));
}

/// Programs that serve a request each and wait until `end` is there.
fn waiting(folder: &Path) -> String {
    let end = folder.join("end");
    let serve = |program: &str| {
        format!("(printf '/{program}\n'; while ! [ -e {} ]; do sleep 0.02; done) | {{{program}}} &", end.display())
    };
    format!("{} {} wait", serve("shop"), serve("stock"))
}

#[test]
fn the_page_for_prometheus_has_a_target_for_each_program() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::of(&waiting(folder.path()));
    let mut command = scene.launch();
    command.env("OTEL_METRICS_EXPORTER", "prometheus").env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    command.env("OTEL_RS_HOST_METRICS", "process");
    command.stdout(Stdio::null()).stderr(std::fs::File::create(folder.path().join("stderr")).unwrap());
    let mut launcher = command.spawn().unwrap();
    let address = wait_for("the page's address", 10, || {
        let stderr = std::fs::read_to_string(folder.path().join("stderr")).unwrap();
        Some(stderr.split_once("metrics are at http://")?.1.split_once("/metrics")?.0.to_owned())
    });
    let page = wait_for("both programs on the page", 10, || {
        let page = crate::metrics::page::scrape(&address, "").body;
        let is_shown = |series: &str| page.matches(&format!("\n{series}{{")).count() == 2;
        (is_shown("orders_served_total") && is_shown("http_server_request_duration_seconds_count")).then_some(page)
    });
    std::fs::write(folder.path().join("end"), "").unwrap();
    assert!(launcher.wait().unwrap().success());
    for service in ["shop", "stock"] {
        let job = format!("job=\"{service}\"");
        let target = page.lines().find(|line| line.starts_with("target_info{") && line.contains(&job)).unwrap();
        assert!(target.contains(&format!("service_name=\"{service}\"")), "{target}");
        let instance = target.split_once("instance=\"").unwrap().1.split_once('"').unwrap().0;
        for series in ["orders_served_total{", "http_server_request_duration_seconds_count{"] {
            let line = page.lines().find(|line| line.starts_with(series) && line.contains(&job));
            let line = line.unwrap_or_else(|| panic!("{series} of {service}:\n{page}"));
            assert!(line.contains(&format!("instance=\"{instance}\"")) && line.ends_with(" 1"), "{line}");
        }
    }
    need!(prometheus::is_installed("promtool"));
    prometheus::check(&page);
}

#[test]
fn the_console_names_the_program() {
    let scene = Scene::of("printf '/a\n' | {shop}; printf '/b\n' | {stock}; OTEL_SERVICE_NAME=diary {logs}");
    let mut command = scene.launch();
    for signal in ["TRACES", "METRICS", "LOGS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "console");
    }
    let stderr = run(&mut command);
    let line =
        |with: &str| stderr.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("{with}:\n{stderr}"));
    assert!(line("GET /b").trim_end().ends_with("stock"), "{stderr}");
    assert!(line("out of teapots").contains("diary/logs shop::orders:"), "{stderr}");
    for program in ["shop", "stock"] {
        assert!(stderr.contains(&format!("metrics of {program}\n")), "{stderr}");
    }
}

#[test]
fn one_program_is_shown_without_a_name() {
    let scene = Scene::of("printf '/a\n' | {shop}");
    let mut command = scene.launch();
    command.env("OTEL_TRACES_EXPORTER", "console").env("OTEL_METRICS_EXPORTER", "console");
    let stderr = run(&mut command);
    let request = stderr.lines().find(|line| line.contains("GET /a")).unwrap_or_else(|| panic!("{stderr}"));
    assert!(request.trim_end().ends_with("server 1.0.0") && !stderr.contains("metrics of"), "{stderr}");
}

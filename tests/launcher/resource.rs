//! The resource describes the program's process and its surroundings as they are.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Launched, launch_file, program, until};
use crate::support::Otlp;
use crate::support::model::Value;

/// The resource of a program that a shell became, which lives while `look` looks at it.
fn resource_of(environment: &[(&str, &str)], look: impl FnOnce(&BTreeMap<String, Value>, &Launched)) {
    let otlp = Otlp::start();
    let counts = tempfile::NamedTempFile::new().unwrap();
    counts.as_file().set_len(16).unwrap();
    let mut command = launch_file("/bin/sh");
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("OTEL_BSP_SCHEDULE_DELAY", "10").envs(environment.iter().copied());
    let (file, words) = (program("writes_spans"), format!("100000000 1 2000 {}", counts.path().display()));
    command.arg("-c").arg(format!("exec {} {words}", file.display()));
    let launched = Launched::start(command);
    until("a span has come", || otlp.spans() > 0);
    look(&otlp.traces().0[0].resource, &launched);
}

fn text(value: impl Into<String>) -> Value {
    Value::Str(value.into())
}

fn output_of(program: &str, args: &[&str]) -> String {
    String::from_utf8(Command::new(program).args(args).output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn the_resource_is_the_childs_and_true() {
    resource_of(&[], |resource, launched| {
        let file = program("writes_spans").canonicalize().unwrap();
        assert_eq!(resource["process.pid"], Value::Int(launched.app.as_raw().into()));
        assert_eq!(resource["process.executable.name"], text("writes_spans"));
        assert_eq!(resource["process.executable.path"], text(file.to_str().unwrap()));
        assert_eq!(resource["process.command"], text(program("writes_spans").to_str().unwrap()));
        assert!(!resource.contains_key("process.command_args"), "arguments may be secret: {resource:?}");
        assert_eq!(resource["process.owner"], text(output_of("id", &["-un"])));
        assert_eq!(resource["process.runtime.name"], text("rustc"));
        assert_eq!(resource["process.runtime.description"], text(output_of("rustc", &["-V"])));
        let pid = launched.app.to_string();
        let started = output_of("date", &["-u", "-d", &output_of("ps", &["-o", "lstart=", "-p", &pid]), "+%s"]);
        let Value::Str(exported) = &resource["process.creation.time"] else { panic!("{resource:?}") };
        let exported: i64 = output_of("date", &["-d", exported, "+%s"]).parse().unwrap();
        // `ps` works from the machine's start in whole seconds.
        assert!((exported - started.parse::<i64>().unwrap()).abs() <= 2, "{exported} {started}");
        assert_eq!(resource["host.name"], text(output_of("uname", &["-n"])));
        assert_eq!(resource["os.type"], text("linux"));
        let os = output_of("sh", &["-c", ". /etc/os-release; echo \"$NAME|$VERSION_ID|$PRETTY_NAME\""]);
        let exported = ["os.name", "os.version", "os.description"].map(|key| resource[key].clone());
        assert_eq!(exported, [0, 1, 2].map(|at| text(os.split('|').nth(at).unwrap())));
        // The service has no configured name: it is named after the program that the shell became.
        assert_eq!(resource["service.name"], text("writes_spans"));
        assert_eq!(resource["telemetry.distro.name"], text("otel-rs"));
        assert_eq!(resource["telemetry.sdk.language"], text("rust"));
        for foreign in ["k8s.pod.name", "cloud.provider", "service.version"] {
            assert!(!resource.contains_key(foreign), "{foreign}");
        }
    });
}

#[test]
fn surroundings_are_read_from_the_childs_environment() {
    let environment = [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("HOSTNAME", "shop-7d"),
        ("AWS_LAMBDA_FUNCTION_NAME", "shop"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "k8s,cloud,process_args"),
        ("OTEL_RESOURCE_ATTRIBUTES", "cloud.provider=mine,from=postgres://me:hun/ter#hunter2@h/db,db.password=hunter2"),
    ];
    resource_of(&environment, |resource, _| {
        assert!(!format!("{resource:?}").contains("hunter2"), "{resource:?}");
        assert_eq!(resource["from"], text("postgres://REDACTED:REDACTED@h/db"));
        assert_eq!(resource["k8s.pod.name"], text("shop-7d"));
        assert_eq!((&resource["faas.name"], &resource["cloud.provider"]), (&text("shop"), &text("mine")));
        let Value::List(arguments) = &resource["process.command_args"] else { panic!("{resource:?}") };
        assert!(arguments.contains(&text("100000000")), "{arguments:?}");
        for unwanted in ["process.pid", "host.name", "os.type", "service.instance.id"] {
            assert!(!resource.contains_key(unwanted), "{unwanted}");
        }
    });
}

//! The recipes of `docs/guide/batch-and-ci.md`, run as they stand there.

use std::path::Path;
use std::process::Command;

use crate::support::expect::{Traces, span};
use crate::support::model::{Span, Value};
use crate::support::{OTEL_RS, Otlp, clean, source, succeed};

/// The block of the page in this language.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(source("docs/guide/batch-and-ci.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no {language} in the page"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// A project to be built and tested, and a command in it that finds this `otel-rs`.
fn project() -> (tempfile::TempDir, impl Fn(&str) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("Cargo.toml", "[package]\nname = \"tested\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    std::fs::create_dir(folder.path().join("src")).unwrap();
    write("src/lib.rs", "#[test]\nfn works() {}\n");
    let path = folder.path().to_owned();
    let command = move |program: &str| {
        let mut command = clean(program);
        let own = Path::new(OTEL_RS).parent().unwrap().display();
        command.current_dir(&path).env("PATH", format!("{own}:{}", std::env::var("PATH").unwrap()));
        for name in ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] {
            command.env_remove(name);
        }
        command
    };
    (folder, command)
}

/// The two runs of cargo, in the order of time; nothing else was exported below `parent`.
#[track_caller]
fn steps(traces: &Traces, trace: &str, parent: &str) -> [Span; 2] {
    let mut steps = traces.require_count(2, span().named("cargo").child_of_remote(trace, parent));
    steps.sort_by_key(|step| step.start);
    let words = |step: &Span| match step.get("process.command_args") {
        Some(Value::List(words)) => words.last().cloned(),
        _ => None,
    };
    assert_eq!(steps.iter().map(words).collect::<Vec<_>>(), [Some("build".into()), Some("test".into())]);
    steps.try_into().unwrap()
}

#[test]
fn the_script_is_one_trace() {
    let (folder, command) = project();
    let otlp = Otlp::start();
    let script = folder.path().join("build.sh");
    std::fs::write(&script, block("sh")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut run = command("otel-rs");
    run.args(["instrument", "--", "./build.sh"]).env("OTEL_RS_PROCESS_SPAN", "true");
    succeed(run.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()));
    let traces = otlp.traces();
    let script = traces.require(span().named("build.sh").root());
    steps(&traces, &script.trace, &script.id);
    assert_eq!(traces.0.len(), 3, "{traces}");
}

#[test]
fn the_workflow_is_one_trace() {
    let (folder, command) = project();
    let otlp = Otlp::start();
    let workflow = Workflow::read(&block("yaml"), &otlp.url());
    assert_eq!((workflow.variables.len(), workflow.steps.len()), (3, 3), "{workflow:?}");
    // What the runner does: each step is a shell of its own, and finds what those before it have left for it.
    let left = folder.path().join("left");
    std::fs::write(&left, "").unwrap();
    for step in &workflow.steps {
        let mut shell = command("sh");
        shell.args(["-e", "-c", step]).envs(workflow.variables.clone()).env("GITHUB_ENV", &left);
        shell.env("GITHUB_REPOSITORY", "me/shop").env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", "1");
        let found = std::fs::read_to_string(&left).unwrap();
        shell.envs(found.lines().map(|line| line.split_once('=').unwrap()));
        succeed(&mut shell);
    }
    let traces = otlp.traces();
    assert_eq!(traces.0.len(), 2, "{traces}");
    let (trace, parent) = (traces.0[0].trace.clone(), traces.0[0].parent.clone());
    assert!(std::fs::read_to_string(&left).unwrap().contains(&format!("=00-{trace}-{parent}-01\n")), "{traces}");
    let [build, _] = steps(&traces, &trace, &parent);
    assert_eq!(build.resource["service.name"], "shop-ci".into());
}

/// As much of a workflow as the page uses.
#[derive(Debug, Default)]
struct Workflow {
    variables: Vec<(String, String)>,
    steps: Vec<String>,
}

impl Workflow {
    fn read(yaml: &str, endpoint: &str) -> Workflow {
        let mut workflow = Workflow::default();
        let (variables, jobs) = yaml.split_once("jobs:\n").expect("jobs");
        for line in variables.lines().skip(1) {
            let (name, value) = line.trim().split_once(": ").expect("a variable");
            let value = value.replace("${{ vars.OTEL_EXPORTER_OTLP_ENDPOINT }}", endpoint);
            workflow.variables.push((name.to_owned(), value));
        }
        let mut in_block = false;
        for line in jobs.lines() {
            let key = line.trim_start_matches([' ', '-']);
            if in_block && line.starts_with("          ") {
                let step = workflow.steps.last_mut().expect("a step");
                step.push_str(line.trim());
                step.push('\n');
            } else {
                in_block = key == "run: |";
                if let Some(run) = key.strip_prefix("run: ") {
                    workflow.steps.push(if in_block { String::new() } else { run.to_owned() });
                }
            }
        }
        workflow
    }
}

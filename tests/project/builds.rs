//! Every ordinary way of building works, woven.

use super::{Project, SMALL, layers, target};
use crate::support::expect::server;
use crate::support::fixture::{lock, otel_rs};
use crate::support::launched::Launch;
use crate::support::model::Value;
use crate::support::{Otlp, clean, succeed};

/// The version of the fixture `small`.
const VERSION: &str = "0.3.1";

/// A small server that is bootstrapped already.
fn woven() -> Project {
    let project = Project::new("small");
    project.otel_rs(&["bootstrap"]);
    project
}

#[test]
fn cargo_check_clippy_test_and_doc_pass() {
    let _lock = lock("project");
    let project = woven();
    project.cargo(&["check", "--locked", "--all-targets"]);
    if clean("cargo-clippy").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let (_, printed) = project.cargo(&["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]);
        assert!(!printed.contains("warning"), "a dependency's lints are not the user's: {printed}");
    } else {
        crate::support::skip("`cargo clippy` is not installed");
    }
    let (printed, _) = project.cargo(&["test", "--locked"]);
    assert!(
        printed.contains("test result: ok. 1 passed") && printed.contains("test src/lib.rs - greeting"),
        "{printed}"
    );
    let (printed, _) = project.cargo(&["test", "--locked", "--doc"]);
    assert!(printed.contains("test result: ok. 1 passed"), "{printed}");
    project.cargo(&["doc", "--locked", "--no-deps"]);
}

#[test]
fn a_second_build_has_nothing_to_do() {
    let _lock = lock("project");
    let project = woven();
    project.cargo(&["build", "--locked"]);
    let (_, printed) = project.cargo(&["build", "--locked"]);
    assert!(!printed.contains("Compiling"), "{printed}");
}

#[test]
fn woven_and_plain_builds_live_side_by_side() {
    let _lock = lock("project");
    let project = woven();
    let program = target().join("debug/small");
    let plain = || succeed(project.command().args(["build", "--locked"]).env("RUSTC_WRAPPER", "")).1;
    project.cargo(&["build", "--locked"]);
    assert_eq!(layers(&program), SMALL);
    plain();
    assert_eq!(layers(&program).len(), 0);
    let (_, printed) = project.cargo(&["build", "--locked"]);
    assert!(!printed.contains("Compiling hyper"), "built already: {printed}");
    assert_eq!(layers(&program), SMALL);
    let printed = plain();
    assert!(!printed.contains("Compiling hyper"), "built already: {printed}");
}

#[test]
fn a_stripped_release_with_fat_lto_and_abort_records_its_requests() {
    let _lock = lock("project");
    let project = woven();
    project.cargo(&["build", "--locked", "--release"]);
    let program = target().join("release/small");
    assert_eq!(layers(&program), SMALL, "notes outlive strip");
    let otlp = Otlp::start();
    let app = Launch::program(&program).to(&otlp).start();
    assert_eq!(app.get("/greet/you").1, "hello you");
    app.stop();
    let traces = otlp.traces();
    let served = traces.require(server().named("GET /greet/{name}").attr("http.response.status_code", 200));
    assert_eq!(served.resource["service.version"], Value::Str(VERSION.into()), "it outlives strip, too");
}

#[test]
fn cargo_update_leaves_nothing_stale() {
    let _lock = lock("project");
    let project = woven();
    project.cargo(&["build", "--locked"]);
    let update = |version: &str| {
        project.cargo(&["update", "--package", "axum", "--precise", version]);
        project.cargo(&["build", "--locked"]);
        let layers = layers(&target().join("debug/small"));
        assert!(layers.contains(&format!("axum {version}")), "{layers:?}");
    };
    update("0.8.4");
    update("0.8.9");
}

#[test]
fn messages_for_machines_stay_readable() {
    let _lock = lock("project");
    let project = woven();
    let (lines, _) = project.cargo(&["build", "--locked", "--message-format=json"]);
    assert!(lines.lines().count() > 3);
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

/// An app that carries no layers starts all the same, with one warning.
#[test]
fn a_plain_program_is_launched_with_one_warning() {
    let _lock = lock("project");
    let project = woven();
    succeed(project.command().args(["build", "--locked"]).env("RUSTC_WRAPPER", ""));
    let otlp = Otlp::start();
    let app = Launch::program(&target().join("debug/small")).to(&otlp).start();
    assert_eq!(app.get("/greet/you").0, 200);
    let end = app.stop();
    assert_eq!(end.stderr.matches("warning").count(), 1, "{}", end.stderr);
    assert_eq!(otlp.spans(), 0);
    let (good, _, printed) =
        crate::support::output(otel_rs(&project.folder).arg("inspect").arg(target().join("debug/small")));
    assert!(!good && printed.contains("no layers"), "{printed}");
}

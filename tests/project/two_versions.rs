//! A workspace with two versions of one crate.

use super::{Project, layers, target};
use crate::support::Otlp;
use crate::support::expect::server;
use crate::support::fixture::lock;
use crate::support::launched::Launch;

#[test]
fn two_versions_of_axum_in_one_workspace_are_both_instrumented() {
    let _lock = lock("project");
    let project = Project::new("two-versions");
    // From a member, as a user may well call it.
    let (printed, _) = crate::support::succeed(super::otel_rs(&project.folder.join("new")).arg("bootstrap"));
    assert!(printed.contains("0.7.9") && printed.contains("0.8.9"), "{printed}");
    project.cargo(&["build", "--locked", "--workspace"]);
    for (program, version, route) in [("old", "axum 0.7.9", "/greet/:name"), ("new", "axum 0.8.9", "/greet/{name}")] {
        let program = target().join("debug").join(program);
        assert!(layers(&program).contains(&version.to_owned()), "{:?}", layers(&program));
        let otlp = Otlp::start();
        let app = Launch::program(&program).to(&otlp).start();
        assert_eq!(app.get("/greet/you").0, 200);
        app.stop();
        otlp.traces().require(server().named(format!("GET {route}")).attr("http.route", route));
    }
    assert!(project.changed().is_empty(), "{:?}", project.changed());
}

//! sccache as a compiler wrapper beside otel-rs.

use super::{Project, SMALL, layers};
use crate::support::fixture::lock;
use crate::support::services::free_port;
use crate::support::{skip, succeed};

#[test]
fn sccache_works_inside_and_still_caches() {
    let Ok(sccache) = which::which("sccache") else { return skip("`sccache` is not installed") };
    let _lock = lock("project");
    let project = Project::new("small");
    project.otel_rs(&["bootstrap"]);
    let (cache, port) = (tempfile::tempdir().unwrap(), free_port().to_string());
    let target = project.folder.join("target");
    let with = |command: &mut std::process::Command| {
        command.env("SCCACHE_DIR", cache.path()).env("SCCACHE_SERVER_PORT", &port);
        command.env("OTEL_RS_RUSTC_WRAPPER", &sccache).env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0");
        succeed(command).0
    };
    let build = || {
        let _ = std::fs::remove_dir_all(&target);
        with(project.command().args(["build", "--locked"]));
        assert_eq!(layers(&target.join("debug/small")), SMALL);
    };
    build();
    build();
    let statistics = with(crate::support::clean(&sccache).args(["--show-stats", "--stats-format", "json"]));
    with(crate::support::clean(&sccache).arg("--stop-server"));
    let statistics: serde_json::Value = serde_json::from_str(&statistics).expect("JSON");
    let hits = &statistics["stats"]["cache_hits"]["counts"]["Rust"];
    assert!(hits.as_u64().is_some_and(|hits| hits > 5), "the second build comes from the cache: {statistics:#}");
}

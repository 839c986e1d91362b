//! Compiler wrappers and rustdocs that were configured before, by relative paths: the shims run them as cargo did.

use std::path::Path;

use super::project::{Project, run_to_end, script};

/// Writes a wrapper that notes its calls beside itself.
fn wrapper(project: &Project, path: &str) -> impl Fn() -> String {
    let file = project.path(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    script(&file, "#!/bin/sh\necho \"$@\" >>\"${0%/*}/calls\"\nexec \"$@\"\n");
    let calls = file.with_file_name("calls");
    move || {
        let text = std::fs::read_to_string(&calls).unwrap_or_default();
        let _ = std::fs::remove_file(&calls);
        text
    }
}

/// Adds a line to `[build]` of a configuration.
fn build(project: &Project, config: &str, line: &str) {
    let text = std::fs::read_to_string(project.path(config)).unwrap_or_default();
    project.write(config, &format!("{text}\n[build]\n{line}\n"));
}

#[track_caller]
fn runs_inside(project: &Project, calls: &impl Fn() -> String, otel_rs: bool) {
    for folder in ["p", "p/app"] {
        project.cargo(&["clean"]).ok();
        calls();
        let program = if otel_rs { env!("CARGO_BIN_EXE_otel-rs") } else { env!("CARGO") };
        let mut command = project.command(program);
        command.args(["cargo"].iter().filter(|_| otel_rs)).args(["run", "--quiet"]);
        let run = run_to_end(command.current_dir(project.path(folder))).ok();
        assert_eq!((run.out.as_str(), run.err.as_str()), ("1004\n", ""), "{folder}");
        let calls = calls();
        assert!(calls.contains("-vV") && calls.contains("--extern otel_rs_hooks="), "{folder}: {calls}");
    }
}

#[test]
fn a_wrapper_of_the_project_runs_inside() {
    for value in ["tools/wrap.sh", "./tools/wrap.sh"] {
        let project = Project::new();
        let calls = wrapper(&project, "p/tools/wrap.sh");
        build(&project, "p/.cargo/config.toml", &format!("rustc-wrapper = \"{value}\""));
        project.commit();
        let before = project.read("p/.cargo/config.toml");
        let ended = project.otel_rs(&["bootstrap"]).ok();
        assert!(ended.err.contains("`build.rustc-wrapper` in"), "{}", ended.err);
        assert_eq!(project.read("p/.cargo/config.toml"), before, "it is left alone");
        assert_eq!(project.run(), "4");
        runs_inside(&project, &calls, true);
        project.otel_rs(&["bootstrap", "--shared"]).ok();
        runs_inside(&project, &calls, false);
        // A user without otel-rs still has the wrapper.
        let path = std::env::var_os("PATH").unwrap();
        let others = std::env::split_paths(&path).filter(|path| !path.join("otel-rs").exists());
        let mut without = project.command(env!("CARGO"));
        without.env("OTEL_RS_CACHE_DIR", project.path("none")).env("PATH", std::env::join_paths(others).unwrap());
        assert_eq!(run_to_end(without.args(["run", "--quiet"])).ok().out, "4\n");
        assert!(calls().contains("--crate-name gear"));
        project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
        assert_eq!(project.read("p/.cargo/config.toml"), before);
    }
}

#[test]
fn a_wrapper_of_a_folder_above_of_cargos_home_or_of_an_included_file_runs_inside() {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let project = Project::new();
    let calls = wrapper(&project, "tools/wrap.sh");
    build(&project, ".cargo/config.toml", "rustc-wrapper = \"tools/wrap.sh\"");
    project.otel_rs(&["bootstrap"]).ok();
    runs_inside(&project, &calls, false);
    runs_inside(&project, &calls, true);
    drop(home);

    let project = Project::new();
    let calls = wrapper(&project, "p/tools/wrap.sh");
    let config = project.read("p/.cargo/config.toml");
    project.write("p/.cargo/config.toml", &format!("include = [\n  \"theirs.toml\", # theirs\n]\n{config}"));
    build(&project, "p/.cargo/theirs.toml", "rustc-wrapper = \"tools/wrap.sh\"");
    project.otel_rs(&["bootstrap"]).ok();
    runs_inside(&project, &calls, false);

    let project = Project::new();
    let calls = wrapper(&project, "h/tools/wrap.sh");
    build(&project, "h/.cargo/config.toml", "rustc-wrapper = \"tools/wrap.sh\"");
    let run = |program: &str, args: &[&str]| {
        let mut command = project.command(program);
        run_to_end(command.args(args).env("CARGO_HOME", project.path("h/.cargo"))).ok()
    };
    run(env!("CARGO_BIN_EXE_otel-rs"), &["bootstrap"]);
    calls();
    assert_eq!(run(env!("CARGO"), &["run", "--quiet"]).out, "1004\n");
    assert!(calls().contains("--extern otel_rs_hooks="));
}

#[test]
fn a_wrapper_for_the_users_own_crates_and_a_compiler_of_their_own_stay() {
    let project = Project::new();
    let calls = wrapper(&project, "p/tools/wrap.sh");
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    script(&project.path("p/tools/my-rustc"), &format!("#!/bin/sh\nexec '{}' \"$@\"\n", rustc.display()));
    build(&project, "p/.cargo/config.toml", "rustc-workspace-wrapper = \"tools/wrap.sh\"\nrustc = \"tools/my-rustc\"");
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    let calls = calls();
    assert!(
        calls.contains("my-rustc") && calls.contains("--crate-name app") && !calls.contains("--crate-name gear"),
        "{calls}"
    );
}

#[test]
fn a_relative_rustdoc_runs_inside() {
    let project = Project::new();
    let rustdoc = Path::new(env!("CARGO")).with_file_name("rustdoc");
    let script_of = format!("#!/bin/sh\necho \"$@\" >>\"${{0%/*}}/calls\"\nexec '{}' \"$@\"\n", rustdoc.display());
    std::fs::create_dir_all(project.path("p/tools")).unwrap();
    script(&project.path("p/tools/doc.sh"), &script_of);
    build(&project, "p/.cargo/config.toml", "rustdoc = \"tools/doc.sh\"");
    for (args, cargo) in [(&["bootstrap"][..], true), (&["bootstrap", "--shared"], false)] {
        project.otel_rs(args).ok();
        project.cargo(&["clean"]).ok();
        let _ = std::fs::remove_file(project.path("p/tools/calls"));
        if cargo {
            project.otel_rs(&["cargo", "doc"]).ok();
        } else {
            project.cargo(&["doc"]).ok();
        }
        let calls = project.read("p/tools/calls");
        assert!(calls.contains("--crate-name app") && calls.contains("hooks"), "{args:?}: {calls}");
    }
}

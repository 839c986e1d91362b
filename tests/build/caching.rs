//! The user's cache, which `OTEL_RS_CACHE_DIR` names: shared by projects, verified before a compiler reads it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::project::{Project, run_to_end};
use crate::support::skip;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn projects_share_what_is_woven_of_the_same_source() {
    let (one, other) = (Project::new().with_own_cache(), Project::new());
    let shared = |project: &Project, program: &str, args: &[&str]| {
        let mut command = project.command(program);
        run_to_end(command.args(args).env("OTEL_RS_CACHE_DIR", one.cache(""))).ok().out.trim().to_owned()
    };
    one.otel_rs(&["bootstrap"]).ok();
    shared(&other, env!("CARGO_BIN_EXE_otel-rs"), &["bootstrap"]);
    assert_eq!(one.cached("layers").len(), 1);
    assert_eq!(one.cached("projects").len(), 2);
    assert_eq!((one.run(), shared(&other, env!("CARGO"), &["run", "--quiet"])), ("1004".into(), "1004".into()));
    assert_eq!((one.cached("layers").len(), one.cached("hooks").len()), (1, 1));
    // Another source under the same name and version is another layer.
    other.replace("p/vendor/gear/src/lib.rs", "x * 2", "x * 3");
    shared(&other, env!("CARGO"), &["clean"]);
    assert_eq!(shared(&other, env!("CARGO"), &["run", "--quiet"]), "1006");
    assert_eq!((one.cached("layers").len(), one.run()), (2, "1004".into()));
}

#[test]
fn changed_files_of_the_cache_are_made_anew() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    let layer = project.cached("layers").remove(0);
    let (file, spare) = (layer.join("src/lib.rs"), project.path("spare"));
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&spare, "compile_error!(\"foreign\");").unwrap();
    let changes: [&dyn Fn(); 5] = [
        &|| fs::write(&file, whole.replace("x * 2", "x * 9")).unwrap(),
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::write(layer.join("src/more.rs"), "").unwrap(),
        &|| {
            fs::remove_file(&file).unwrap();
            symlink(&spare, &file).unwrap();
        },
        &|| {
            fs::rename(&layer, project.path("moved")).unwrap();
            symlink(project.path("moved"), &layer).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change();
        let check = project.otel_rs(&["bootstrap", "-a", "check"]);
        assert!(check.status == 1 && check.out.contains("gear-1.2.0"), "{number}: {}", check.out);
        project.cargo(&["clean"]).ok();
        assert_eq!(project.run(), "1004", "{number}");
        assert_eq!(fs::read_to_string(&file).unwrap(), whole, "{number}");
        assert!(!layer.is_symlink(), "{number}");
    }
    assert_eq!(fs::read_to_string(&spare).unwrap(), "compile_error!(\"foreign\");");
    let library = fs::read_dir(&project.cached("hooks")[0]).unwrap().next().unwrap().unwrap().path();
    fs::write(library.join("libotel_rs_hooks.rlib"), "no library").unwrap();
    project.cargo(&["clean"]).ok();
    assert_eq!(project.run(), "1004");
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    for part in ["", "layers", "projects"] {
        let folder = project.cache(part);
        chmod(&folder, 0o770);
        // Cargo cannot read the sources, so the cache is checked before they are looked for.
        fs::rename(project.path("p/vendor"), project.path("vendor")).unwrap();
        let refused = project.otel_rs(&["bootstrap"]);
        fs::rename(project.path("vendor"), project.path("p/vendor")).unwrap();
        assert_eq!(refused.status, 1);
        assert!(
            refused.err.contains("can be written by others (mode 770)") && refused.err.contains("chmod go-w"),
            "{}",
            refused.err
        );
        let plain = project.otel_rs(&["cargo", "run", "--quiet"]).ok();
        assert_eq!(plain.out, "4\n");
        assert_eq!(plain.err.matches("compiling without telemetry").count(), 1, "{}", plain.err);
        chmod(&folder, 0o700);
        assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n");
    }
    let outside = project.path("outside");
    fs::rename(project.cache(""), &outside).unwrap();
    symlink(&outside, project.cache("")).unwrap();
    let refused = project.otel_rs(&["bootstrap"]);
    assert!(refused.status == 1 && refused.err.contains("expected a folder, found a link"), "{}", refused.err);
    let mut slash = project.command(env!("CARGO_BIN_EXE_otel-rs"));
    let refused = run_to_end(slash.arg("bootstrap").env("OTEL_RS_CACHE_DIR", project.cache("").join("")));
    assert!(refused.status == 1 && refused.err.contains("expected a folder, found a link"), "{}", refused.err);
}

#[test]
fn a_build_whose_cache_cannot_be_used_is_plain_with_one_warning_and_woven_later() {
    let project = Project::new().with_own_cache();
    // Two packages of the user's, each of which is shown by cargo.
    project.replace("p/Cargo.toml", "\"app\"", "\"app\", \"more\"");
    project.write(
        "p/more/Cargo.toml",
        "[package]\nname = \"more\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nengine = \"1\"\n",
    );
    project.write("p/more/src/lib.rs", "");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project.otel_rs(&["bootstrap"]).ok();
    chmod(&project.cache(""), 0o770);
    let plain = project.cargo(&["build", "--workspace"]).ok();
    assert_eq!(plain.err.matches("warning").count(), 1, "{}", plain.err);
    assert!(plain.err.contains("compiling without telemetry") && plain.err.contains("hint: "), "{}", plain.err);
    assert_eq!(project.run(), "4");
    assert_eq!(project.compiled(), [""; 0], "nothing is compiled twice");
    chmod(&project.cache(""), 0o700);
    assert_eq!(project.run(), "1004");
    assert_eq!(project.compiled(), [""; 0]);
}

#[test]
fn a_noexec_file_system_is_named_and_the_build_stays_plain() {
    let project = Project::new();
    let mounted = project.path("mounted");
    fs::create_dir(&mounted).unwrap();
    let mut probe = project.command("unshare");
    probe.args(["--mount", "sh", "-c", "mount -t tmpfs -o noexec tmpfs \"$0\""]).arg(&mounted);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        return skip("mounting takes a privilege that this user does not have");
    }
    let script = "mount -t tmpfs -o noexec tmpfs \"$0\" && chmod 700 \"$0\" && \"$1\" bootstrap; echo $?; \"$2\" run --quiet; \
                  \"$1\" cargo run --quiet";
    let mut command = project.command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&mounted);
    command.args([env!("CARGO_BIN_EXE_otel-rs"), env!("CARGO")]).env("OTEL_RS_CACHE_DIR", &mounted);
    let ended = run_to_end(&mut command).ok();
    assert_eq!(ended.out, "1\n4\n4\n", "{}", ended.err);
    assert_eq!(ended.err.matches("noexec").count(), 2, "bootstrap, and `otel-rs cargo`: {}", ended.err);
    assert!(ended.err.contains("set `OTEL_RS_CACHE_DIR`"), "{}", ended.err);
}

#[test]
fn without_a_folder_for_the_cache_the_hint_names_a_variable() {
    let project = Project::new();
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    let without = |args: &[&str], set: &[(&str, &str)]| {
        let mut command = project.command(env!("CARGO_BIN_EXE_otel-rs"));
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var_os(name).unwrap_or_else(|| home.join(folder).into()));
        }
        for name in ["HOME", "XDG_CACHE_HOME", "OTEL_RS_CACHE_DIR"] {
            command.env_remove(name);
        }
        run_to_end(command.args(args).envs(set.iter().copied()))
    };
    // The specification of these folders has a relative path ignored.
    for set in [&[][..], &[("XDG_CACHE_HOME", "relative")], &[("HOME", "")]] {
        let refused = without(&["bootstrap"], set);
        assert!(refused.status == 1 && refused.err.contains("set `OTEL_RS_CACHE_DIR`"), "{}", refused.err);
        let plain = without(&["cargo", "run", "--quiet"], set).ok();
        assert_eq!((plain.out.as_str(), plain.err.matches("warning").count()), ("4\n", 1), "{}", plain.err);
    }
    let relative = without(&["bootstrap"], &[("OTEL_RS_CACHE_DIR", "here")]);
    assert!(
        relative.status == 1 && relative.err.contains("expected an absolute path, found `here`"),
        "{}",
        relative.err
    );
    let (xdg, new) = (project.path("xdg"), project.path("new/home"));
    without(&["bootstrap"], &[("XDG_CACHE_HOME", xdg.to_str().unwrap())]).ok();
    without(&["bootstrap"], &[("HOME", new.to_str().unwrap())]).ok();
    assert!(xdg.join("otel-rs/projects").is_dir() && new.join(".cache/otel-rs/projects").is_dir());
}

#[test]
fn clearing_leaves_what_is_not_ours_and_what_projects_decided() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap", "--exclude", "gear"]).ok();
    project.otel_rs(&["bootstrap", "--exclude", ""]).ok();
    assert_eq!(project.run(), "1004");
    let shown = project.otel_rs(&["cache"]).ok().out;
    let root = format!("project {}", project.path("p").display());
    assert!(shown.contains("layers    1 ") && shown.contains("hooks     1 ") && shown.contains(&root), "{shown}");
    project.write("own cache/theirs", "kept");
    project.write("victim/theirs", "kept");
    symlink(project.path("victim"), project.cache("layers/link")).unwrap();
    project.otel_rs(&["cache", "clear"]).ok();
    assert_eq!((project.cached("layers").len(), project.cached("hooks").len()), (0, 0));
    assert_eq!((project.read("own cache/theirs"), project.read("victim/theirs")), ("kept".into(), "kept".into()));
    project.cargo(&["clean"]).ok();
    assert_eq!(project.run(), "1004", "the next build makes what it needs");
    fs::remove_dir_all(project.cache("hooks")).unwrap();
    symlink(project.path("victim"), project.cache("hooks")).unwrap();
    project.otel_rs(&["cache", "clear"]).ok();
    assert_eq!(project.read("victim/theirs"), "kept");
}

#[test]
fn builds_at_the_same_time_do_not_disturb_each_other() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    project.otel_rs(&["cache", "clear"]).ok();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let mut command = project.command(env!("CARGO"));
            command.args(["run", "--quiet"]).env("CARGO_TARGET_DIR", project.path(&format!("target-{number}")));
            scope.spawn(move || assert_eq!(run_to_end(&mut command).ok().out, "1004\n"));
        }
    });
    assert_eq!(project.cached("layers").len(), 1, "{:?}", project.cached("layers"));
}

//! Files that a repository contains: links are not followed, and layers, hooks or tools are not compiled or run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::project::{Project, script};

#[test]
fn links_are_refused_and_lead_nowhere() {
    let links = [
        (".otel-rs", "victim"),
        (".otel-rs/layers", "victim"),
        (".otel-rs/hooks", "victim"),
        (".otel-rs/stamps", "victim"),
        (".otel-rs/local", "victim"),
        (".otel-rs/local/lock", "victim/file"),
        (".otel-rs/local/warned", "victim/file"),
        (".otel-rs/manifest.toml", "victim/file"),
        (".otel-rs/rustc", "victim/file"),
        (".cargo", "victim"),
        (".cargo/config.toml", "victim/file"),
        (".cargo/.gitignore", "victim/file"),
    ];
    for (link, victim) in links {
        let project = Project::new();
        let config = project.read("p/.cargo/config.toml");
        // What cargo reads through the link is the project's own configuration, so that it can be built.
        project.write("victim/file", if link.ends_with("config.toml") { &config } else { "kept\n" });
        project.write("victim/config.toml", &config);
        let at = project.path("p").join(link);
        let _ = fs::remove_dir_all(&at).or_else(|_| fs::remove_file(&at));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(project.path(victim), &at).unwrap();
        let state = |root: &Path| {
            let files = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
            let files = files.filter(|entry| entry.file_type().is_file());
            files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect::<Vec<_>>()
        };
        let before = (state(&project.path("victim")), state(&project.path("p")));
        // Cargo cannot read the sources, so it is refused before they are looked for.
        fs::rename(project.path("p/vendor"), project.path("vendor")).unwrap();
        for args in [&["bootstrap"][..], &["bootstrap", "--shared"]] {
            let refused = project.otel_rs(args);
            assert_eq!(refused.status, 1, "{link}: {}", refused.out);
            let expected = format!("expected no link, found one at `{}`", at.display());
            assert!(refused.err.contains(&expected) && refused.err.contains("hint: "), "{link}: {}", refused.err);
        }
        fs::rename(project.path("vendor"), project.path("p/vendor")).unwrap();
        project.otel_rs(&["bootstrap", "-a", "remove"]);
        project.otel_rs(&["cache"]).ok();
        assert!(before == (state(&project.path("victim")), state(&project.path("p"))), "{link}: a file changed");
        assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n", "{link}");
        assert!(before.0 == state(&project.path("victim")), "{link}: a file changed");
    }
}

/// Files that an earlier otel-rs made on each machine, committed to the repository.
#[test]
fn layers_hooks_and_tools_of_a_clone_are_ignored() {
    for shared in [false, true] {
        let project = Project::new();
        if shared {
            project.otel_rs(&["bootstrap", "--shared"]).ok();
        }
        let mark = project.path("p/ran");
        let evil = format!("#!/bin/sh\ntouch '{}'\n", mark.display());
        fs::create_dir_all(project.path("p/.otel-rs/local")).unwrap();
        script(&project.path("p/evil"), &evil);
        project.write("p/.otel-rs/local/tool", &format!("{}\n", project.path("p/evil").display()));
        project.write("p/.otel-rs/tool", &format!("{}\n", project.path("p/evil").display()));
        project.write("p/.otel-rs/local/chain", &format!("{}\n", project.path("p/evil").display()));
        // Under the name and with the digest of whatever is woven here.
        project.otel_rs(&["cargo", "build"]).ok();
        let layer =
            project.cached("layers").into_iter().find(|path| path.to_string_lossy().contains("gear-1.2.0")).unwrap();
        for name in ["gear-1.2.0".into(), layer.file_name().unwrap().to_string_lossy().into_owned()] {
            let planted = format!("p/.otel-rs/layers/{name}");
            project.write(&format!("{planted}/src/lib.rs"), "pub fn turn(_: u32) -> u32 {\n    666\n}\n");
            for digest in [".otel-rs-digest", "digest"] {
                fs::copy(layer.join(".otel-rs-digest"), project.path(&planted).join(digest)).unwrap();
            }
        }
        project.commit();
        project.cargo(&["clean"]).ok();
        project.cargo(&["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"]).ok();
        project.otel_rs(&["bootstrap"]).ok();
        project.otel_rs(&["bootstrap", "-a", "check"]).ok();
        project.otel_rs(&["diff"]).ok();
        assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n", "{shared}");
        assert_eq!(project.run(), if shared { "1004" } else { "4" });
        assert!(!mark.exists(), "{shared}: something of the clone's was run");
        project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
        assert_eq!(project.run(), "4");
    }
}

/// What versions before this one wrote.
#[test]
fn the_form_of_earlier_versions_is_replaced_and_removed() {
    let project = Project::new();
    let config = project.read("p/.cargo/config.toml");
    project.write(
        "p/.cargo/config.toml",
        &format!(
            "{config}\n[build] # added by otel-rs, with the line end before it\nrustc-wrapper = \".otel-rs/rustc\" # added by \
             otel-rs\nrustdoc = \".otel-rs/rustdoc\" # added by otel-rs\n"
        ),
    );
    project.write("p/.otel-rs/manifest.toml", "version = \"0.1.0\"\nonly = []\nexclude = []\n");
    for name in
        ["layers/gear-1.2.0/src/lib.rs", "hooks/1/src/lib.rs", "stamps/gear-1.2.0", "local/lock", "rustc", "rustdoc"]
    {
        project.write(&format!("p/.otel-rs/{name}"), "old\n");
    }
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    project.write("p/.otel-rs/theirs", "kept");
    let ended = project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    assert!(ended.out.contains("what is left in"), "{}", ended.out);
    assert_eq!((project.read("p/.otel-rs/theirs"), project.read("p/.cargo/config.toml")), ("kept".into(), config));
    let left: Vec<_> =
        fs::read_dir(project.path("p/.otel-rs")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["theirs"]);
    assert_eq!(project.run(), "4");
}

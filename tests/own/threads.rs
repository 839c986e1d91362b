//! Threads that the user's own crates start with the standard library: they carry contexts where that is chosen.

use super::project::{build, launched, shop, tree};

const MAIN: &str = r#"use std::thread;

mod pool {
    pub fn spawn(f: impl FnOnce() + Send + 'static) {
        f()
    }
}

fn work(what: &str) -> usize {
    what.len()
}

fn main() {
    let words = vec![String::from("scoped"), String::from("both")];
    let spawned = thread::spawn(|| work("spawned"));
    println!("{:?}", spawned.join().unwrap());
    let built = thread::Builder::new().name("built".into()).spawn(move || -> usize {
        std::thread::spawn(work_within).join().unwrap()
    });
    println!("{}", built.unwrap().join().unwrap());
    let lengths = thread::scope(|s| {
        let first = s.spawn(|| work(&words[0]));
        let second = s.spawn(|| s.spawn(|| work(&words[1])).join().unwrap());
        [first.join().unwrap(), second.join().unwrap()]
    });
    println!("{lengths:?} {:?}", thread::spawn(|| panic_free()).join().is_ok());
    pool::spawn(|| ());
}

fn work_within() -> usize {
    work("within")
}

fn panic_free() {}
"#;

const OUT: &str = "7\n6\n[6, 4] true\n";

#[test]
fn threads_carry_contexts_while_that_is_chosen() {
    let project = shop();
    project.write("p/app/src/main.rs", MAIN);
    let before = project.files();
    let spans = ["--span", "app::main", "--span", "app::work"];
    let bootstrap = |more: &[&str]| project.otel_rs(&[&["bootstrap"], more].concat()).ok().out;
    let table = bootstrap(&[&["--threads"][..], &spans].concat());
    assert!(table.contains("\nthreads: 6 calls of `std::thread` in your own crates"), "{table}");
    build(&project).ok();
    let (out, found) = launched(&project);
    assert_eq!((out.as_str(), tree(&found).as_str()), (OUT, &*format!("app::main\n{}", "  app::work\n".repeat(4))));
    assert_eq!(project.otel_rs(&["bootstrap", "-a", "check"]).ok().out, "");
    // A mistake is shown where the user has made it.
    project.replace("p/app/src/main.rs", "|| work(&words[0])", "|| work(words)");
    let line = MAIN.lines().position(|line| line.contains("words[0]")).unwrap() + 1;
    let ended = build(&project);
    let error = format!("--> app/src/main.rs:{line}:");
    assert!(ended.err.contains(&error) && !ended.err.contains("carry_fn"), "{}", ended.err);
    assert_eq!(ended.err.matches("mismatched types").count(), 1, "{}", ended.err);
    project.replace("p/app/src/main.rs", "|| work(words)", "|| work(&words[0])");
    // The choice stays, until it is taken back.
    assert!(bootstrap(&[]).contains("threads: 6 calls"));
    bootstrap(&["--threads=false"]);
    build(&project).ok();
    assert_eq!(tree(&launched(&project).1).lines().filter(|line| *line == "app::work").count(), 4);
    bootstrap(&["--threads"]);
    project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    let content = |files: Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)>| {
        files.into_iter().map(|(path, content, _)| (path, content)).collect::<Vec<_>>()
    };
    assert_eq!(content(project.files()), content(before));
}

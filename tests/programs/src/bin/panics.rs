//! Panics inside a span, in the way that its first argument names; prints how often anything was formatted.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use otel_rs_hooks::{Domain, Scope, Severity, Span, key, log};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|panicking|1.2.3|0.1.0|\n");
static FORMATTED: AtomicUsize = AtomicUsize::new(0);

struct Shown;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FORMATTED.fetch_add(1, Relaxed);
        f.write_str("password=hunter2")
    }
}

/// Cannot be formatted.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("while it is formatted")
    }
}

fn caught(run: impl FnOnce()) -> Box<dyn std::any::Any + Send> {
    catch_unwind(AssertUnwindSafe(|| {
        let span = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "work".into())]);
        let _entered = span.context().enter();
        run();
    }))
    .expect_err("a panic")
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("text") => drop(caught(|| panic!("no {Shown} for {}", 7))),
        Some("literal") => drop(caught(|| panic!("a literal"))),
        Some("value") => drop(caught(|| panic_any(7))),
        Some("thread") => {
            let named = std::thread::Builder::new().name("worker".into());
            drop(named.spawn(|| panic!("in a thread")).expect("a thread").join());
        }
        Some("resumed") => {
            let first = caught(|| panic!("once {Shown}"));
            otel_rs_hooks::panics::caught(&*first);
            let again = caught(|| resume_unwind(first));
            otel_rs_hooks::panics::caught(&*again);
        }
        Some("chained") => {
            let previous = take_hook();
            set_hook(Box::new(move |info| {
                println!("the program's hook");
                previous(info);
            }));
            drop(caught(|| panic!("chained")));
        }
        Some("replaced") => {
            set_hook(Box::new(|_| println!("the program's hook")));
            otel_rs_hooks::panics::caught(&*caught(|| panic!("replaced {Shown}")));
        }
        Some("formatted") => log(&SCOPE, Severity::Info, |attributes| {
            attributes.set(key::LOG_BODY, "half".into());
            attributes.set_display(otel_rs_hooks::Key::Named("never"), &Panics);
        }),
        Some("uncaught") => panic!("the end"),
        Some("forked") => {
            // SAFETY: the program has one thread.
            match unsafe { nix::unistd::fork() }.expect("fork") {
                nix::unistd::ForkResult::Child => drop(caught(|| panic!("in a child"))),
                nix::unistd::ForkResult::Parent { child } => {
                    nix::sys::wait::waitpid(child, None).expect("wait");
                }
            }
        }
        other => unreachable!("{other:?}"),
    }
    println!("formatted {}", FORMATTED.load(Relaxed));
}

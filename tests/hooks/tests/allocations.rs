//! Hooks that run for every request allocate nothing once they have run: spans, their events and contexts, log records
//! and cells.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell as Count;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::UNIX_EPOCH;

use otel_rs_hooks::kit::{ManualSpan, Start};
use otel_rs_hooks::{key, log, wire, Cell, CellKind, Chosen, Context, Domain, Key, Scope, Severity, Span};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|frugal|1.0.0|0.1.0|\n");
static OPEN: Cell = Cell::new(&SCOPE, CellKind::UpDownCounter, "frugal.open", "1", "", &[]);

const NAME: &str = "records_are_written_without_allocations";

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Count<u64> = const { Count::new(0) };
}

// SAFETY: passes everything on to the system's allocator; a thread-local number without a destructor allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Attaching happens before `main`, so that the program under test is this one, started once more with a channel.
#[test]
fn records_are_written_without_allocations() {
    if std::env::var_os(wire::CHANNEL_VARIABLE).is_some() {
        return count();
    }
    let path = std::env::temp_dir().join(format!("otel-rs-frugal-{}", std::process::id()));
    let _listener = UnixListener::bind(&path).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([NAME, "--exact", "--nocapture", "--test-threads=1"]);
    again.env(wire::CHANNEL_VARIABLE, format!("v1;series-limit=100;socket={}", path.display()));
    let output = again.output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("counted 1000 rounds"), "{output:?}");
}

fn count() {
    assert!(otel_rs_hooks::active(), "there is a launcher");
    // What is made once: the scope, the cell.
    record();
    let before = ALLOCATIONS.with(Count::get);
    (0..1000).for_each(|_| record());
    assert_eq!(ALLOCATIONS.with(Count::get), before, "allocations in 1000 rounds");
    drop(vec![1]);
    assert_eq!(ALLOCATIONS.with(Count::get), before + 1, "allocations are counted");
    println!("counted 1000 rounds");
}

fn record() {
    OPEN.add(1);
    let span = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "frugal".into())]);
    assert!(!span.is_none(), "spans are recorded");
    {
        let _entered = span.context().enter();
        let inner = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "inner".into())]);
        inner.set(&[(Key::Named("text"), "some text".into()), (Key::Named("number"), 1.into())]);
        inner.context().event("event", &[(Key::Named("number"), 2.into())]);
        log(&SCOPE, Severity::Info, |attributes| {
            attributes.set(key::LOG_BODY, "a message".into());
        });
        inner.end(&[(Key::Named("truth"), true.into())]);
    }
    record_by_hand(span.context());
    span.end(&[]);
    OPEN.add(-1);
}

/// What a span that the program makes takes below the API, which allocates by itself.
fn record_by_hand(parent: &Context) {
    let scope = ("shop", Some("1.2.3"), None);
    let start = Start { name: "by hand", kind: wire::SpanKind::Client, scope, time: None, chosen: Chosen::default() };
    let mut span = ManualSpan::start(&SCOPE, parent.clone(), &start, &[(Key::Named("text"), "some text".into())]);
    let attached = span.context().clone().attach();
    assert!(span.is_recording(), "spans are recorded");
    span.set(&[(Key::Named("number"), 1.into())]);
    span.fail("no stock");
    span.event("event", UNIX_EPOCH, &[]);
    span.link(parent, &[]);
    attached.leave();
    span.end(UNIX_EPOCH);
}

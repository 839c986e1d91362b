//! What a hook costs when no launcher is there: `cargo bench -p otel_rs_hooks`.
//!
//! Prints nanoseconds per call, the smallest of several rounds, with the cost of the empty loop taken off.

// The benchmark is run by people with a current compiler; only the hooks keep to an old one.
#![allow(clippy::incompatible_msrv)]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Instant;

use otel_rs_hooks::kit::function::{self, Function};
use otel_rs_hooks::{carry, current, key, net, Cell, CellKind, Context, Domain, Scope, Span, Transfer};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|bench|0.0.0|0.0.0|\n");
static FUNCTION: Function = Function { name: "bench::work", path: "bench::work", file: "bench.rs", line: 1 };
static CELL: Cell = Cell::new(&SCOPE, CellKind::Counter, "bench.count", "{call}", "Calls.", &[]);

const CALLS: u32 = 20_000_000;
const ROUNDS: usize = 7;

fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() {
    assert!(!otel_rs_hooks::active(), "this benchmark is about programs without a launcher");
    let empty = nanoseconds(|| {
        black_box(());
    });
    let report = |name: &str, spent: f64| println!("{name:<34} {:>6.2} ns", (spent - empty).max(0.0));
    report(
        "active()",
        nanoseconds(|| {
            black_box(otel_rs_hooks::active());
        }),
    );
    report(
        "current()",
        nanoseconds(|| {
            black_box(current());
        }),
    );
    report(
        "Context::enter and leave",
        nanoseconds(|| {
            let _entered = black_box(&Context::EMPTY).enter();
        }),
    );
    report(
        "Span::start and end",
        nanoseconds(|| {
            let span = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, black_box("work").into())]);
            span.end(&[]);
        }),
    );
    report(
        "function::enter and leave",
        nanoseconds(|| {
            let _guard = function::enter(&SCOPE, black_box(&FUNCTION));
        }),
    );
    report(
        "Context::set",
        nanoseconds(|| {
            black_box(&Context::EMPTY).set(&[(key::HTTP_ROUTE, black_box("/users/{id}").into())]);
        }),
    );
    report(
        "Transfer::served, sent and drop",
        nanoseconds(|| {
            black_box(Transfer::served()).sent(black_box(7));
        }),
    );
    report("Cell::add", nanoseconds(|| CELL.add(1)));
    report("net::using", nanoseconds(|| net::using(black_box(7))));
    let mut task = pin!(carry(&SCOPE, std::future::poll_fn(|_| black_box(Poll::<()>::Pending))));
    let plain = pin!(std::future::poll_fn(|_| black_box(Poll::<()>::Pending)));
    let mut plain = plain;
    let mut cx = TaskContext::from_waker(Waker::noop());
    let without = nanoseconds(|| {
        let _ = black_box(plain.as_mut().poll(&mut cx));
    });
    let with = nanoseconds(|| {
        let _ = black_box(task.as_mut().poll(&mut cx));
    });
    report("carry: one more poll", with - without + empty);
}

//! Invocations of the function as spans: from the call of the user's handler to its answer.

use std::ffi::OsString;
use std::mem;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otel_rs_hooks::metrics::Metric;
use otel_rs_hooks::{cpu_time, key, Cell, CellKind, Context, Domain, Entered, Headers, Span};

static INVOCATIONS: Cell = count("faas.invocations");
static ERRORS: Cell = count("faas.errors");
static COLDSTARTS: Cell = count("faas.coldstarts");

// The launcher defines the metrics of the conventions: their units and descriptions are left empty.
const fn count(name: &'static str) -> Cell {
    Cell::new(&SCOPE, CellKind::Counter, name, "", "", &[("faas.trigger", "other")])
}

fn measure(metric: &Metric, seconds: f64) {
    metric.measure(seconds, &[("faas.trigger", "other".into())]);
}

/// The function is about to request an event. The first time, its initialization is over.
pub(crate) fn ready() {
    static FIRST: AtomicBool = AtomicBool::new(true);
    if !is_first(&FIRST) || !SCOPE.enabled() {
        return;
    }
    // A process that comes out of a snapshot may have been started long ago.
    if initialization().map_or(true, |kind| kind != "snap-start") {
        if let Some(age) = age() {
            measure(&metric::FAAS_INIT_DURATION, age);
        }
    }
}

/// The age of this process in seconds.
fn age() -> Option<f64> {
    // `USER_HZ`, which is 100 on every architecture that Linux supports today.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    // What stands before the last parenthesis is the program's name.
    let started: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Some((now - started / TICKS).max(0.0))
}

/// An invocation under way.
pub struct Invocation {
    span: Span,
    alone: Option<Alone>,
}

/// An invocation that began while there was no other. The CPU time of several at once cannot be attributed.
struct Alone {
    /// What the process had used before it.
    cpu: Duration,
    /// How many had begun by then, it among them.
    begun: usize,
}

static OPEN: AtomicUsize = AtomicUsize::new(0);
static BEGUN: AtomicUsize = AtomicUsize::new(0);

impl Alone {
    fn begin() -> Option<Alone> {
        let begun = BEGUN.fetch_add(1, SeqCst) + 1;
        if OPEN.fetch_add(1, SeqCst) > 0 {
            return None;
        }
        Some(Alone { cpu: cpu_time()?, begun })
    }

    fn end(alone: Option<Alone>) {
        let alone = alone.filter(|alone| alone.begun == BEGUN.load(SeqCst));
        if let Some(used) = alone.and_then(|alone| cpu_time()?.checked_sub(alone.cpu)) {
            measure(&metric::FAAS_CPU_USAGE, used.as_secs_f64());
        }
        OPEN.fetch_sub(1, SeqCst);
    }
}

impl Invocation {
    /// The handler is about to be called.
    pub(crate) fn start(context: &crate::Context) -> Invocation {
        if !SCOPE.enabled() {
            return Invocation { span: Span::NONE, alone: None };
        }
        let is_cold = is_cold();
        if is_cold {
            COLDSTARTS.add(1);
        }
        let span = Span::start_with_parent(
            &SCOPE,
            Domain::Faas,
            Context::extract(&Called(context.xray_trace_id.as_deref())),
            &[
                (key::SPAN_NAME, context.env_config.function_name.as_str().into()),
                (key::FAAS_INVOCATION, context.request_id.as_str().into()),
                (key::FAAS_COLDSTART, is_cold.into()),
                (key::FAAS_INVOKED, context.invoked_function_arn.as_str().into()),
                (key::FAAS_VERSION, context.env_config.version.as_str().into()),
                (key::FAAS_TIMEOUT_MS, millis_until(context.deadline).into()),
            ],
        );
        Invocation { span, alone: Alone::begin() }
    }

    /// Makes the invocation's context current, for the handler and its future.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered> {
        if self.span.is_none() {
            None
        } else {
            Some(self.span.context().enter())
        }
    }

    /// The handler has an answer.
    pub(crate) fn answered(&mut self) {
        if !self.span.is_none() {
            INVOCATIONS.add(1);
            Alone::end(self.alone.take());
            mem::replace(&mut self.span, Span::NONE).end(&[]);
        }
    }

    /// The handler has failed. Its message is kept out: it may quote what was sent.
    #[cold]
    pub(crate) fn failed(&mut self, class: &str) {
        if !self.span.is_none() {
            ERRORS.add(1);
            Alone::end(self.alone.take());
            mem::replace(&mut self.span, Span::NONE).end(&[(key::ERROR_TYPE, class.into())]);
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        self.failed("cancelled");
    }
}

/// Whether this is the first invocation, and the process was started for it and not in advance.
fn is_cold() -> bool {
    static FIRST: AtomicBool = AtomicBool::new(true);
    is_first(&FIRST) && initialization().map_or(true, |kind| kind == "on-demand")
}

fn is_first(flag: &AtomicBool) -> bool {
    flag.load(Relaxed) && flag.swap(false, Relaxed)
}

/// How the cloud has started this process, if it names that.
fn initialization() -> Option<OsString> {
    std::env::var_os("AWS_LAMBDA_INITIALIZATION_TYPE")
}

/// How long there is until a time in milliseconds since 1970, if it has not passed.
fn millis_until(deadline: u64) -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    i64::try_from(u128::from(deadline).checked_sub(now)?).ok()
}

/// What the invocation brought, under the name that X-Ray's header has elsewhere: it counts if OTEL_PROPAGATORS includes it.
struct Called<'h>(Option<&'h str>);

impl Headers for Called<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.each(&mut |known, value| {
            if known == name {
                visit(value);
            }
        });
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        if let Some(value) = self.0 {
            visit("x-amzn-trace-id", value.as_bytes());
        }
    }
}

//! Invocations of the function as spans: from the call of the user's handler to its answer.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use otel_rs_hooks::{key, Cell, CellKind, Context, Domain, Entered, Headers, Span};

static INVOCATIONS: Cell = count("faas.invocations");
static ERRORS: Cell = count("faas.errors");
static COLDSTARTS: Cell = count("faas.coldstarts");

// The launcher knows what they are.
const fn count(name: &'static str) -> Cell {
    Cell::new(&SCOPE, CellKind::Counter, name, "", "", &[("faas.trigger", "other")])
}

/// An invocation under way.
pub struct Invocation(Span);

impl Invocation {
    /// The handler is about to be called.
    pub(crate) fn start(context: &crate::Context) -> Invocation {
        if !SCOPE.enabled() {
            return Invocation(Span::NONE);
        }
        let is_cold = is_cold();
        if is_cold {
            COLDSTARTS.add(1);
        }
        Invocation(Span::start_with_parent(
            &SCOPE,
            Domain::Faas,
            Context::extract(&Called(context.xray_trace_id.as_deref())),
            &[
                (key::SPAN_NAME, context.env_config.function_name.as_str().into()),
                (key::FAAS_INVOCATION, context.request_id.as_str().into()),
                (key::FAAS_COLDSTART, is_cold.into()),
                (key::FAAS_INVOKED, context.invoked_function_arn.as_str().into()),
                (key::FAAS_VERSION, context.env_config.version.as_str().into()),
            ],
        ))
    }

    /// Makes the invocation's context current, for the handler and its future.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered> {
        if self.0.is_none() {
            None
        } else {
            Some(self.0.context().enter())
        }
    }

    /// The handler has an answer.
    pub(crate) fn answered(&mut self) {
        if !self.0.is_none() {
            INVOCATIONS.add(1);
            mem::replace(&mut self.0, Span::NONE).end(&[]);
        }
    }

    /// The handler has failed. Its message is kept out: it may quote what was sent.
    #[cold]
    pub(crate) fn failed(&mut self, class: &str) {
        if !self.0.is_none() {
            ERRORS.add(1);
            mem::replace(&mut self.0, Span::NONE).end(&[(key::ERROR_TYPE, class.into())]);
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
    let is_first = FIRST.load(Relaxed) && FIRST.swap(false, Relaxed);
    is_first && std::env::var_os("AWS_LAMBDA_INITIALIZATION_TYPE").map_or(true, |kind| kind == "on-demand")
}

/// What the invocation brought, under the name that X-Ray's header has elsewhere: it counts if OTEL_PROPAGATORS says so.
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

//! Functions that a cloud runs.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice, in seconds.
const INVOCATIONS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

metrics! { FAAS
    FAAS_INVOKE_DURATION Development Histogram(INVOCATIONS) "s" [FAAS_TRIGGER]
        "Measures the duration of the function's logic execution."
        "How long does an invocation take?";
    FAAS_INVOCATIONS Development Counter "{invocation}" [FAAS_TRIGGER]
        "Number of successful invocations."
        "How often did it do its work?";
    FAAS_ERRORS Development Counter "{error}" [FAAS_TRIGGER]
        "Number of invocation errors."
        "How often did it fail?";
    FAAS_TIMEOUTS Development Counter "{timeout}" [FAAS_TRIGGER]
        "Number of invocation timeouts."
        "How often did it take longer than it may?";
    FAAS_COLDSTARTS Development Counter "{coldstart}" [FAAS_TRIGGER]
        "Number of invocation cold starts."
        "How often was it started?";
}

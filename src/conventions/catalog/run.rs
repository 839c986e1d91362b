//! A program's run as a whole.

use opentelemetry_semantic_conventions::attribute as key;

/// There is no convention for it.
mod name {
    pub(super) const PROCESS_RUN_DURATION: &str = "otel_rs.process.run.duration";
}

/// From a command of milliseconds to a job of a day, in seconds.
const RUNS: &[f64] =
    &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0, 86_400.0];

metrics! { RUN
    PROCESS_RUN_DURATION Development Histogram(RUNS) "s" [PROCESS_EXECUTABLE_NAME PROCESS_EXIT_CODE ERROR_TYPE]
        "Duration of the program's run, from its start to its end."
        "How often did the job run, how long did it take, how often did it fail?";
}

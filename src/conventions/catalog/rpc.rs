//! Remote procedure calls served and sent.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice, in seconds.
const CALLS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

metrics! { RPC
    RPC_SERVER_CALL_DURATION ReleaseCandidate Histogram(CALLS) "s"
        [RPC_SYSTEM_NAME RPC_METHOD RPC_RESPONSE_STATUS_CODE ERROR_TYPE]
        "Measures the duration of an incoming Remote Procedure Call (RPC)."
        "How often is which method called? How long does it take? How often does it fail?";
    RPC_CLIENT_CALL_DURATION ReleaseCandidate Histogram(CALLS) "s"
        [RPC_SYSTEM_NAME RPC_METHOD RPC_RESPONSE_STATUS_CODE SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Measures the duration of an outgoing Remote Procedure Call (RPC)."
        "Which other service is slow, or fails?";
}

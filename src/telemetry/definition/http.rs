//! HTTP requests, served and sent.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice for requests, in seconds.
const REQUESTS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

metrics! { HTTP
    HTTP_SERVER_REQUEST_DURATION Stable Histogram(REQUESTS) "s"
        [HTTP_REQUEST_METHOD URL_SCHEME HTTP_ROUTE HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Duration of HTTP server requests."
        "How many requests did we receive? How long did each take? How many failed? What was the worst time?";
    HTTP_SERVER_ACTIVE_REQUESTS Development UpDownCounter "{request}"
        [HTTP_REQUEST_METHOD URL_SCHEME]
        "Number of active HTTP server requests."
        "How many requests are being processed right now?";
    HTTP_CLIENT_REQUEST_DURATION Stable Histogram(REQUESTS) "s"
        [HTTP_REQUEST_METHOD SERVER_ADDRESS SERVER_PORT HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Duration of HTTP client requests."
        "How many external calls did we make? How long did each take? How many failed?";
}

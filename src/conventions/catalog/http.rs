//! HTTP requests, served and sent.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice for requests, in seconds.
const REQUESTS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The conventions advise none, and the default ones end at 10,000.
const BYTES: &[f64] =
    &[0.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0];

/// Connections live longer than requests; in seconds.
const CONNECTIONS: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

metrics! { HTTP
    HTTP_SERVER_REQUEST_DURATION Stable Histogram(REQUESTS) "s"
        [HTTP_REQUEST_METHOD URL_SCHEME HTTP_ROUTE HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Duration of HTTP server requests."
        "How many requests did we receive? How long did each take? How many failed? What was the worst time?";
    HTTP_SERVER_ACTIVE_REQUESTS Development UpDownCounter "{request}"
        [HTTP_REQUEST_METHOD URL_SCHEME]
        "Number of active HTTP server requests."
        "How many requests are being processed right now?";
    HTTP_SERVER_REQUEST_BODY_SIZE Development Histogram(BYTES) "By"
        [HTTP_REQUEST_METHOD URL_SCHEME HTTP_ROUTE HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Size of HTTP server request bodies."
        "How much is sent to us?";
    HTTP_SERVER_RESPONSE_BODY_SIZE Development Histogram(BYTES) "By"
        [HTTP_REQUEST_METHOD URL_SCHEME HTTP_ROUTE HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Size of HTTP server response bodies."
        "How much do we answer? Which route answers most?";
    HTTP_CLIENT_REQUEST_DURATION Stable Histogram(REQUESTS) "s"
        [HTTP_REQUEST_METHOD SERVER_ADDRESS SERVER_PORT HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Duration of HTTP client requests."
        "How many external calls did we make? How long did each take? How many failed?";
    HTTP_CLIENT_ACTIVE_REQUESTS Development UpDownCounter "{request}"
        [HTTP_REQUEST_METHOD SERVER_ADDRESS SERVER_PORT]
        "Number of active HTTP requests."
        "How many external calls are we waiting for right now?";
    HTTP_CLIENT_REQUEST_BODY_SIZE Development Histogram(BYTES) "By"
        [HTTP_REQUEST_METHOD SERVER_ADDRESS SERVER_PORT HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Size of HTTP client request bodies."
        "How much do we send?";
    HTTP_CLIENT_RESPONSE_BODY_SIZE Development Histogram(BYTES) "By"
        [HTTP_REQUEST_METHOD SERVER_ADDRESS SERVER_PORT HTTP_RESPONSE_STATUS_CODE NETWORK_PROTOCOL_VERSION ERROR_TYPE]
        "Size of HTTP client response bodies."
        "How much do we fetch?";
    HTTP_CLIENT_OPEN_CONNECTIONS Development UpDownCounter "{connection}"
        [HTTP_CONNECTION_STATE NETWORK_PROTOCOL_VERSION SERVER_ADDRESS SERVER_PORT]
        "Number of outbound HTTP connections that are currently active or idle on the client."
        "How many connections do we hold, and how many of them for nothing?";
    HTTP_CLIENT_CONNECTION_DURATION Development Histogram(CONNECTIONS) "s"
        [NETWORK_PROTOCOL_VERSION SERVER_ADDRESS SERVER_PORT]
        "The duration of the successfully established outbound HTTP connections."
        "How long do connections last? Are they used again?";
}

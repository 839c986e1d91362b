//! What is recorded of HTTP requests.

use crate::config::registry::{
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE, OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS,
};
use crate::config::text;

/// What is recorded of HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http {
    /// Names of headers to be recorded, in small letters.
    pub(crate) server_request_headers: Vec<String>,
    pub(crate) server_response_headers: Vec<String>,
    pub(crate) client_request_headers: Vec<String>,
    pub(crate) client_response_headers: Vec<String>,
    /// Headers whose values are never recorded, in small letters; `*` stands for any characters.
    pub(crate) sanitized_headers: Vec<String>,
    /// Methods that have their own name; others are `_OTHER`.
    pub(crate) known_methods: Vec<String>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            server_request_headers: OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST
                .default_as(text::header_names),
            server_response_headers: OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE
                .default_as(text::header_names),
            client_request_headers: OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST
                .default_as(text::header_names),
            client_response_headers: OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE
                .default_as(text::header_names),
            sanitized_headers: OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS
                .default_as(text::header_patterns),
            known_methods: OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS.default_as(text::methods),
        }
    }
}

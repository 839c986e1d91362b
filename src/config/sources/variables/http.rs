//! Headers and methods of HTTP.

use crate::config::model::Http;
use crate::config::registry::{
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE, OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS,
};
use crate::config::sources::Settings;
use crate::config::text::{header_names, header_patterns, methods};
use crate::config::warnings::BadFlag;

pub(super) fn read(settings: &mut Settings) -> Result<Http, BadFlag> {
    let mut http = Http::default();
    for (into, variable) in [
        (&mut http.server_request_headers, &OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST),
        (&mut http.server_response_headers, &OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE),
        (&mut http.client_request_headers, &OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST),
        (&mut http.client_response_headers, &OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE),
    ] {
        settings.read(into, variable, header_names)?;
    }
    let sanitized = &OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS;
    settings.read(&mut http.sanitized_headers, sanitized, header_patterns)?;
    settings.read(&mut http.known_methods, &OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, methods)?;
    Ok(http)
}

//! `instrumentation/development`: what is recorded of requests.

use super::walk::{Field, Map};
use crate::config::model::Http;
use crate::config::text;

/// Languages with sections of their own, which are not for Rust.
const OTHERS: &[&str] = &["cpp", "dotnet", "erlang", "go", "java", "js", "php", "python", "ruby", "swift"];

/// `own` are the settings of otel-rs.
pub(super) fn http(instrumentation: Option<&Map>, own: Option<&Map>) -> Http {
    let general = instrumentation.and_then(|instrumentation| {
        OTHERS.iter().for_each(|language| {
            instrumentation.get(language);
        });
        instrumentation.unsupported("rust", "no instrumentation has settings of its own");
        instrumentation.map("general")
    });
    if let Some(general) = &general {
        conventions(general);
    }
    let http = general.as_ref().and_then(|general| general.map("http"));
    if let Some(http) = &http {
        http.unsupported("semconv", "the stable conventions are used");
    }
    let client = http.as_ref().and_then(|http| http.map("client"));
    let server = http.as_ref().and_then(|http| http.map("server"));
    let headers = |end: &Option<Map>, key| end.as_ref().and_then(|end| end.listed(key, text::header_names));
    let defaults = Http::default();
    let sanitized = own.and_then(|own| own.listed("sanitized_headers", text::header_patterns));
    Http {
        server_request_headers: headers(&server, "request_captured_headers").unwrap_or(defaults.server_request_headers),
        server_response_headers: headers(&server, "response_captured_headers")
            .unwrap_or(defaults.server_response_headers),
        client_request_headers: headers(&client, "request_captured_headers").unwrap_or(defaults.client_request_headers),
        client_response_headers: headers(&client, "response_captured_headers")
            .unwrap_or(defaults.client_response_headers),
        sanitized_headers: sanitized.unwrap_or(defaults.sanitized_headers),
        known_methods: known_methods(server.as_ref(), client.as_ref()).unwrap_or(defaults.known_methods),
    }
}

fn conventions(general: &Map) {
    for key in ["code", "db", "gen_ai", "messaging", "rpc"] {
        general.unsupported(key, "the stable conventions are used");
    }
    general.unsupported("peer", "no services are named by their addresses");
    general.unsupported("sanitization", "the conventions' own list of secret query parameters is used");
    // One older name had a list, the newer one has a text.
    if let Some(list) = general.get("stability_opt_in_list") {
        let text = list.text().unwrap_or_default();
        no_older_conventions(&list, text.split(',').map(str::trim));
    }
    if let Some(list) = general.get("semconv_stability_opt_in") {
        no_older_conventions(&list, list.texts().iter().map(String::as_str));
    }
}

fn no_older_conventions<'a>(field: &Field, mut names: impl Iterator<Item = &'a str>) {
    if names.any(|name| name.ends_with("/dup")) {
        field.not_used("not supported: `/dup` has no effect, the stable conventions are used");
    }
}

/// One list serves both ends.
fn known_methods(server: Option<&Map>, client: Option<&Map>) -> Option<Vec<String>> {
    let server = server.and_then(|end| end.get("known_methods"));
    let client = client.and_then(|end| end.get("known_methods"));
    match (server.map(|field| field.texts()), client) {
        (Some(methods), Some(client)) => {
            if client.texts() != methods {
                client.not_used("not supported: the server's methods are used for clients too");
            }
            Some(methods)
        }
        (Some(methods), None) => Some(methods),
        (None, Some(client)) => Some(client.texts()),
        (None, None) => None,
    }
}

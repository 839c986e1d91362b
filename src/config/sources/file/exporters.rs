//! Exporters, which all signals have in common.

use std::path::{Path, PathBuf};

use super::walk::{Field, Map};
use crate::config::model::{
    BaseEndpoint, Endpoint, Exporter, Headers, HistogramAggregation, JsonTarget, Otlp, Protocol, Signal, Temporality,
    Tls,
};
use crate::config::registry::NO_ZIPKIN;
use crate::config::text;

/// The exporter of a processor.
pub(super) fn read(field: &Field, signal: Signal) -> Option<Exporter> {
    let (name, settings) = field.choice()?;
    exporter(name, &settings, signal)
}

/// The exporter of a reader, and the form of its metrics.
pub(super) fn read_push(field: &Field) -> Option<(Exporter, Temporality, HistogramAggregation)> {
    let (name, settings) = field.choice()?;
    let temporality = settings.word("temporality_preference", Temporality::NAMES);
    let histograms = settings.word("default_histogram_aggregation", HistogramAggregation::NAMES);
    Some((exporter(name, &settings, Signal::Metrics)?, temporality.unwrap_or_default(), histograms.unwrap_or_default()))
}

fn exporter(name: &str, settings: &Map, signal: Signal) -> Option<Exporter> {
    match name {
        "otlp_http" => {
            let encodings = [("protobuf", Protocol::HttpProtobuf), ("json", Protocol::HttpJson)];
            let protocol = settings.word("encoding", &encodings).unwrap_or(Protocol::HttpProtobuf);
            Some(Exporter::Otlp(otlp(settings, protocol, signal)))
        }
        "otlp_grpc" => Some(Exporter::Otlp(otlp(settings, Protocol::Grpc, signal))),
        "otlp_file" => Some(Exporter::JsonLines(target(settings))),
        "console" => Some(Exporter::Console),
        "zipkin" => {
            settings.unsupported_choice(NO_ZIPKIN);
            None
        }
        _ => {
            settings.unknown_choice(name, &["otlp_http", "otlp_grpc", "otlp_file/development", "console"]);
            None
        }
    }
}

fn otlp(settings: &Map, protocol: Protocol, signal: Signal) -> Otlp {
    let tls = settings.map("tls");
    // Before the third release candidate there was no `tls` around these.
    let security: Vec<&Map> = tls.as_ref().into_iter().chain([settings]).collect();
    // Over HTTP, a scheme that is left out means plain text here; for gRPC, `insecure` decides.
    let insecure =
        protocol != Protocol::Grpc || security.iter().find_map(|map| map.boolean("insecure")).unwrap_or(false);
    let mut headers = Headers(headers(settings));
    let endpoint = settings.get("endpoint").and_then(|field| {
        let written = field.text()?;
        let mut base = BaseEndpoint::parse(written, insecure).map_err(|expected| field.wrong(&expected)).ok()?;
        headers.authorize(base.take_credentials());
        Some(base.of_signal(signal, true, protocol))
    });
    for key in ["max_request_size", "max_response_size"] {
        settings.unsupported(key, "the size is not limited");
    }
    let otlp = Otlp::to(endpoint.unwrap_or_else(|| Endpoint::local(protocol, signal)), protocol);
    Otlp {
        headers,
        gzip: gzip(settings).unwrap_or(otlp.gzip),
        timeout: settings.whole("timeout", text::timeout).unwrap_or(otlp.timeout),
        tls: files(&security),
        ..otlp
    }
}

fn gzip(settings: &Map) -> Option<bool> {
    let field = settings.get("compression")?;
    match field.text()? {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => {
            field.not_used("not supported: known are `gzip`, `none`; exports are not compressed");
            Some(false)
        }
    }
}

/// Files for TLS, from the first mapping that names them: `tls`, where there is one, and that around it, which had them
/// by the longer names that `tls` had too for a while.
fn files(security: &[&Map]) -> Tls {
    let file = |key, older| {
        let within = security[..security.len() - 1].iter().find_map(|tls| tls.get(key));
        let field = within.or_else(|| security.iter().find_map(|map| map.get(older)));
        field.and_then(|field| field.text()).map(PathBuf::from)
    };
    let found = Tls {
        certificate: file("ca_file", "certificate_file"),
        client_certificate: file("cert_file", "client_certificate_file"),
        client_key: file("key_file", "client_key_file"),
    };
    if found.client_certificate.is_some() != found.client_key.is_some() {
        security[0].field.problem("`cert_file` and `key_file` must be set together".into());
    }
    found
}

/// Names in small letters. `headers` counts more than `headers_list`.
fn headers(settings: &Map) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(list) = settings.get("headers_list")
        && let Some(written) = list.text()
    {
        match text::headers(written) {
            Ok(headers) => found = headers,
            Err(expected) => list.wrong_secret(&expected),
        }
    }
    for item in settings.items("headers") {
        if let Some((name, value)) = header(&item) {
            found.retain(|(known, _)| *known != name);
            found.push((name, value));
        }
    }
    found
}

/// One header; `None` if it is wrong, or has no value.
fn header(item: &Field) -> Option<(String, String)> {
    let item = item.map()?;
    let name = item.required("name").and_then(|name| name.text());
    if !item.has("value") {
        item.required("value");
    }
    let field = item.get("value")?;
    let value = field.secret_text()?;
    let name = name?.to_ascii_lowercase();
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() || http::HeaderValue::from_str(value).is_err() {
        item.field.problem("expected a name and a value that HTTP allows in a header".into());
        return None;
    }
    Some((name, value.to_owned()))
}

fn target(settings: &Map) -> JsonTarget {
    let Some(field) = settings.get("output_stream") else { return JsonTarget::Stdout };
    match field.text() {
        None | Some("stdout") => JsonTarget::Stdout,
        Some(text) => match text.strip_prefix("file://").map(Path::new).filter(|path| path.is_absolute()) {
            Some(path) => JsonTarget::File(path.to_owned()),
            None => {
                field.wrong("`stdout` or a file such as `file:///var/log/traces.jsonl`");
                JsonTarget::Stdout
            }
        },
    }
}

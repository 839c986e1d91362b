//! Where telemetry would go, and whether anybody is there.

use serde::Serialize;

use crate::config::{Config, Exporter, JsonTarget, Otlp, Protocol, Reader, SettingOrigin};
use crate::export;
use crate::export::probe::ProbeResult;
use crate::export::prometheus::CannotListen;

/// One way out for one kind of telemetry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Export {
    /// `spans`, `metrics` or `log records`.
    pub(super) what: &'static str,
    /// The exporter's name.
    pub(super) exporter: &'static str,
    /// Where to; empty for the console.
    pub(super) to: String,
    /// What came of knocking there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<String>,
    #[serde(skip)]
    pub(super) otlp: Option<(Otlp, ProbeResult)>,
    /// Why there can be no page.
    #[serde(skip)]
    pub(super) page: Option<CannotListen>,
}

impl Export {
    fn new(what: &'static str, exporter: &'static str, to: String) -> Export {
        Export { what, exporter, to, answer: None, otlp: None, page: None }
    }
}

/// All of them, each collector asked once for each kind of telemetry.
pub(super) fn of(config: &Config) -> Vec<Export> {
    if config.disabled {
        return Vec::new();
    }
    let mut asked: Vec<(Otlp, ProbeResult)> = Vec::new();
    let mut export = |what, exporter: &Exporter| match exporter {
        Exporter::Console => Export::new(what, "console", "stderr".into()),
        Exporter::JsonLines(target) => {
            let (exporter, to) = match target {
                JsonTarget::Stdout => ("otlp/stdout", "stdout".to_owned()),
                JsonTarget::File(file) => ("otlp_file", file.display().to_string()),
            };
            Export::new(what, exporter, to)
        }
        Exporter::Otlp(otlp) => {
            // gRPC has one endpoint for all; whatever differs besides (a certificate, a header) is asked about apart.
            let key = Otlp { written: SettingOrigin::default(), ..otlp.clone() };
            let known = asked.iter().find(|(known, _)| *known == key).map(|(_, answer)| answer.clone());
            let answer = known.unwrap_or_else(|| export::probe::probe(otlp));
            asked.push((key, answer.clone()));
            let mut to = format!("{} ({})", otlp.endpoint.redacted(), protocol(otlp.protocol));
            if let Some(proxy) = &otlp.proxy {
                to.push_str(&format!(" through {} ({})", proxy.url, proxy.variable));
            }
            Export {
                answer: Some(in_short(&answer)),
                otlp: Some((otlp.clone(), answer)),
                ..Export::new(what, "otlp", to)
            }
        }
    };
    let mut exports: Vec<Export> = Vec::new();
    exports.extend(config.traces.processors.iter().map(|processor| export("spans", &processor.exporter)));
    for reader in &config.metrics.readers {
        exports.push(match reader {
            Reader::Periodic(periodic) => export("metrics", &periodic.exporter),
            Reader::Prometheus(page) => {
                let to = format!("a page at http://{}:{}/metrics", page.host, page.port);
                let page = export::prometheus::try_page(page).err();
                let answer = if page.is_some() { "cannot be offered" } else { "is free" };
                Export { answer: Some(answer.into()), page, ..Export::new("metrics", "prometheus", to) }
            }
        });
    }
    exports.extend(config.logs.processors.iter().map(|processor| export("log records", &processor.exporter)));
    exports
}

/// As OTEL_EXPORTER_OTLP_PROTOCOL has it.
pub(super) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::HttpProtobuf => "http/protobuf",
        Protocol::HttpJson => "http/json",
    }
}

fn in_short(answer: &ProbeResult) -> String {
    match answer {
        ProbeResult::Accepts => "takes it".into(),
        ProbeResult::ExporterUnusable(..) => "was not asked".into(),
        ProbeResult::TlsFailed(reason) => format!("is there, but TLS fails: {reason}"),
        ProbeResult::Rejects(status) => format!("refuses it: {status}"),
        ProbeResult::OtherProtocol => "speaks another protocol".into(),
        ProbeResult::NotOtlp => "does not understand it".into(),
        ProbeResult::NoAnswer(reason) => format!("does not answer: {reason}"),
        ProbeResult::ProxyFailed { reason, .. } => format!("is not reached through the proxy: {reason}"),
    }
}

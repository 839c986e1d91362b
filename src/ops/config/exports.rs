//! Where telemetry would go, and what is there.

use serde::Serialize;

use crate::config::{Config, Exporter, JsonTarget, Otlp, Reader, SettingOrigin};
use crate::export;
use crate::export::probe::ProbeResult;
use crate::export::prometheus::CannotListen;

/// One exporter of one kind of telemetry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Export {
    /// `spans`, `metrics` or `log records`.
    pub(super) what: &'static str,
    /// The exporter's name.
    pub(super) exporter: &'static str,
    /// Where to; empty for the console.
    pub(super) to: String,
    /// The outcome of the probe, in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<String>,
    #[serde(skip)]
    pub(super) otlp: Option<(Otlp, ProbeResult)>,
    /// Why the page cannot be served.
    #[serde(skip)]
    pub(super) page: Option<CannotListen>,
}

impl Export {
    fn new(what: &'static str, exporter: &'static str, to: String) -> Export {
        Export { what, exporter, to, answer: None, otlp: None, page: None }
    }
}

/// All of them, each collector probed once for each kind of telemetry.
pub(super) fn of(config: &Config) -> Vec<Export> {
    if config.disabled {
        return Vec::new();
    }
    let mut probed: Vec<(Otlp, ProbeResult)> = Vec::new();
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
            // gRPC has one endpoint for all; settings that differ besides (a certificate, a header) have a probe of their own.
            let key = Otlp { origin: SettingOrigin::default(), ..otlp.clone() };
            let known = probed.iter().find(|(known, _)| *known == key).map(|(_, answer)| answer.clone());
            let answer = known.unwrap_or_else(|| export::probe::probe(otlp));
            probed.push((key, answer.clone()));
            let mut to = format!("{} ({})", otlp.endpoint.redacted(), otlp.protocol.name());
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
                let answer = if page.is_some() { "cannot be served" } else { "is free" };
                Export { answer: Some(answer.into()), page, ..Export::new("metrics", "prometheus", to) }
            }
        });
    }
    exports.extend(config.logs.processors.iter().map(|processor| export("log records", &processor.exporter)));
    exports
}

fn in_short(answer: &ProbeResult) -> String {
    match answer {
        ProbeResult::Accepts => "accepts it".into(),
        ProbeResult::ExporterUnusable(..) => "is not probed".into(),
        ProbeResult::TlsFailed(reason) => format!("is there, but the TLS handshake failed: {reason}"),
        ProbeResult::Rejects(status) => format!("rejects it: {status}"),
        ProbeResult::OtherProtocol => "uses another protocol".into(),
        ProbeResult::NotOtlp => "is not an OTLP receiver".into(),
        ProbeResult::TimedOut(time) => format!("does not answer within {} s", time.as_secs()),
        ProbeResult::Closed => "closes the connection without an answer".into(),
        ProbeResult::CannotConnect(reason) => format!("cannot be reached: {reason}"),
        ProbeResult::ProxyFailed { reason, .. } => format!("cannot be reached through the proxy: {reason}"),
    }
}

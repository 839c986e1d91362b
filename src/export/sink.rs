//! Where the requests of a signal go: to a collector, or into lines.

use std::sync::Arc;

use hyper::body::Bytes;
use prost::Message;
use serde::Serialize;

use super::delivery::{RequestSink, Sending};
use super::failure::Failure;
use super::lines::Lines;
use super::notices::{ExportNotices, ExportTarget};
use super::otlp::OtlpSender;
use super::tls::TlsError;
use crate::config::{Exporter, ExporterSetting, Otlp, SettingOrigin};
use crate::signals::Signal;

/// What keeps an exporter from being made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The endpoint is a URL, but not one that can be connected to.
    #[error("the endpoint cannot be used")]
    Endpoint(#[source] http::uri::InvalidUri),
    /// No such folder, or no right to write.
    #[error(transparent)]
    File(std::io::Error),
}

impl Unusable {
    /// What to do about it, where the settings are.
    fn hint(&self, origin: &SettingOrigin) -> Option<String> {
        match self {
            Unusable::Tls(error) => error.hint(origin),
            Unusable::Endpoint(_) => Some(origin.set(ExporterSetting::Endpoint, "http://HOST:PORT")),
            Unusable::File(_) => Some("make the file's folder, or allow the launcher's user to write there".into()),
        }
    }
}

/// Accepts the requests of one signal.
pub(crate) enum Sink {
    Otlp(Box<OtlpSender>),
    Lines(Lines),
}

impl Sink {
    /// The sink of an exporter. `None` for one that shows telemetry instead, and for one that cannot be made, which is
    /// warned of.
    pub(crate) fn new(exporter: &Exporter, signal: Signal, notices: &Arc<ExportNotices>) -> Option<Arc<Sink>> {
        let made = match exporter {
            Exporter::Console => return None,
            Exporter::Otlp(to) => OtlpSender::new(to, signal, notices).map(|sender| Sink::Otlp(Box::new(sender))),
            Exporter::JsonLines(target) => Lines::new(target).map(Sink::Lines),
        };
        match made {
            Ok(sink) => Some(Arc::new(sink)),
            Err(cause) => {
                let hint = match exporter {
                    Exporter::Otlp(otlp) => cause.hint(&otlp.origin),
                    _ => cause.hint(&SettingOrigin::default()),
                };
                notices.unusable(signal.many(), target_of(exporter), cause, hint);
                None
            }
        }
    }

    /// Whether it takes requests as protobuf.
    pub(crate) fn takes_protobuf(&self) -> bool {
        matches!(self, Sink::Otlp(sender) if sender.takes_protobuf())
    }

    /// A request that is protobuf already, as it is sent.
    pub(crate) fn pack(&self, protobuf: Vec<u8>) -> Result<Bytes, Failure> {
        let packed = match self {
            Sink::Otlp(sender) => sender.pack(protobuf),
            Sink::Lines(_) => Ok(protobuf.into()),
        };
        packed.map_err(|error| Failure::encoding(&error))
    }

    /// A request as it is sent, however often that is tried.
    pub(crate) fn encode(&self, request: &(impl Message + Serialize)) -> Result<Bytes, Failure> {
        let encoded = match self {
            Sink::Otlp(sender) => sender.encode(request),
            Sink::Lines(_) => Lines::encode(request),
        };
        encoded.map_err(|error| Failure::encoding(&error))
    }
}

impl RequestSink for Sink {
    fn target(&self) -> ExportTarget {
        match self {
            Sink::Otlp(sender) => sender.target(),
            Sink::Lines(lines) => {
                ExportTarget { name: lines.name().to_owned(), origin: SettingOrigin::default(), proxy: None }
            }
        }
    }

    fn send(self: Arc<Self>, request: Bytes) -> Sending {
        Box::pin(async move {
            match &*self {
                Sink::Otlp(sender) => sender.send(request).await,
                Sink::Lines(lines) => lines.write(&request).map(|()| 0),
            }
        })
    }
}

/// Where an exporter would lead, as far as all signals have it in common.
fn target_of(exporter: &Exporter) -> String {
    match exporter {
        Exporter::Otlp(Otlp { endpoint, .. }) => endpoint.server(),
        Exporter::JsonLines(crate::config::JsonTarget::File(path)) => path.display().to_string(),
        Exporter::JsonLines(crate::config::JsonTarget::Stdout) => "stdout".into(),
        Exporter::Console => "stderr".into(),
    }
}

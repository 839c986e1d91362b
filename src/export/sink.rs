//! What all signals have in common on their way out.

use std::sync::Arc;

use hyper::body::Bytes;
use prost::Message;
use serde::Serialize;

use super::failure::Failure;
use super::lines::Lines;
use super::notices::{ExportNotices, ExportTarget};
use super::otlp::Sender;
use super::queue::Way;
use super::tls::TlsError;
use crate::config::{Exporter, Otlp, OtlpSetting, SettingOrigin};

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// What its items are called.
    pub(crate) fn many(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Metrics => "metrics",
            Signal::Logs => "log records",
        }
    }
}

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
    /// What to do about it, where the settings are written.
    fn hint(&self, written: &SettingOrigin) -> Option<String> {
        match self {
            Unusable::Tls(error) => error.hint(written),
            Unusable::Endpoint(_) => Some(written.set(OtlpSetting::Endpoint, "http://HOST:PORT")),
            Unusable::File(_) => Some("make the file's folder, or allow the launcher's user to write there".into()),
        }
    }
}

/// Takes the requests of one signal.
pub(crate) enum Sink {
    Otlp(Box<Sender>),
    Lines(Lines),
}

impl Sink {
    /// The sink of an exporter. `None` for one that shows telemetry instead, and for one that cannot be made: of that the
    /// user will be told, and the program does without.
    pub(crate) fn new(exporter: &Exporter, signal: Signal, notices: &Arc<ExportNotices>) -> Option<Arc<Sink>> {
        let made = match exporter {
            Exporter::Console => return None,
            Exporter::Otlp(to) => Sender::new(to, signal, notices).map(|sender| Sink::Otlp(Box::new(sender))),
            Exporter::JsonLines(target) => Lines::new(target).map(Sink::Lines),
        };
        match made {
            Ok(sink) => Some(Arc::new(sink)),
            Err(cause) => {
                let hint = match exporter {
                    Exporter::Otlp(otlp) => cause.hint(&otlp.written),
                    _ => cause.hint(&SettingOrigin::default()),
                };
                notices.unusable(signal.many(), place(exporter), cause, hint);
                None
            }
        }
    }

    /// Where requests go.
    pub(crate) fn target(&self) -> ExportTarget {
        match self {
            Sink::Otlp(sender) => sender.target(),
            Sink::Lines(lines) => {
                ExportTarget { name: lines.name().to_owned(), origin: SettingOrigin::default(), proxy: None }
            }
        }
    }

    /// A request as it is sent, however often that is tried.
    pub(crate) fn encode(&self, request: &(impl Message + Serialize)) -> Result<Bytes, Failure> {
        let encoded = match self {
            Sink::Otlp(sender) => sender.encode(request),
            Sink::Lines(_) => Lines::encode(request),
        };
        encoded.map_err(|error| Failure::encoding(&error))
    }

    /// Sends an encoded request; says how many of its items were sent back.
    pub(crate) async fn send(&self, encoded: Bytes) -> Result<u64, Failure> {
        match self {
            Sink::Otlp(sender) => sender.send(encoded).await,
            Sink::Lines(lines) => lines.write(&encoded).map(|()| 0),
        }
    }

    /// The way of batches of which `request` makes requests.
    pub(crate) fn way<T, R>(self: &Arc<Sink>, request: impl Fn(Vec<T>) -> R + Send + 'static) -> Way<T>
    where
        R: Message + Serialize,
    {
        let (encodes, sends) = (Arc::clone(self), Arc::clone(self));
        Way {
            encode: Box::new(move |items| encodes.encode(&request(items))),
            send: Box::new(move |encoded| {
                let sink = Arc::clone(&sends);
                Box::pin(async move { sink.send(encoded).await })
            }),
        }
    }
}

/// Where an exporter would lead, as far as all signals have it in common.
fn place(exporter: &Exporter) -> String {
    match exporter {
        Exporter::Otlp(Otlp { endpoint, .. }) => endpoint.server(),
        Exporter::JsonLines(crate::config::JsonTarget::File(path)) => path.display().to_string(),
        Exporter::JsonLines(crate::config::JsonTarget::Stdout) => "stdout".into(),
        Exporter::Console => "stderr".into(),
    }
}

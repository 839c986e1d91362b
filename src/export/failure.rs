//! Why an export did not arrive, as one type by which retries, queues, warnings and hints are decided.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use tonic::Code;

use crate::config::{ExporterSetting, SettingOrigin};

/// An export that did not arrive, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: FailureKind,
    /// The cause in words, as a warning shows it.
    detail: String,
    /// How long the collector requires to be left alone.
    retry_after: Option<Duration>,
    /// Whether it happened on the way through a proxy.
    is_at_proxy: bool,
}

/// What decides about retries and hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// An HTTP status other than 200.
    Http(StatusCode),
    /// A gRPC status other than `Ok`.
    Grpc(Code),
    /// An answer that is HTTP, but not gRPC.
    NotGrpc,
    /// The TLS handshake failed.
    Tls(TlsFailure),
    /// No connection, or one that broke.
    Io(ErrorKind),
    /// Bytes that the protocol does not allow: the server has another one.
    WrongProtocol,
    /// No answer in time.
    Timeout,
    /// The collector requires a pause that is longer than the export may take.
    Paused,
    /// The collector accepted the export in part.
    Rejected,
    /// The request cannot be encoded.
    Encoding,
    /// The file cannot be written.
    File,
    /// The program's end came before the answer.
    Closing,
}

/// What a TLS handshake failed of. Alerts are sent by the collector; all else is found by the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// The collector requires a client certificate.
    ClientCertificateRequired,
    /// The collector does not accept the client certificate.
    ClientCertificateRejected,
    /// The collector's certificate is signed by an authority that is not trusted.
    UnknownIssuer,
    /// The collector's certificate is for another name.
    WrongName,
    /// The collector's certificate is otherwise unusable.
    Certificate,
    /// The server does not use TLS.
    NoTls,
    /// Anything else.
    Other,
}

impl Failure {
    fn new(kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure { kind, detail: detail.into(), retry_after: None, is_at_proxy: false }
    }

    /// An HTTP status other than 200, with the collector's own words about it.
    pub(crate) fn http(status: StatusCode, words: &str) -> Failure {
        let mut detail = format!("the collector answered {status}");
        if !words.is_empty() {
            detail = format!("{detail}: {words}");
        }
        Failure::new(FailureKind::Http(status), detail)
    }

    /// A gRPC status other than `Ok`, with the collector's own words about it.
    pub(crate) fn grpc(code: Code, words: &str) -> Failure {
        let detail = if words.is_empty() { format!("{code:?}") } else { format!("{code:?}: {words}") };
        Failure::new(FailureKind::Grpc(code), detail)
    }

    /// An answer that is not one of gRPC.
    pub(crate) fn not_grpc() -> Failure {
        Failure::new(FailureKind::NotGrpc, "the answer is not one of gRPC")
    }

    /// An error on the way to the collector, or on the way back.
    pub(crate) fn transport(error: &(dyn StdError + 'static)) -> Failure {
        Failure::new(kind_of(error), innermost(error))
    }

    /// An error of TLS.
    pub(crate) fn tls(error: &rustls::Error) -> Failure {
        Failure::new(kind_of_tls(error), error.to_string())
    }

    /// No answer in time.
    pub(crate) fn timeout(limit: Duration) -> Failure {
        Failure::new(FailureKind::Timeout, format!("no answer within {} ms", limit.as_millis()))
    }

    /// A longer pause is required than the export may take.
    pub(crate) fn paused() -> Failure {
        Failure::new(FailureKind::Paused, "the collector requires a longer pause")
    }

    /// The collector rejected a part; `what` names how much of what.
    pub(crate) fn rejected(what: impl fmt::Display) -> Failure {
        Failure::new(FailureKind::Rejected, format!("the collector rejected {what}"))
    }

    /// The request cannot be encoded.
    pub(crate) fn encoding(error: &std::io::Error) -> Failure {
        Failure::new(FailureKind::Encoding, error.to_string())
    }

    /// The file cannot be written.
    pub(crate) fn file(error: &std::io::Error) -> Failure {
        Failure::new(FailureKind::File, error.to_string())
    }

    /// The program's end came first.
    pub(crate) fn closing() -> Failure {
        Failure::new(FailureKind::Closing, "no answer before the program's end")
    }

    /// The same failure, with the time for which the collector accepts no further request.
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Failure {
        Failure { retry_after, ..self }
    }

    /// The same on the way through the proxy at `url`.
    pub(crate) fn through_proxy(self, url: &str) -> Failure {
        Failure { detail: format!("through the proxy `{url}`: {}", self.detail), is_at_proxy: true, ..self }
    }

    /// The proxy at `url` requires credentials, or others.
    pub(crate) fn proxy_authentication(url: &str) -> Failure {
        let kind = FailureKind::Http(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let detail = format!("the proxy `{url}` requires authentication (407)");
        Failure { is_at_proxy: true, ..Failure::new(kind, detail) }
    }

    /// How long the collector requires to be left alone, where the same request may be accepted later.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.is_retryable())
    }

    /// Whether the same request may be accepted later. Statuses and codes are those of the OTLP specification.
    pub(crate) fn is_retryable(&self) -> bool {
        match self.kind {
            FailureKind::Http(status) => matches!(status.as_u16(), 429 | 502..=504),
            FailureKind::Grpc(code) => match code {
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => true,
                // Only if the collector names the time.
                Code::ResourceExhausted => self.retry_after.is_some(),
                _ => false,
            },
            FailureKind::Paused => true,
            FailureKind::NotGrpc | FailureKind::Rejected | FailureKind::Encoding | FailureKind::File => false,
            _ => self.is_without_answer(),
        }
    }

    /// Whether there was no answer at all, or none that makes sense.
    pub(crate) fn is_without_answer(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Tls(_)
                | FailureKind::Io(_)
                | FailureKind::WrongProtocol
                | FailureKind::Timeout
                | FailureKind::Closing
        )
    }

    /// Whether the collector may well accept other signals.
    pub(crate) fn is_about_one_signal(&self) -> bool {
        match self.kind {
            FailureKind::Http(status) => matches!(status.as_u16(), 404 | 405 | 415),
            FailureKind::Grpc(code) => matches!(code, Code::Unimplemented | Code::InvalidArgument),
            FailureKind::Rejected => true,
            _ => false,
        }
    }

    /// What to do about it: `endpoint` and what else is set stand where `origin` names, `proxy` is the proxy's variable.
    pub(crate) fn hint(&self, endpoint: &str, origin: &SettingOrigin, proxy: Option<&'static str>) -> Option<String> {
        if let Some(variable) = proxy.filter(|_| self.is_at_proxy) {
            return Some(format!("check `{variable}`, or name the collector's host in `NO_PROXY`"));
        }
        let name = |setting| origin.name(setting);
        match self.kind {
            FailureKind::Http(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            | FailureKind::Grpc(Code::Unauthenticated | Code::PermissionDenied) => Some(format!(
                "check {}: the collector accepts no exports with these headers",
                name(ExporterSetting::Headers)
            )),
            FailureKind::Http(StatusCode::NOT_FOUND) | FailureKind::Grpc(Code::Unimplemented) => {
                Some(format!("check the endpoint's path, or {}", origin.set(ExporterSetting::Exporter, "none")))
            }
            FailureKind::WrongProtocol | FailureKind::NotGrpc => {
                let mut hint = format!(
                    "check {}: 4317 is usually the port for `grpc`, 4318 for `http/protobuf`",
                    name(ExporterSetting::Protocol)
                );
                if endpoint.starts_with("http:") {
                    hint.push_str("; or use an `https://` endpoint if the collector requires TLS");
                }
                Some(hint)
            }
            FailureKind::Tls(failure) if failure != TlsFailure::Other => Some(failure.hint(origin)),
            _ if !self.is_without_answer() => None,
            _ if endpoint.contains("localhost") => Some(match origin {
                SettingOrigin::Variables(_) => format!(
                    "start a collector there, set {}, or try OTEL_TRACES_EXPORTER=console",
                    name(ExporterSetting::Endpoint)
                ),
                SettingOrigin::File(_) => {
                    format!("start a collector there, or correct {}", name(ExporterSetting::Endpoint))
                }
            }),
            _ => Some(format!("check {}: no collector answers there", name(ExporterSetting::Endpoint))),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for Failure {}

impl TlsFailure {
    fn hint(self, origin: &SettingOrigin) -> String {
        let name = |setting| origin.name(setting);
        match self {
            TlsFailure::ClientCertificateRequired => {
                format!("set {} and {}", name(ExporterSetting::ClientCertificate), name(ExporterSetting::ClientKey))
            }
            TlsFailure::ClientCertificateRejected => {
                format!("check {}: the collector does not accept it", name(ExporterSetting::ClientCertificate))
            }
            TlsFailure::UnknownIssuer => {
                format!("set {} to the certificate of the collector's authority", name(ExporterSetting::Certificate))
            }
            TlsFailure::WrongName => {
                format!("use the name that the collector's certificate is for in {}", name(ExporterSetting::Endpoint))
            }
            TlsFailure::NoTls => "use an `http://` endpoint: the collector does not use TLS there".into(),
            TlsFailure::Certificate | TlsFailure::Other => {
                format!(
                    "renew the collector's certificate, or set {} to the certificate of its authority",
                    name(ExporterSetting::Certificate)
                )
            }
        }
    }
}

/// An error and its causes, also those that an `io::Error` wraps and leaves out of its own chain.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let cause = |error: &'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> {
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    };
    std::iter::successors(Some(error), move |error| cause(*error))
}

fn kind_of(error: &(dyn StdError + 'static)) -> FailureKind {
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return kind_of_tls(tls);
    }
    // A server that does not use HTTP/2 ends the connection amid the first frames, of which h2 has an error of its own.
    let is_wrong_protocol = |cause: &(dyn StdError + 'static)| {
        cause.downcast_ref().is_some_and(h2::Error::is_library)
            || cause.downcast_ref().is_some_and(is_not_http)
            || cause.downcast_ref().is_some_and(|io: &std::io::Error| {
                io.kind() == ErrorKind::BrokenPipe && io.raw_os_error().is_none() && io.get_ref().is_some()
            })
    };
    if causes(error).any(is_wrong_protocol) {
        return FailureKind::WrongProtocol;
    }
    if causes(error).any(|cause| cause.downcast_ref().is_some_and(h2::Error::is_remote)) {
        return FailureKind::Io(ErrorKind::ConnectionReset);
    }
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).last();
    FailureKind::Io(io.map_or(ErrorKind::Other, std::io::Error::kind))
}

/// Whether what was received is not HTTP/1. A server of HTTP/2 sends bytes before any request, for which hyper has an
/// error without a cause and of no other kind.
fn is_not_http(error: &hyper::Error) -> bool {
    let is_of_connection = error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || error.is_body_write_aborted()
        || error.is_timeout()
        || error.is_user()
        || error.is_shutdown();
    error.is_parse() || error.is_parse_version_h2() || (!is_of_connection && error.source().is_none())
}

fn kind_of_tls(error: &rustls::Error) -> FailureKind {
    FailureKind::Tls(match error {
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => return FailureKind::WrongProtocol,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            TlsFailure::ClientCertificateRequired
        }
        rustls::Error::AlertReceived(
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateUnobtainable
            | AlertDescription::BadCertificateStatusResponse
            | AlertDescription::BadCertificateHashValue
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => TlsFailure::ClientCertificateRejected,
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => TlsFailure::UnknownIssuer,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsFailure::WrongName,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFailure::NoTls,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => TlsFailure::Certificate,
        _ => TlsFailure::Other,
    })
}

/// The last two links of a chain of causes name what happened; those before read "client error".
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let chain: Vec<String> =
        std::iter::successors(Some(error), |error| (**error).source()).map(ToString::to_string).collect();
    let ceremony = chain.iter().take_while(|text| text.starts_with("client error")).count().min(chain.len() - 1);
    let mut last: Vec<&str> = Vec::new();
    for text in chain[ceremony..].iter().rev() {
        if last.len() == 2 {
            break;
        }
        if !last.iter().any(|known| text.contains(known)) {
            last.insert(0, text);
        }
    }
    last.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> SettingOrigin {
        let names = [
            (ExporterSetting::Exporter, "OTEL_METRICS_EXPORTER"),
            (ExporterSetting::Endpoint, "--exporter-otlp-metrics-endpoint"),
        ];
        SettingOrigin::Variables(names.map(|(setting, name)| (setting, name.to_owned())).into())
    }

    fn hint(origin: &SettingOrigin, failure: &Failure) -> String {
        failure.hint("http://h:4318/", origin, None).unwrap_or_default()
    }

    #[test]
    fn retryable_statuses_are_those_of_the_specification() {
        for (status, is_retryable) in
            [(400, false), (401, false), (404, false), (408, false), (429, true), (500, false), (503, true)]
        {
            let failure = Failure::http(StatusCode::from_u16(status).unwrap(), "");
            assert_eq!(failure.is_retryable(), is_retryable, "{status}");
        }
    }

    #[test]
    fn retryable_codes_are_those_of_the_specification() {
        let is_retryable = |code: &i32| Failure::grpc(Code::from(*code), "").is_retryable();
        assert_eq!((1..17).filter(is_retryable).collect::<Vec<_>>(), [1, 4, 10, 11, 14, 15]);
        assert!(!is_retryable(&99) && !Failure::not_grpc().is_retryable());
    }

    #[test]
    fn an_exhausted_collector_is_retryable_when_it_names_the_time() {
        let (wait, failure) = (Some(Duration::from_secs(2)), Failure::grpc(Code::ResourceExhausted, ""));
        assert!(!failure.is_retryable());
        let failure = failure.with_retry_after(wait);
        assert_eq!((failure.is_retryable(), failure.retry_after()), (true, wait));
        let refused = Failure::http(StatusCode::BAD_REQUEST, "").with_retry_after(wait);
        assert_eq!(refused.retry_after(), None);
    }

    #[test]
    fn hints_fit_their_causes() {
        let (variables, file) = (variables(), SettingOrigin::File("otel.yaml".into()));
        let unknown = Failure::http(StatusCode::NOT_FOUND, "");
        assert!(hint(&variables, &unknown).ends_with("or set `OTEL_METRICS_EXPORTER` to `none`"));
        assert!(hint(&file, &unknown).ends_with("or leave the exporter out of `otel.yaml`"));
        let refused = Failure::http(StatusCode::UNAUTHORIZED, "");
        assert!(hint(&file, &refused).starts_with("check `headers` in `otel.yaml`: the collector accepts no exports"));
        let down = Failure::transport(&std::io::Error::from(ErrorKind::ConnectionRefused));
        assert!(hint(&variables, &down).starts_with("check `--exporter-otlp-metrics-endpoint`: no collector answers"));
        let issuer = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(hint(&file, &Failure::tls(&issuer)).starts_with("set `ca_file` in `otel.yaml` to"));
    }

    #[test]
    fn a_timeout_of_4010_ms_is_no_401() {
        let late = Failure::timeout(Duration::from_millis(4010));
        assert!(
            hint(&variables(), &late).starts_with("check `--exporter-otlp-metrics-endpoint`: no collector answers")
        );
    }

    #[test]
    fn a_status_is_not_read_from_the_collectors_message() {
        for words in ["4040 spans are too old", "no permission: 401", "Unimplemented, rejected"] {
            let refused = Failure::http(StatusCode::BAD_REQUEST, words);
            assert_eq!(
                (hint(&variables(), &refused), refused.is_about_one_signal()),
                (String::new(), false),
                "{words}"
            );
        }
    }

    #[test]
    fn errors_of_tls_are_found_within_others() {
        let issuer = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(issuer));
        let failure = Failure::transport(&wrapped);
        assert_eq!(failure.kind, FailureKind::Tls(TlsFailure::UnknownIssuer));
        assert_eq!(failure.to_string(), "invalid peer certificate: UnknownIssuer");
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!(Failure::tls(&alert).kind, FailureKind::Tls(TlsFailure::ClientCertificateRejected));
    }
}

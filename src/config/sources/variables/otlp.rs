//! OTLP: the collector of each signal.

use std::path::PathBuf;

use crate::config::model::{BaseEndpoint, Endpoint, ExporterSetting, Otlp, Protocol, SettingOrigin, Signal, Tls};
use crate::config::registry::{
    OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_INSECURE, OTLP_OF_ALL, OTLP_OF_LOGS, OTLP_OF_METRICS,
    OTLP_OF_TRACES, OtlpVariables, Variable,
};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

/// The exporter of a signal, which is named by `exporter`.
pub(super) fn read(settings: &mut Settings, signal: Signal, exporter: &Variable) -> Result<Otlp, BadFlag> {
    let own = variables_of(signal);
    let insecure = own_or_shared(settings, [own.insecure, OTLP_OF_ALL.insecure], |settings, variable| {
        settings.get(variable, text::boolean)
    })?;
    let insecure = insecure.unwrap_or_else(|| OTEL_EXPORTER_OTLP_INSECURE.default_as(text::boolean));
    let (base, is_own) = base_endpoint(settings, own, insecure)?;
    let protocol = own_or_shared(settings, [own.protocol, OTLP_OF_ALL.protocol], |settings, variable| {
        let name = settings.choice(variable)?;
        Ok(name.and_then(|name| Protocol::NAMES.iter().find(|(known, _)| *known == name)).map(|(_, found)| *found))
    })?;
    let protocol = match (protocol, &base) {
        (Some(protocol), _) => protocol,
        (None, Some(base)) => base.protocol(),
        (None, None) => protocol_of_others(settings)?,
    };
    let headers = own_or_shared(settings, [own.headers, OTLP_OF_ALL.headers], |settings, variable| {
        settings.get(variable, text::headers)
    })?;
    let (credentials, endpoint) = match base {
        Some(mut base) => (base.take_credentials(), base.of_signal(signal, is_own, protocol)),
        None => (None, Endpoint::local(protocol, signal)),
    };
    let mut otlp = Otlp::to(endpoint, protocol);
    otlp.headers.0 = headers.unwrap_or_default();
    otlp.headers.authorize(credentials);
    let timeout = own_or_shared(settings, [own.timeout, OTLP_OF_ALL.timeout], |settings, variable| {
        settings.get(variable, text::timeout)
    })?;
    otlp.timeout = timeout.unwrap_or(otlp.timeout);
    let mut file = |own: Variable, shared: Variable| {
        own_or_shared(settings, [own, shared], |settings, variable| {
            settings.get(variable, |text| Ok(PathBuf::from(text)))
        })
    };
    otlp.tls = Tls {
        certificate: file(own.certificate, OTLP_OF_ALL.certificate)?,
        client_certificate: file(own.client_certificate, OTLP_OF_ALL.client_certificate)?,
        client_key: file(own.client_key, OTLP_OF_ALL.client_key)?,
    };
    let compression = own_or_shared(settings, [own.compression, OTLP_OF_ALL.compression], Settings::choice)?;
    otlp.gzip = compression.unwrap_or(OTEL_EXPORTER_OTLP_COMPRESSION.default) == "gzip";
    otlp.origin = origin(settings, own, exporter);
    Ok(otlp)
}

fn variables_of(signal: Signal) -> &'static OtlpVariables {
    match signal {
        Signal::Traces => &OTLP_OF_TRACES,
        Signal::Metrics => &OTLP_OF_METRICS,
        Signal::Logs => &OTLP_OF_LOGS,
    }
}

/// The endpoint that is set, and whether it is the signal's own.
fn base_endpoint(
    settings: &mut Settings,
    own: &OtlpVariables,
    insecure: bool,
) -> Result<(Option<BaseEndpoint>, bool), BadFlag> {
    let parse = |text: &str| BaseEndpoint::parse(text, insecure);
    let shared = &OTLP_OF_ALL.endpoint;
    if own_counts(settings, &own.endpoint, shared)
        && let Some(base) = settings.get(&own.endpoint, parse)?
    {
        return Ok((Some(base), true));
    }
    Ok((settings.get(shared, parse)?, false))
}

/// The protocol for a signal without settings: that of a collector that was named for another signal, since a receiver
/// of gRPC on 4317 rarely comes without the others' being there too.
fn protocol_of_others(settings: &mut Settings) -> Result<Protocol, BadFlag> {
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let (base, _) = base_endpoint(settings, variables_of(signal), true)?;
        if let Some(base) = base {
            return Ok(base.protocol());
        }
    }
    Ok(Protocol::HttpProtobuf)
}

/// The names under which the settings of a signal's collector are to be corrected.
fn origin(settings: &Settings, own: &OtlpVariables, exporter: &Variable) -> SettingOrigin {
    let all = &OTLP_OF_ALL;
    let names = [
        (ExporterSetting::Endpoint, &own.endpoint, &all.endpoint),
        (ExporterSetting::Protocol, &own.protocol, &all.protocol),
        (ExporterSetting::Headers, &own.headers, &all.headers),
        (ExporterSetting::Certificate, &own.certificate, &all.certificate),
        (ExporterSetting::ClientCertificate, &own.client_certificate, &all.client_certificate),
        (ExporterSetting::ClientKey, &own.client_key, &all.client_key),
        (ExporterSetting::Exporter, exporter, exporter),
    ];
    let name = |(setting, own, shared): (ExporterSetting, &Variable, &Variable)| {
        let is_own = own_counts(settings, own, shared) && settings.given(own).is_some();
        (setting, settings.name_of(if is_own { own } else { shared }))
    };
    SettingOrigin::Variables(names.map(name).into())
}

/// The value of a signal's own variable, or of the one for all signals.
fn own_or_shared<T>(
    settings: &mut Settings,
    [own, shared]: [Variable; 2],
    get: impl Fn(&mut Settings, &Variable) -> Result<Option<T>, BadFlag>,
) -> Result<Option<T>, BadFlag> {
    if own_counts(settings, &own, &shared)
        && let Some(value) = get(settings, &own)?
    {
        return Ok(Some(value));
    }
    get(settings, &shared)
}

/// Whether a signal's own variable counts more than the one for all signals. It does, unless only the latter is a flag.
fn own_counts(settings: &Settings, own: &Variable, shared: &Variable) -> bool {
    settings.flag(own).is_some() || settings.flag(shared).is_none()
}

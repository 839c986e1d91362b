//! A configuration made of variables, one part at a time.

mod entities;
mod http;
mod metrics;
mod opt_in;
mod otlp;
mod processors;
mod resource;
pub(in crate::config) mod sampler;

use super::Settings;
use crate::config::model::{Config, Instrumentations, LOG_LEVELS, ObserverThread, Run};
use crate::config::registry::{
    OTEL_LOG_LEVEL, OTEL_PROPAGATORS, OTEL_RS_BAGGAGE_ATTRIBUTES, OTEL_RS_DETACH_AFTER,
    OTEL_RS_DISABLED_INSTRUMENTATIONS, OTEL_RS_ENABLED_INSTRUMENTATIONS, OTEL_RS_ENVIRONMENT_PARENT,
    OTEL_RS_EXCLUDED_URLS, OTEL_RS_FOLLOW, OTEL_RS_LOG_IDS, OTEL_RS_LOG_SPAN_FIELDS, OTEL_RS_LOGS,
    OTEL_RS_MEMORY_LIMIT, OTEL_RS_OBSERVER_THREAD, OTEL_RS_PROCESS_SPAN, OTEL_RS_PROCESS_SPAN_ARGS,
    OTEL_RS_RUNTIME_POLL_TIMES, OTEL_RS_SPAN_EVENTS, OTEL_RS_SPANS, OTEL_SDK_DISABLED,
};
use crate::config::text;
use crate::config::warnings::BadFlag;

/// The configuration of these settings; what is not set is the default.
pub(in crate::config) fn read(settings: &mut Settings) -> Result<Config, BadFlag> {
    let config = Config {
        disabled: settings.or_default(&OTEL_SDK_DISABLED, text::boolean)?,
        log_level: settings.word(&OTEL_LOG_LEVEL, LOG_LEVELS)?,
        resource: resource::read(settings)?,
        propagators: settings.list(&OTEL_PROPAGATORS)?,
        sampler: sampler::read(settings)?,
        traces: processors::traces(settings)?,
        metrics: metrics::read(settings)?,
        logs: processors::logs(settings)?,
        http: http::read(settings)?,
        instrumentations: Instrumentations {
            enabled: settings.or_default(&OTEL_RS_ENABLED_INSTRUMENTATIONS, text::words)?,
            disabled: settings.or_default(&OTEL_RS_DISABLED_INSTRUMENTATIONS, text::words)?,
        },
        excluded_urls: settings.or_default(&OTEL_RS_EXCLUDED_URLS, text::url_patterns)?,
        detach_after: settings.or_default(&OTEL_RS_DETACH_AFTER, text::milliseconds)?,
        host_metrics: metrics::of_host(settings)?,
        run: Run {
            span: settings.or_default(&OTEL_RS_PROCESS_SPAN, text::boolean)?,
            arguments: settings.or_default(&OTEL_RS_PROCESS_SPAN_ARGS, text::boolean)?,
            follow: settings.or_default(&OTEL_RS_FOLLOW, text::boolean)?,
            environment_parent: settings.or_default(&OTEL_RS_ENVIRONMENT_PARENT, text::boolean)?,
        },
        memory_limit: settings.or_default(&OTEL_RS_MEMORY_LIMIT, text::size)?,
        baggage_attributes: settings.or_default(&OTEL_RS_BAGGAGE_ATTRIBUTES, text::words)?,
        spans: settings.or_default(&OTEL_RS_SPANS, text::directives)?,
        log_records: settings.or_default(&OTEL_RS_LOGS, text::directives)?,
        log_ids: settings.or_default(&OTEL_RS_LOG_IDS, text::boolean)?,
        span_events: settings.or_default(&OTEL_RS_SPAN_EVENTS, text::boolean)?,
        log_span_fields: settings.or_default(&OTEL_RS_LOG_SPAN_FIELDS, text::boolean)?,
        observer_thread: settings.word(&OTEL_RS_OBSERVER_THREAD, ObserverThread::NAMES)?,
        runtime_poll_times: settings.or_default(&OTEL_RS_RUNTIME_POLL_TIMES, text::boolean)?,
    };
    opt_in::warn(settings)?;
    Ok(config)
}

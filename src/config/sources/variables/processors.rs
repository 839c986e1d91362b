//! Spans and log records: exporters, batches, limits.

use super::otlp;
use crate::config::model::{Batch, Exporter, JsonTarget, LogLimits, Logs, Processor, Signal, SpanLimits, Traces};
use crate::config::registry::{
    BATCHES_OF_LOGS, BATCHES_OF_SPANS, BatchVariables, OTEL_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT,
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_LOGS_EXPORTER, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_SPAN_EVENT_COUNT_LIMIT, OTEL_SPAN_LINK_COUNT_LIMIT,
    OTEL_TRACES_EXPORTER, Variable,
};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

pub(super) fn traces(settings: &mut Settings) -> Result<Traces, BadFlag> {
    let batch = batch(settings, &BATCHES_OF_SPANS)?;
    let processors = processors(settings, Signal::Traces, &OTEL_TRACES_EXPORTER, batch)?;
    let own = (&OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, &OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT);
    let LogLimits { value_length, attributes } = attribute_limits(settings, own)?;
    let mut limits = SpanLimits { value_length, attributes, ..SpanLimits::default() };
    settings.read(&mut limits.events, &OTEL_SPAN_EVENT_COUNT_LIMIT, text::limit)?;
    settings.read(&mut limits.links, &OTEL_SPAN_LINK_COUNT_LIMIT, text::limit)?;
    settings.read(&mut limits.event_attributes, &OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, text::limit)?;
    settings.read(&mut limits.link_attributes, &OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, text::limit)?;
    Ok(Traces { processors, limits })
}

pub(super) fn logs(settings: &mut Settings) -> Result<Logs, BadFlag> {
    let batch = batch(settings, &BATCHES_OF_LOGS)?;
    let processors = processors(settings, Signal::Logs, &OTEL_LOGS_EXPORTER, batch)?;
    let own = (&OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT, &OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT);
    Ok(Logs { processors, limits: attribute_limits(settings, own)? })
}

/// The exporter of this name, which is a value of `variable`.
pub(super) fn exporter(
    settings: &mut Settings,
    signal: Signal,
    variable: &Variable,
    name: &str,
) -> Result<Exporter, BadFlag> {
    Ok(match name {
        "console" => Exporter::Console,
        "otlp/stdout" => Exporter::JsonLines(JsonTarget::Stdout),
        _ => Exporter::Otlp(otlp::read(settings, signal, variable)?),
    })
}

fn processors(
    settings: &mut Settings,
    signal: Signal,
    variable: &Variable,
    batch: Batch,
) -> Result<Vec<Processor>, BadFlag> {
    let names = settings.list(variable)?;
    let processor = |name| Ok(Processor { exporter: exporter(settings, signal, variable, name)?, batch });
    names.into_iter().map(processor).collect()
}

fn batch(settings: &mut Settings, variables: &BatchVariables) -> Result<Batch, BadFlag> {
    let mut batch = Batch::default_of(variables);
    settings.read(&mut batch.delay, &variables.delay, text::delay)?;
    settings.read(&mut batch.timeout, &variables.timeout, text::timeout)?;
    settings.read(&mut batch.queue, &variables.queue, text::count)?;
    settings.read(&mut batch.size, &variables.size, text::count)?;
    Ok(batch)
}

/// The limits of a signal's attributes. Its own count more than those for all attributes.
fn attribute_limits(settings: &mut Settings, own: (&Variable, &Variable)) -> Result<LogLimits, BadFlag> {
    let (length, count) = own;
    let value_length = match settings.get(length, text::limit)? {
        Some(limit) => Some(limit),
        None => settings.get(&OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, text::limit)?,
    };
    let mut limits = LogLimits { value_length, ..LogLimits::default() };
    match settings.get(count, text::limit)? {
        Some(limit) => limits.attributes = limit,
        None => settings.read(&mut limits.attributes, &OTEL_ATTRIBUTE_COUNT_LIMIT, text::limit)?,
    }
    Ok(limits)
}

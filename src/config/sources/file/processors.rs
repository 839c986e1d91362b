//! `tracer_provider` and `logger_provider`: processors and limits.

use std::time::Duration;

use super::exporters;
use super::limits::attribute_limits;
use super::walk::{Field, Map};
use crate::config::model::{Batch, LogLimits, Logs, Processor, Signal, SpanLimits, Traces};
use crate::config::registry::{BATCHES_OF_LOGS, BATCHES_OF_SPANS};
use crate::config::text;

pub(super) fn traces(provider: Option<&Map>, general: LogLimits) -> Traces {
    let limits = provider.and_then(|provider| provider.map("limits"));
    let limits = limits.as_ref();
    let all = attribute_limits(limits, general);
    let limit = |key| limits.and_then(|limits| limits.whole(key, text::limit));
    let defaults = SpanLimits::default();
    let limits = SpanLimits {
        value_length: all.value_length,
        attributes: all.attributes,
        events: limit("event_count_limit").unwrap_or(defaults.events),
        links: limit("link_count_limit").unwrap_or(defaults.links),
        event_attributes: limit("event_attribute_count_limit").unwrap_or(defaults.event_attributes),
        link_attributes: limit("link_attribute_count_limit").unwrap_or(defaults.link_attributes),
    };
    let Some(provider) = provider else { return Traces { processors: Vec::new(), limits } };
    if let Some(generator) = provider.get("id_generator")
        && let Some((name, settings)) = generator.choice()
        && name != "random"
    {
        settings.unsupported_choice("identifiers are random");
    }
    provider.unsupported("tracer_configurator/development", "all tracers are enabled");
    Traces { processors: processors(provider, Signal::Traces), limits }
}

pub(super) fn logs(provider: Option<&Map>, general: LogLimits) -> Logs {
    let limits = attribute_limits(provider.and_then(|provider| provider.map("limits")).as_ref(), general);
    let Some(provider) = provider else { return Logs { processors: Vec::new(), limits } };
    provider.unsupported("logger_configurator/development", "all loggers are enabled");
    Logs { processors: processors(provider, Signal::Logs), limits }
}

fn processors(provider: &Map, signal: Signal) -> Vec<Processor> {
    let Some(list) = provider.required("processors") else { return Vec::new() };
    list.at_least_one().iter().filter_map(|item| processor(item, signal)).collect()
}

fn processor(item: &Field, signal: Signal) -> Option<Processor> {
    let (name, settings) = item.choice()?;
    let batch = match name {
        "batch" => batch(&settings, signal),
        "simple" => Batch { delay: Duration::ZERO, size: 1, ..defaults(signal) },
        "event_to_span_event_bridge" => {
            settings.unsupported_choice("log records do not become events of spans");
            return None;
        }
        _ => {
            settings.unknown_choice(name, &["batch", "simple"]);
            return None;
        }
    };
    let exporter = settings.required("exporter").and_then(|exporter| exporters::read(&exporter, signal));
    exporter.map(|exporter| Processor { exporter, batch })
}

fn defaults(signal: Signal) -> Batch {
    Batch::default_of(if signal == Signal::Logs { &BATCHES_OF_LOGS } else { &BATCHES_OF_SPANS })
}

fn batch(settings: &Map, signal: Signal) -> Batch {
    let defaults = defaults(signal);
    Batch {
        delay: settings.whole("schedule_delay", text::delay).unwrap_or(defaults.delay),
        timeout: settings.whole("export_timeout", text::timeout).unwrap_or(defaults.timeout),
        queue: settings.whole("max_queue_size", text::count).unwrap_or(defaults.queue),
        size: settings.whole("max_export_batch_size", text::count).unwrap_or(defaults.size),
    }
}

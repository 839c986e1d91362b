//! `tracer_provider` and `logger_provider`: processors and limits.

use std::time::Duration;

use super::super::{Batch, LogLimits, Logs, Processor, Signal, SpanLimits, Traces, value};
use super::default_of;
use super::exporters;
use super::root::attribute_limits;
use super::walk::{Field, Map};

pub(super) fn traces(provider: Option<&Map>, general: LogLimits) -> Traces {
    let limits = provider.and_then(|provider| provider.map("limits"));
    let limits = limits.as_ref();
    let all = attribute_limits(limits, Some(general));
    let limit = |key, variable| {
        let set = limits.and_then(|limits| limits.whole(key, value::limit));
        set.unwrap_or_else(|| default_of(variable, value::limit))
    };
    let limits = SpanLimits {
        value_length: all.value_length,
        attributes: all.attributes,
        events: limit("event_count_limit", "OTEL_SPAN_EVENT_COUNT_LIMIT"),
        links: limit("link_count_limit", "OTEL_SPAN_LINK_COUNT_LIMIT"),
        event_attributes: limit("event_attribute_count_limit", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
        link_attributes: limit("link_attribute_count_limit", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
    };
    let Some(provider) = provider else { return Traces { processors: Vec::new(), limits } };
    if let Some(generator) = provider.get("id_generator")
        && let Some((name, settings)) = generator.choice()
        && name != "random"
    {
        settings.unsupported_choice("identifiers are random");
    }
    provider.unsupported("tracer_configurator/development", "all tracers speak");
    Traces { processors: processors(provider, Signal::Traces), limits }
}

pub(super) fn logs(provider: Option<&Map>, general: LogLimits) -> Logs {
    let limits = attribute_limits(provider.and_then(|provider| provider.map("limits")).as_ref(), Some(general));
    let Some(provider) = provider else { return Logs { processors: Vec::new(), limits } };
    provider.unsupported("logger_configurator/development", "all loggers speak");
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
    let kind = if signal == Signal::Logs { "BLRP" } else { "BSP" };
    let variable = |what: &str| format!("OTEL_{kind}_{what}");
    Batch {
        delay: default_of(&variable("SCHEDULE_DELAY"), value::delay),
        timeout: default_of(&variable("EXPORT_TIMEOUT"), value::timeout),
        queue: default_of(&variable("MAX_QUEUE_SIZE"), value::count),
        size: default_of(&variable("MAX_EXPORT_BATCH_SIZE"), value::count),
    }
}

fn batch(settings: &Map, signal: Signal) -> Batch {
    let defaults = defaults(signal);
    Batch {
        delay: settings.whole("schedule_delay", value::delay).unwrap_or(defaults.delay),
        timeout: settings.whole("export_timeout", value::timeout).unwrap_or(defaults.timeout),
        queue: settings.whole("max_queue_size", value::count).unwrap_or(defaults.queue),
        size: settings.whole("max_export_batch_size", value::count).unwrap_or(defaults.size),
    }
}

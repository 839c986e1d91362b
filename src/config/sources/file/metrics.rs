//! `meter_provider`: readers and views.

use super::exporters;
use super::walk::{Field, Map};
use crate::config::model::{
    Aggregation, CardinalityLimit, ExemplarFilter, InstrumentKind, Metrics, Periodic, Prometheus, Reader, Stream, View,
};
use crate::config::text;

const KINDS: &[(&str, InstrumentKind)] = &[
    ("counter", InstrumentKind::Counter),
    ("gauge", InstrumentKind::Gauge),
    ("histogram", InstrumentKind::Histogram),
    ("observable_counter", InstrumentKind::ObservableCounter),
    ("observable_gauge", InstrumentKind::ObservableGauge),
    ("observable_up_down_counter", InstrumentKind::ObservableUpDownCounter),
    ("up_down_counter", InstrumentKind::UpDownCounter),
];

pub(super) fn read(provider: Option<&Map>) -> Metrics {
    let exemplars = ExemplarFilter::default();
    let Some(provider) = provider else { return Metrics { readers: Vec::new(), views: Vec::new(), exemplars } };
    let readers = provider.required("readers").map(|list| list.at_least_one()).unwrap_or_default();
    provider.unsupported("meter_configurator/development", "all meters are enabled");
    let every_view = "every view that fits an instrument makes a stream of its own";
    provider.supported_at("view_matching_mode/development", &["independent"], every_view);
    Metrics {
        readers: readers.iter().filter_map(reader).collect(),
        views: provider.items("views").iter().filter_map(view).collect(),
        exemplars: provider.word("exemplar_filter", ExemplarFilter::NAMES).unwrap_or(exemplars),
    }
}

fn reader(item: &Field) -> Option<Reader> {
    let (name, settings) = item.choice()?;
    settings.unsupported("producers", "there are no other producers of metrics");
    let cardinality_limit = cardinality_limit(&settings);
    match name {
        "periodic" => {
            settings.unsupported("max_export_batch_size/development", "metrics are exported at once");
            let interval = settings.whole("interval", text::milliseconds);
            let timeout = settings.whole("timeout", text::timeout);
            let (exporter, temporality, histograms) = exporters::read_push(&settings.required("exporter")?)?;
            let periodic = Periodic::to(exporter);
            Some(Reader::Periodic(Periodic {
                interval: interval.unwrap_or(periodic.interval),
                timeout: timeout.unwrap_or(periodic.timeout),
                temporality,
                histograms,
                cardinality_limit,
                ..periodic
            }))
        }
        "pull" => {
            let (name, settings) = settings.required("exporter")?.choice()?;
            if name != "prometheus" {
                settings.unknown_choice(name, &["prometheus/development"]);
                return None;
            }
            Some(Reader::Prometheus(prometheus(&settings, cardinality_limit)))
        }
        _ => {
            settings.unknown_choice(name, &["periodic", "pull"]);
            None
        }
    }
}

fn cardinality_limit(settings: &Map) -> CardinalityLimit {
    let Some(limits) = settings.map("cardinality_limits") else { return CardinalityLimit::default() };
    let mut all = limits.whole("default", text::count).map(CardinalityLimit::all).unwrap_or_default();
    for (key, kind) in KINDS {
        if let Some(limit) = limits.whole(key, text::count) {
            all.set(*kind, limit);
        }
    }
    all
}

fn prometheus(settings: &Map, cardinality_limit: CardinalityLimit) -> Prometheus {
    // Release candidates turned off what later versions turn on.
    let info = |enabled, without, default| {
        let earlier = settings.boolean(without).map(|off| !off);
        settings.boolean(enabled).or(earlier).unwrap_or(default)
    };
    let (later, earlier) = ("resource_constant_labels", "with_resource_constant_labels");
    let resource_labels = settings.selection(later).or_else(|| settings.selection(earlier));
    let names = "names are escaped by underscores and have suffixes";
    let strategies = &["underscore_escaping_with_suffixes", "UnderscoreEscapingWithSuffixes"];
    settings.supported_at("translation_strategy", strategies, names);
    // What there was before strategies.
    for without in ["without_units", "without_type_suffix"] {
        settings.supported_at(without, &["false"], names);
    }
    let page = Prometheus::default();
    Prometheus {
        host: settings.text("host").map_or(page.host, str::to_owned),
        port: settings.whole("port", text::port).unwrap_or(page.port),
        cardinality_limit,
        scope_info: info("scope_info_enabled", "without_scope_info", page.scope_info),
        target_info: info("target_info_enabled/development", "without_target_info/development", page.target_info),
        resource_labels,
        origin: page.origin,
    }
}

fn view(item: &Field) -> Option<View> {
    let item = item.map()?;
    let selector = item.required("selector").and_then(|field| field.map());
    let stream = item.required("stream").and_then(|field| field.map());
    let (selector, stream) = (selector?, stream?);
    let text = |key| selector.text(key).map(str::to_owned);
    Some(View {
        instrument_name: text("instrument_name"),
        instrument_kind: selector.word("instrument_type", KINDS),
        unit: text("unit"),
        meter_name: text("meter_name"),
        meter_version: text("meter_version"),
        meter_schema_url: text("meter_schema_url"),
        stream: read_stream(&stream),
    })
}

fn read_stream(stream: &Map) -> Stream {
    Stream {
        name: stream.text("name").map(str::to_owned),
        description: stream.text("description").map(str::to_owned),
        aggregation: stream.get("aggregation").and_then(|field| aggregation(&field)),
        cardinality_limit: stream.whole("aggregation_cardinality_limit", text::count),
        attributes: stream.selection("attribute_keys"),
    }
}

fn aggregation(field: &Field) -> Option<Aggregation> {
    let (name, settings) = field.choice()?;
    let record_min_max = || settings.boolean("record_min_max").unwrap_or(true);
    Some(match name {
        "default" => Aggregation::Default,
        "drop" => Aggregation::Drop,
        "sum" => Aggregation::Sum,
        "last_value" => Aggregation::LastValue,
        "explicit_bucket_histogram" => {
            Aggregation::ExplicitBuckets { boundaries: boundaries(&settings), record_min_max: record_min_max() }
        }
        "base2_exponential_bucket_histogram" => Aggregation::Exponential {
            max_scale: settings.whole("max_scale", |text| within(text, -10, 20)).unwrap_or(20),
            max_size: settings.whole("max_size", |text| within(text, 2, u32::MAX)).unwrap_or(160),
            record_min_max: record_min_max(),
        },
        _ => {
            settings.unknown_choice(
                name,
                &[
                    "default",
                    "drop",
                    "sum",
                    "last_value",
                    "explicit_bucket_histogram",
                    "base2_exponential_bucket_histogram",
                ],
            );
            return None;
        }
    })
}

fn boundaries(settings: &Map) -> Option<Vec<f64>> {
    let field = settings.get("boundaries")?;
    let numbers: Vec<f64> = field.items().iter().map(Field::number).collect::<Option<_>>()?;
    if !numbers.iter().all(|number| number.is_finite()) || !numbers.is_sorted_by(|a, b| a < b) {
        field.problem("expected numbers of which each is greater than the one before".into());
        return None;
    }
    Some(numbers)
}

fn within<T: std::str::FromStr + PartialOrd + std::fmt::Display>(text: &str, least: T, most: T) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("a whole number between {least} and {most}")),
    }
}

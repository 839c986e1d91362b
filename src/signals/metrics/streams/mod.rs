//! Streams: what views and readers make of an instrument.
//!
//! The SDK keeps with a provider what a reader may choose, so every reader has a provider of its own. Which instruments a
//! view fits, and which attributes it keeps, is decided here: the SDK has no patterns. Each provider has one view, which
//! sets the name and the aggregation of a stream; an instrument carries the number of its view in front of its name.

use std::sync::Arc;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind as SdkKind, Stream};

use crate::config::{self, CardinalityLimit, HistogramAggregation, InstrumentKind, View, glob_matches};
use crate::conventions::catalog;
use crate::signals::metrics::data::ExponentialShape;

/// The defaults of exponential histograms.
const EXPONENTIAL: Aggregation =
    Aggregation::Base2ExponentialHistogram { max_size: MAX_SIZE, max_scale: MAX_SCALE, record_min_max: true };
const MAX_SIZE: u32 = 160;
const MAX_SCALE: i8 = 20;

/// The views of a configuration.
pub(crate) type Views = Arc<[View]>;

/// The properties of an instrument by which views select it.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstrumentProperties<'a> {
    pub(super) scope: &'a InstrumentationScope,
    pub(super) name: &'a str,
    pub(super) kind: InstrumentKind,
    pub(super) unit: &'a str,
}

/// One of the streams of an instrument.
#[derive(Debug, Clone)]
pub(super) struct MetricStream {
    /// The name under which the SDK's instrument is made; [`ViewConfig`] reads it.
    pub(super) instrument_name: String,
    /// The name under which the stream is exported.
    pub(super) name: String,
    keep: Keep,
}

/// Attributes that a stream keeps.
#[derive(Debug, Clone)]
enum Keep {
    All,
    /// Those that this view keeps.
    Some(Views, usize),
}

impl MetricStream {
    /// The attributes that are left of `all`.
    pub(super) fn kept(&self, all: &[KeyValue], then: impl FnOnce(&[KeyValue])) {
        let Keep::Some(views, index) = &self.keep else { return then(all) };
        let keeps = |key: &str| views[*index].stream.attributes.as_ref().is_none_or(|kept| kept.keeps(key));
        let left: Vec<KeyValue> = all.iter().filter(|kv| keeps(kv.key.as_str())).cloned().collect();
        then(&left);
    }
}

/// The streams of an instrument: one for each view that fits, itself where none does.
pub(super) fn streams_of(views: &Views, properties: &InstrumentProperties<'_>) -> Vec<MetricStream> {
    let mut streams = Vec::new();
    let mut names: Vec<(&str, Option<&str>)> = Vec::new();
    let mut is_selected = false;
    for (index, view) in views.iter().enumerate().filter(|(_, view)| selects(view, properties)) {
        is_selected = true;
        if view.stream.aggregation == Some(config::Aggregation::Drop) {
            continue;
        }
        // Two streams of one name and description would add up in one: the first one stays.
        let name = (view.stream.name.as_deref().unwrap_or(properties.name), view.stream.description.as_deref());
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        let keep = match view.stream.attributes {
            None => Keep::All,
            Some(_) => Keep::Some(Arc::clone(views), index),
        };
        streams.push(MetricStream {
            instrument_name: format!("v{index}/{}", properties.name),
            name: name.0.to_owned(),
            keep,
        });
    }
    if !is_selected {
        let name = properties.name.to_owned();
        streams.push(MetricStream { instrument_name: format!("v/{name}"), name, keep: Keep::All });
    }
    streams
}

fn selects(view: &View, properties: &InstrumentProperties<'_>) -> bool {
    // Names of instruments are not case-sensitive.
    let name = view.instrument_name.as_ref();
    let same = |pattern: &Option<String>, found: Option<&str>| pattern.is_none() || pattern.as_deref() == found;
    name.is_none_or(|pattern| glob_matches(&pattern.to_ascii_lowercase(), &properties.name.to_ascii_lowercase()))
        && view.instrument_kind.is_none_or(|kind| kind == properties.kind)
        && same(&view.unit, Some(properties.unit))
        && same(&view.meter_name, Some(properties.scope.name()))
        && same(&view.meter_version, properties.scope.version())
        && same(&view.meter_schema_url, properties.scope.schema_url())
}

/// What a reader's streams look like: the views, and the reader's own defaults.
#[derive(Debug, Clone)]
pub(super) struct ViewConfig {
    pub(super) views: Views,
    pub(super) histograms: HistogramAggregation,
    pub(super) cardinality_limit: CardinalityLimit,
}

/// A stream of a histogram that the SDK does not keep.
#[derive(Debug, Clone)]
pub(super) struct HistogramStream {
    pub(super) stream: MetricStream,
    pub(super) name: String,
    /// `None` for the instrument's own.
    pub(super) description: Option<String>,
    /// Most series.
    pub(super) limit: usize,
    pub(super) buckets: Buckets,
    pub(super) record_min_max: bool,
}

/// Which buckets a stream of a histogram has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Buckets {
    /// The instrument's own.
    Advised,
    Explicit(Vec<f64>),
    Exponential(ExponentialShape),
}

impl ViewConfig {
    /// The streams of a histogram that the SDK does not keep.
    pub(super) fn histogram_streams(&self, properties: &InstrumentProperties<'_>) -> Vec<HistogramStream> {
        let own = config::Stream::default();
        let streams = streams_of(&self.views, properties).into_iter().map(|stream| {
            let number =
                stream.instrument_name.split_once('/').and_then(|(number, _)| number.get(1..)?.parse::<usize>().ok());
            let configured = number.and_then(|index| self.views.get(index)).map_or(&own, |view| &view.stream);
            let (buckets, record_min_max) = match &configured.aggregation {
                Some(config::Aggregation::ExplicitBuckets { boundaries, record_min_max }) => {
                    (boundaries.clone().map_or(Buckets::Advised, Buckets::Explicit), *record_min_max)
                }
                Some(config::Aggregation::Exponential { max_scale, max_size, record_min_max }) => {
                    let (max_scale, max_size) = (*max_scale, *max_size);
                    (Buckets::Exponential(ExponentialShape { max_scale, max_size }), *record_min_max)
                }
                _ if self.histograms == HistogramAggregation::Exponential => {
                    (Buckets::Exponential(ExponentialShape { max_scale: MAX_SCALE, max_size: MAX_SIZE }), true)
                }
                _ => (Buckets::Advised, true),
            };
            let limit = configured.cardinality_limit.unwrap_or_else(|| self.cardinality_limit.of(properties.kind));
            let name = configured.name.clone().unwrap_or_else(|| properties.name.to_owned());
            let description = configured.description.clone();
            HistogramStream { stream, name, description, limit: limit.max(1), buckets, record_min_max }
        });
        streams.collect()
    }

    /// The SDK's stream for an instrument that was made for one of the [`streams_of`] an instrument.
    pub(super) fn sdk_stream(&self, instrument: &Instrument) -> Option<Stream> {
        let (number, name) = instrument.name().split_once('/')?;
        let own = config::Stream::default();
        let view = number[1..].parse().ok().and_then(|index: usize| self.views.get(index));
        let configured = view.map_or(&own, |view| &view.stream);
        let stream_name = configured.name.clone().unwrap_or_else(|| name.to_owned());
        let aggregation = configured.aggregation.as_ref().unwrap_or(&config::Aggregation::Default);
        let aggregation = self.aggregation(aggregation, name, instrument.kind());
        let limit = configured.cardinality_limit.unwrap_or_else(|| self.cardinality_limit.of(kind(instrument.kind())));
        let mut stream = Stream::builder().with_name(stream_name.clone()).with_cardinality_limit(limit.max(1));
        if let Some(description) = &configured.description {
            stream = stream.with_description(description.clone());
        }
        if let Some(aggregation) = aggregation {
            stream = stream.with_aggregation(aggregation);
        }
        // A warning has named what the SDK cannot make.
        stream.build().ok().or_else(|| Stream::builder().with_name(stream_name).build().ok())
    }

    /// `None` for what the instrument itself advises.
    fn aggregation(&self, configured: &config::Aggregation, name: &str, kind: SdkKind) -> Option<Aggregation> {
        let is_gauge = matches!(kind, SdkKind::Gauge | SdkKind::ObservableGauge);
        match configured {
            config::Aggregation::Default => {
                let fine = kind == SdkKind::Histogram && self.histograms == HistogramAggregation::Exponential;
                fine.then_some(EXPONENTIAL)
            }
            config::Aggregation::Drop => Some(Aggregation::Drop),
            // Only a gauge has a last value, and only a gauge has no sum.
            config::Aggregation::LastValue => is_gauge.then_some(Aggregation::LastValue),
            config::Aggregation::Sum => (!is_gauge).then_some(Aggregation::Sum),
            config::Aggregation::ExplicitBuckets { boundaries, record_min_max } => {
                let boundaries = boundaries.clone().or_else(|| Some(advised(name)?.to_vec()));
                let boundaries = boundaries.unwrap_or_else(|| DEFAULT_BOUNDARIES.to_vec());
                Some(Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: *record_min_max })
            }
            config::Aggregation::Exponential { max_scale, max_size, record_min_max } => {
                Some(Aggregation::Base2ExponentialHistogram {
                    max_size: *max_size,
                    max_scale: *max_scale,
                    record_min_max: *record_min_max,
                })
            }
        }
    }
}

fn kind(kind: SdkKind) -> InstrumentKind {
    match kind {
        SdkKind::Counter => InstrumentKind::Counter,
        SdkKind::UpDownCounter => InstrumentKind::UpDownCounter,
        SdkKind::Histogram => InstrumentKind::Histogram,
        SdkKind::ObservableCounter => InstrumentKind::ObservableCounter,
        SdkKind::ObservableUpDownCounter => InstrumentKind::ObservableUpDownCounter,
        SdkKind::Gauge => InstrumentKind::Gauge,
        SdkKind::ObservableGauge => InstrumentKind::ObservableGauge,
    }
}

/// The specification's own, for instruments that advise none.
const DEFAULT_BOUNDARIES: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// The boundaries that a histogram of ours advises.
fn advised(name: &str) -> Option<&'static [f64]> {
    Some(catalog::named(name)?.boundaries()).filter(|boundaries| !boundaries.is_empty())
}

/// What the SDK cannot make of a view, for a warning.
pub(crate) fn unusable_part(view: &View) -> Option<String> {
    let defaults = ViewConfig {
        views: Arc::new([]),
        histograms: HistogramAggregation::ExplicitBuckets,
        cardinality_limit: CardinalityLimit::all(1),
    };
    let aggregation = view.stream.aggregation.as_ref();
    let gauges = [Some(InstrumentKind::Gauge), Some(InstrumentKind::ObservableGauge)];
    match (aggregation, gauges.contains(&view.instrument_kind)) {
        (Some(config::Aggregation::LastValue), false) => return Some("only gauges have a last value".into()),
        (Some(config::Aggregation::Sum), true) => return Some("gauges have no sum".into()),
        _ => {}
    }
    let mut stream = Stream::builder().with_cardinality_limit(view.stream.cardinality_limit.unwrap_or(1));
    if let Some(aggregation) =
        aggregation.and_then(|configured| defaults.aggregation(configured, "", SdkKind::Histogram))
    {
        stream = stream.with_aggregation(aggregation);
    }
    stream.build().err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests;

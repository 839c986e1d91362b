//! Streams: what views and readers make of an instrument.
//!
//! The SDK keeps with a provider what a reader may choose, so every reader has a provider of its own. Which instruments a
//! view fits, and which attributes it keeps, is decided here: the SDK knows no patterns. What a stream is called and how
//! it adds up is told to the SDK by the one view that each provider has; an instrument brings the number of its view in
//! front of its name.

use std::sync::Arc;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind as SdkKind, Stream};

use crate::config::{self, CardinalityLimit, HistogramAggregation, InstrumentKind, View, glob_matches};
use crate::conventions::catalog;

/// What exponential histograms have when nobody says otherwise.
const EXPONENTIAL: Aggregation =
    Aggregation::Base2ExponentialHistogram { max_size: MAX_SIZE, max_scale: MAX_SCALE, record_min_max: true };
const MAX_SIZE: u32 = 160;
const MAX_SCALE: i8 = 20;

/// The views of a configuration.
pub(super) type Views = Arc<[View]>;

/// An instrument, as views select it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selected<'a> {
    pub(super) scope: &'a InstrumentationScope,
    pub(super) name: &'a str,
    pub(super) kind: InstrumentKind,
    pub(super) unit: &'a str,
}

/// One of the streams of an instrument.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The name under which the instrument is made; [`Shaping`] reads it.
    pub(super) name: String,
    /// The name under which it is told.
    pub(super) stream: String,
    keep: Keep,
}

/// Attributes that a stream keeps.
#[derive(Debug, Clone)]
enum Keep {
    All,
    /// Those that this view keeps.
    Some(Views, usize),
}

impl Way {
    /// The attributes that are left of `all`.
    pub(super) fn kept(&self, all: &[KeyValue], then: impl FnOnce(&[KeyValue])) {
        let Keep::Some(views, index) = &self.keep else { return then(all) };
        let keeps = |key: &str| views[*index].stream.attributes.as_ref().is_none_or(|kept| kept.keeps(key));
        let left: Vec<KeyValue> = all.iter().filter(|kv| keeps(kv.key.as_str())).cloned().collect();
        then(&left);
    }
}

/// The streams of an instrument: one for each view that fits, itself where none does.
pub(super) fn ways(views: &Views, selected: &Selected<'_>) -> Vec<Way> {
    let mut ways = Vec::new();
    let mut names: Vec<(&str, Option<&str>)> = Vec::new();
    let mut is_selected = false;
    for (index, view) in views.iter().enumerate().filter(|(_, view)| selects(view, selected)) {
        is_selected = true;
        if view.stream.aggregation == Some(config::Aggregation::Drop) {
            continue;
        }
        // Two streams that nothing tells apart would add up in one: the first one stays.
        let name = (view.stream.name.as_deref().unwrap_or(selected.name), view.stream.description.as_deref());
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        let keep = match view.stream.attributes {
            None => Keep::All,
            Some(_) => Keep::Some(Arc::clone(views), index),
        };
        ways.push(Way { name: format!("v{index}/{}", selected.name), stream: name.0.to_owned(), keep });
    }
    if !is_selected {
        let stream = selected.name.to_owned();
        ways.push(Way { name: format!("v/{stream}"), stream, keep: Keep::All });
    }
    ways
}

fn selects(view: &View, selected: &Selected<'_>) -> bool {
    // Names of instruments are the same in capital letters.
    let name = view.instrument_name.as_ref();
    let same = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
    name.is_none_or(|pattern| glob_matches(&pattern.to_ascii_lowercase(), &selected.name.to_ascii_lowercase()))
        && view.instrument_kind.is_none_or(|kind| kind == selected.kind)
        && same(&view.unit, Some(selected.unit))
        && same(&view.meter_name, Some(selected.scope.name()))
        && same(&view.meter_version, selected.scope.version())
        && same(&view.meter_schema_url, selected.scope.schema_url())
}

/// How a reader's streams look.
#[derive(Debug, Clone)]
pub(super) struct Shaping {
    pub(super) views: Views,
    pub(super) histograms: HistogramAggregation,
    pub(super) cardinality_limit: CardinalityLimit,
}

/// A stream of a histogram that the SDK does not keep.
#[derive(Debug, Clone)]
pub(super) struct Shaped {
    pub(super) way: Way,
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
    Exponential(Exponential),
}

/// How fine exponential buckets may be, and how many. See "Base2 Exponential Bucket Histogram Aggregation" of the
/// specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exponential {
    pub(crate) max_scale: i8,
    pub(crate) max_size: u32,
}

impl Shaping {
    /// The streams of a histogram that the SDK does not keep.
    pub(super) fn streams(&self, selected: &Selected<'_>) -> Vec<Shaped> {
        let own = config::Stream::default();
        let ways = ways(&self.views, selected).into_iter().map(|way| {
            let number = way.name.split_once('/').and_then(|(number, _)| number.get(1..)?.parse::<usize>().ok());
            let wanted = number.and_then(|index| self.views.get(index)).map_or(&own, |view| &view.stream);
            let (buckets, record_min_max) = match &wanted.aggregation {
                Some(config::Aggregation::ExplicitBuckets { boundaries, record_min_max }) => {
                    (boundaries.clone().map_or(Buckets::Advised, Buckets::Explicit), *record_min_max)
                }
                Some(config::Aggregation::Exponential { max_scale, max_size, record_min_max }) => {
                    let (max_scale, max_size) = (*max_scale, *max_size);
                    (Buckets::Exponential(Exponential { max_scale, max_size }), *record_min_max)
                }
                _ if self.histograms == HistogramAggregation::Exponential => {
                    (Buckets::Exponential(Exponential { max_scale: MAX_SCALE, max_size: MAX_SIZE }), true)
                }
                _ => (Buckets::Advised, true),
            };
            let limit = wanted.cardinality_limit.unwrap_or_else(|| self.cardinality_limit.of(selected.kind));
            let name = wanted.name.clone().unwrap_or_else(|| selected.name.to_owned());
            let description = wanted.description.clone();
            Shaped { way, name, description, limit: limit.max(1), buckets, record_min_max }
        });
        ways.collect()
    }

    /// The SDK's view of an instrument made by one of the [`ways`].
    pub(super) fn shape(&self, instrument: &Instrument) -> Option<Stream> {
        let (number, name) = instrument.name().split_once('/')?;
        let own = config::Stream::default();
        let view = number[1..].parse().ok().and_then(|index: usize| self.views.get(index));
        let wanted = view.map_or(&own, |view| &view.stream);
        let stream_name = wanted.name.clone().unwrap_or_else(|| name.to_owned());
        let aggregation = wanted.aggregation.as_ref().unwrap_or(&config::Aggregation::Default);
        let aggregation = self.aggregation(aggregation, name, instrument.kind());
        let limit = wanted.cardinality_limit.unwrap_or_else(|| self.cardinality_limit.of(kind(instrument.kind())));
        let mut stream = Stream::builder().with_name(stream_name.clone()).with_cardinality_limit(limit.max(1));
        if let Some(description) = &wanted.description {
            stream = stream.with_description(description.clone());
        }
        if let Some(aggregation) = aggregation {
            stream = stream.with_aggregation(aggregation);
        }
        // What the SDK cannot make has been warned of.
        stream.build().ok().or_else(|| Stream::builder().with_name(stream_name).build().ok())
    }

    /// `None` for what the instrument itself advises.
    fn aggregation(&self, wanted: &config::Aggregation, name: &str, kind: SdkKind) -> Option<Aggregation> {
        let is_gauge = matches!(kind, SdkKind::Gauge | SdkKind::ObservableGauge);
        match wanted {
            config::Aggregation::Default => {
                let fine = kind == SdkKind::Histogram && self.histograms == HistogramAggregation::Exponential;
                fine.then_some(EXPONENTIAL)
            }
            config::Aggregation::Drop => Some(Aggregation::Drop),
            // Neither can be made of the other.
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

/// What cannot be made of a view, for a warning.
pub(super) fn trouble(view: &View) -> Option<String> {
    let shaping = Shaping {
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
    if let Some(aggregation) = aggregation.and_then(|wanted| shaping.aggregation(wanted, "", SdkKind::Histogram)) {
        stream = stream.with_aggregation(aggregation);
    }
    stream.build().err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests;

//! Histograms that processes add up themselves. The SDK accepts single values only, so its part is done here: views,
//! temporality, limits. A bucket's values cannot be divided again, only coarser buckets can be made. So a process counts
//! between all bounds that any reader needs, and each reader gets the buckets that it exports.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::Temporality;

use super::data::{Distribution, ExponentialShape, HistogramMetric};
use super::streams::{Buckets, HistogramStream, InstrumentProperties, ViewConfig};
use crate::config::InstrumentKind;
use crate::ui;

/// An instrument's series since the start.
#[derive(Debug, Clone)]
pub(super) struct ProgramHistogram {
    pub(super) scope: InstrumentationScope,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) description: String,
    pub(super) since: SystemTime,
    /// The bounds between which its values were counted.
    pub(super) bounds: Vec<f64>,
    /// The bounds that the instrument advises; `None` for all of them: then there are no finer ones.
    pub(super) advised: Option<Vec<f64>>,
    pub(super) series: Vec<(Vec<KeyValue>, Distribution)>,
}

/// One reader's view of the histograms: its streams, and the values that it has read before.
#[derive(Debug)]
pub(super) struct HistogramReader {
    views: ViewConfig,
    is_delta: bool,
    before: HashMap<(InstrumentationScope, String, String), PreviousRead>,
    /// Streams that keep other buckets than configured, by instrument and stream.
    warned: HashSet<(String, String)>,
}

#[derive(Debug)]
struct PreviousRead {
    at: SystemTime,
    series: BTreeMap<String, Distribution>,
}

impl HistogramReader {
    pub(super) fn new(views: ViewConfig, temporality: Temporality) -> HistogramReader {
        let is_delta = matches!(temporality, Temporality::Delta | Temporality::LowMemory);
        HistogramReader { views, is_delta, before: HashMap::new(), warned: HashSet::new() }
    }

    /// Reads the streams of all histograms.
    pub(super) fn read(&mut self, all: &[ProgramHistogram]) -> Vec<HistogramMetric> {
        let time = SystemTime::now();
        let mut metrics = Vec::new();
        for histogram in all {
            let (scope, name, unit) = (&histogram.scope, &*histogram.name, &*histogram.unit);
            let properties = InstrumentProperties { scope, name, kind: InstrumentKind::Histogram, unit };
            let streams = self.views.histogram_streams(&properties);
            metrics.extend(streams.iter().filter_map(|stream| self.read_stream(histogram, stream, time)));
        }
        metrics
    }

    /// The bounds to export, `None` for all that there are; and the shape of exponential buckets to make of them.
    fn buckets_of(
        &mut self,
        all: &ProgramHistogram,
        stream: &HistogramStream,
    ) -> (Option<Vec<f64>>, Option<ExponentialShape>) {
        let is_there = |bounds: &Vec<f64>| bounds.iter().all(|bound| all.bounds.contains(bound));
        let is_negative = || all.series.iter().any(|(_, values)| values.min.is_some_and(|min| min < 0.0));
        let reason = match &stream.buckets {
            Buckets::Advised => return (all.advised.clone(), None),
            Buckets::Explicit(bounds) if is_there(bounds) => return (Some(bounds.clone()), None),
            Buckets::Exponential(shape) if all.advised.is_some() && !is_negative() => return (None, Some(*shape)),
            Buckets::Exponential(_) if all.advised.is_some() => {
                "it holds negative values, of which only the sum is known"
            }
            _ => "the program counts its values itself, in buckets that cannot be divided",
        };
        if self.warned.insert((all.name.clone(), stream.stream.instrument_name.clone())) {
            let what = format!("the histogram `{}` of `{}` keeps its own buckets", all.name, all.scope.name());
            ui::warning(what, &[reason.to_owned()], None);
        }
        (all.advised.clone(), None)
    }

    fn read_stream(
        &mut self,
        all: &ProgramHistogram,
        stream: &HistogramStream,
        time: SystemTime,
    ) -> Option<HistogramMetric> {
        let (bounds, exponential) = self.buckets_of(all, stream);
        let mut series: BTreeMap<String, (Vec<KeyValue>, Distribution)> = BTreeMap::new();
        for (attributes, values) in &all.series {
            let mut kept = Vec::new();
            stream.stream.kept(attributes, |left| kept = left.to_vec());
            let mut key = format!("{kept:?}");
            // The last series counts everything beyond the limit.
            if series.len() + 1 >= stream.limit && !series.contains_key(&key) {
                kept = vec![KeyValue::new("otel.metric.overflow", true)];
                key = format!("{kept:?}");
            }
            let values = bounds.as_ref().map_or_else(|| values.clone(), |bounds| values.coarser(&all.bounds, bounds));
            series.entry(key).or_insert_with(|| (kept, Distribution::default())).1.add(&values);
        }
        let mut start = all.since;
        if self.is_delta {
            let id =
                (all.scope.clone(), format!("{}\0{}", stream.stream.instrument_name, all.unit), stream.name.clone());
            let now = series.iter().map(|(key, (_, values))| (key.clone(), values.clone())).collect();
            let before = self.before.insert(id, PreviousRead { at: time, series: now });
            if let Some(before) = before {
                start = before.at;
                for (key, (_, values)) in &mut series {
                    *values = before.series.get(key).map_or_else(|| values.clone(), |before| values.since(before));
                }
            }
            series.retain(|_, (_, values)| values.count() > 0);
        }
        let points: Vec<_> =
            series.into_values().map(|(kept, values)| (kept, stream.without_extremes(values))).collect();
        let metric = HistogramMetric {
            scope: all.scope.clone(),
            name: stream.name.clone(),
            unit: all.unit.clone(),
            description: stream.description.clone().unwrap_or_else(|| all.description.clone()),
            is_delta: self.is_delta,
            start,
            time,
            bounds: bounds.unwrap_or_else(|| all.bounds.clone()),
            exponential,
            points,
        };
        (!metric.points.is_empty()).then_some(metric)
    }
}

impl HistogramStream {
    fn without_extremes(&self, values: Distribution) -> Distribution {
        if self.record_min_max { values } else { Distribution { min: None, max: None, ..values } }
    }
}

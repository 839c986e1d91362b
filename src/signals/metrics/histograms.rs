//! Histograms that processes add up themselves. The SDK takes single values only, so that its part is played here: views,
//! temporality, limits. What a bucket holds is all that is known of it; no other buckets can be made but coarser ones. So
//! a process counts between all bounds that any reader needs, and each reader gets those that it wants.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::Temporality;

use super::data::{Distribution, Exponential, HistogramMetric};
use super::streams::{Buckets, Selected, Shaped, Shaping};
use crate::config::InstrumentKind;
use crate::ui;

/// An instrument's series since the start.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    pub(super) scope: InstrumentationScope,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) description: String,
    pub(super) since: SystemTime,
    /// Those between which its values were counted.
    pub(super) bounds: Vec<f64>,
    /// Those of them that it advises; `None` for all: then no finer ones can be had.
    pub(super) advised: Option<Vec<f64>>,
    pub(super) series: Vec<(Vec<KeyValue>, Distribution)>,
}

/// What a reader wants of histograms, and what it has been told.
#[derive(Debug)]
pub(super) struct Telling {
    shaping: Shaping,
    is_delta: bool,
    told: HashMap<(InstrumentationScope, String, String), Streamed>,
    /// Streams that could not be shaped as they should be, by instrument and way.
    warned: HashSet<(String, String)>,
}

#[derive(Debug)]
struct Streamed {
    at: SystemTime,
    series: BTreeMap<String, Distribution>,
}

impl Telling {
    pub(super) fn new(shaping: Shaping, temporality: Temporality) -> Telling {
        let is_delta = matches!(temporality, Temporality::Delta | Temporality::LowMemory);
        Telling { shaping, is_delta, told: HashMap::new(), warned: HashSet::new() }
    }

    /// What is to be told of these.
    pub(super) fn tell(&mut self, all: &[Histogram]) -> Vec<HistogramMetric> {
        let time = SystemTime::now();
        let mut metrics = Vec::new();
        for histogram in all {
            let (scope, name, unit) = (&histogram.scope, &*histogram.name, &*histogram.unit);
            let selected = Selected { scope, name, kind: InstrumentKind::Histogram, unit };
            let streams = self.shaping.streams(&selected);
            metrics.extend(streams.iter().filter_map(|stream| self.tell_stream(histogram, stream, time)));
        }
        metrics
    }

    /// The bounds to tell between, `None` for all that there are; and whether exponential buckets are made of them.
    fn buckets_of(&mut self, all: &Histogram, stream: &Shaped) -> (Option<Vec<f64>>, Option<Exponential>) {
        let is_there = |wanted: &Vec<f64>| wanted.iter().all(|bound| all.bounds.contains(bound));
        let is_negative = || all.series.iter().any(|(_, values)| values.min.is_some_and(|min| min < 0.0));
        let trouble = match &stream.buckets {
            Buckets::Advised => return (all.advised.clone(), None),
            Buckets::Explicit(wanted) if is_there(wanted) => return (Some(wanted.clone()), None),
            Buckets::Exponential(shape) if all.advised.is_some() && !is_negative() => return (None, Some(*shape)),
            Buckets::Exponential(_) if all.advised.is_some() => {
                "it holds negative values, of which only the sum is known"
            }
            _ => "its values are counted elsewhere, in buckets that cannot be divided",
        };
        if self.warned.insert((all.name.clone(), stream.way.name.clone())) {
            let what = format!("the histogram `{}` of `{}` keeps its own buckets", all.name, all.scope.name());
            ui::warning(what, &[trouble.to_owned()], None);
        }
        (all.advised.clone(), None)
    }

    fn tell_stream(&mut self, all: &Histogram, stream: &Shaped, time: SystemTime) -> Option<HistogramMetric> {
        let (wanted, exponential) = self.buckets_of(all, stream);
        let mut series: BTreeMap<String, (Vec<KeyValue>, Distribution)> = BTreeMap::new();
        for (attributes, values) in &all.series {
            let mut kept = Vec::new();
            stream.way.kept(attributes, |left| kept = left.to_vec());
            let mut key = format!("{kept:?}");
            // One is for what is beyond the limit.
            if series.len() + 1 >= stream.limit && !series.contains_key(&key) {
                kept = vec![KeyValue::new("otel.metric.overflow", true)];
                key = format!("{kept:?}");
            }
            let values = wanted.as_ref().map_or_else(|| values.clone(), |wanted| values.coarser(&all.bounds, wanted));
            series.entry(key).or_insert_with(|| (kept, Distribution::default())).1.add(&values);
        }
        let mut start = all.since;
        if self.is_delta {
            let id = (all.scope.clone(), format!("{}\0{}", stream.way.name, all.unit), stream.name.clone());
            let now = series.iter().map(|(key, (_, values))| (key.clone(), values.clone())).collect();
            let before = self.told.insert(id, Streamed { at: time, series: now });
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
            bounds: wanted.unwrap_or_else(|| all.bounds.clone()),
            exponential,
            points,
        };
        (!metric.points.is_empty()).then_some(metric)
    }
}

impl Shaped {
    fn without_extremes(&self, values: Distribution) -> Distribution {
        if self.record_min_max { values } else { Distribution { min: None, max: None, ..values } }
    }
}

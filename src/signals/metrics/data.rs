//! What a reader has read of the metrics of one program.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue, SpanId, TraceId};
use opentelemetry_sdk::metrics::data::ResourceMetrics;

/// What a reader has read of one program.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The program's name for people, where there are several programs.
    pub(crate) program: Option<String>,
    /// Metrics that the SDK keeps.
    pub(crate) metrics: ResourceMetrics,
    /// Histograms that the SDK does not keep: programs add them up.
    pub(crate) histograms: Vec<HistogramMetric>,
    pub(crate) exemplars: Exemplars,
}

impl Collected {
    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.metrics.scope_metrics().next().is_none() && self.histograms.is_empty()
    }
}

/// A histogram as one reader has read it.
#[derive(Debug, Clone)]
pub(crate) struct HistogramMetric {
    pub(crate) scope: InstrumentationScope,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) is_delta: bool,
    pub(crate) start: SystemTime,
    pub(crate) time: SystemTime,
    pub(crate) bounds: Vec<f64>,
    /// The shape of the exponential buckets that these are turned into, where a reader exports such.
    pub(crate) exponential: Option<ExponentialShape>,
    pub(crate) points: Vec<(Vec<KeyValue>, Distribution)>,
}

/// Values by their size.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Distribution {
    pub(crate) buckets: Vec<u64>,
    pub(crate) sum: f64,
    /// `None` when there is none, or it is not known.
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

impl Distribution {
    /// Smallest and largest are infinite where there is no value.
    pub(super) fn of(buckets: Vec<u64>, sum: f64, min: f64, max: f64) -> Distribution {
        let known = |bound: f64| bound.is_finite().then_some(bound);
        Distribution { buckets, sum, min: known(min), max: known(max) }
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |count, bucket| count.saturating_add(*bucket))
    }

    /// Adds a distribution over the same bounds; either one may still be empty.
    pub(super) fn add(&mut self, more: &Distribution) {
        self.buckets.resize(self.buckets.len().max(more.buckets.len()), 0);
        self.buckets.iter_mut().zip(&more.buckets).for_each(|(sum, more)| *sum = sum.wrapping_add(*more));
        self.sum += more.sum;
        self.min = self.min.into_iter().chain(more.min).reduce(f64::min);
        self.max = self.max.into_iter().chain(more.max).reduce(f64::max);
    }

    /// The values that came after `before`. Their smallest and largest are not known.
    pub(super) fn since(&self, before: &Distribution) -> Distribution {
        let buckets = self.buckets.iter().zip(before.buckets.iter().chain(std::iter::repeat(&0)));
        let buckets = buckets.map(|(now, before)| now.saturating_sub(*before)).collect();
        Distribution { buckets, sum: self.sum - before.sum, min: None, max: None }
    }

    /// The same in the buckets between fewer bounds.
    pub(super) fn coarser(&self, bounds: &[f64], coarse_bounds: &[f64]) -> Distribution {
        let mut buckets = vec![0; coarse_bounds.len() + 1];
        for (index, count) in self.buckets.iter().enumerate() {
            // A value is at or below its bucket's upper bound.
            let to = bounds
                .get(index)
                .map_or(coarse_bounds.len(), |bound| coarse_bounds.partition_point(|known| known < bound));
            buckets[to] += count;
        }
        Distribution { buckets, ..self.clone() }
    }
}

/// How fine exponential buckets may be, and how many. See "Base2 Exponential Bucket Histogram Aggregation" of the
/// specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExponentialShape {
    pub(crate) max_scale: i8,
    pub(crate) max_size: u32,
}

/// The span in which something was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) is_sampled: bool,
    pub(crate) at: SystemTime,
    /// When that was read: a span is read some time after its end.
    pub(crate) read_at: SystemTime,
}

/// A measurement.
#[derive(Debug, Clone)]
pub(crate) struct Exemplar {
    pub(crate) value: f64,
    pub(crate) origin: Origin,
    /// Attributes that its stream does not keep.
    pub(crate) left_out: Vec<KeyValue>,
}

/// Exemplars of one series, by the exponents of their values.
pub(super) type SeriesExemplars = BTreeMap<i32, Exemplar>;

/// The series of one stream: the number of each in the list of all, by its attributes.
pub(super) type StreamExemplars = HashMap<Vec<KeyValue>, usize>;

/// The exemplars of all series.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exemplars {
    pub(super) scopes: HashMap<InstrumentationScope, HashMap<String, StreamExemplars>>,
    /// Those of each series.
    pub(super) kept: Vec<SeriesExemplars>,
}

impl Exemplars {
    pub(super) fn stream(&self, scope: &InstrumentationScope, stream: &str) -> Option<&StreamExemplars> {
        self.scopes.get(scope)?.get(stream)
    }

    /// The exemplars of one series, by rising value.
    pub(crate) fn of<'a>(
        &'a self,
        scope: &InstrumentationScope,
        stream: &str,
        attributes: &[&KeyValue],
    ) -> impl Iterator<Item = &'a Exemplar> + use<'a> {
        let series = self
            .stream(scope, stream)
            .and_then(|of_stream| of_stream.get(&sorted(attributes.iter().copied().cloned())))
            .and_then(|series| self.kept.get(*series));
        series.into_iter().flat_map(BTreeMap::values)
    }
}

pub(super) fn sorted(attributes: impl Iterator<Item = KeyValue>) -> Vec<KeyValue> {
    let mut sorted: Vec<KeyValue> = attributes.collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    sorted
}

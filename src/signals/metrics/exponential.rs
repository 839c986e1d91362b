//! Exponential buckets, made of finer ones. See "ExponentialHistogram" of the specification's data model: at scale `s`,
//! bucket `i` holds what is above `2^(i / 2^s)`, up to and with `2^((i + 1) / 2^s)`.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use super::data::{Distribution, ExponentialShape};

/// The scale at which hooks count at their finest: eight buckets in an octave.
const FINEST: i8 = 3;
/// How far a bound may be off, in buckets, by rounding.
const ROUNDING: f64 = 1e-6;

impl ExponentialShape {
    /// The buckets of a point, counted between `bounds`, none of whose values is negative. What is at or below the lowest
    /// bound counts as zero.
    pub(super) fn point(self, bounds: &[f64], values: &Distribution) -> ExponentialHistogramDataPoint {
        let lowest = bounds.iter().copied().find(|bound| *bound > 0.0);
        let is_zero = |bound: f64| lowest.is_none_or(|lowest| bound <= lowest);
        let mut zero_count = 0;
        // Of each bucket the logarithms of its bounds. Above the highest bound there is one more octave.
        let mut counted: Vec<(f64, f64, u64)> = Vec::new();
        for (index, count) in values.buckets.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
            let below = index.checked_sub(1).and_then(|below| bounds.get(below)).copied().unwrap_or(0.0);
            match bounds.get(index).copied() {
                Some(bound) if is_zero(bound) => zero_count += count,
                Some(bound) => counted.push((below.log2(), bound.log2(), count)),
                None => counted.push((below.log2(), below.log2() + 1.0, count)),
            }
        }
        let scale = self.scale(&counted);
        let range = counted.iter().map(|(_, above, _)| index(*above, scale));
        let first = range.clone().min().unwrap_or(0);
        let size = range.max().map_or(0, |last| last - first + 1);
        let mut bucket_counts = vec![0; usize::try_from(size).unwrap_or(0)];
        for (_, above, count) in counted {
            let at = usize::try_from(index(above, scale) - first).unwrap_or(0);
            if let Some(bucket) = bucket_counts.get_mut(at) {
                *bucket += count;
            }
        }
        ExponentialHistogramDataPoint {
            count: values.count(),
            sum: Some(values.sum),
            scale: scale.into(),
            zero_count,
            zero_threshold: lowest.unwrap_or(0.0),
            positive: Some(Buckets { offset: first, bucket_counts }),
            min: values.min,
            max: values.max,
            ..ExponentialHistogramDataPoint::default()
        }
    }

    /// The finest scale at which each counted bucket lies within one exponential bucket, of which there are few enough.
    fn scale(self, counted: &[(f64, f64, u64)]) -> i8 {
        let most = i64::from(self.max_size.max(2));
        let fits = |scale: i8| {
            let within = |(below, above, _): &(f64, f64, u64)| index_above(*below, scale) == index(*above, scale);
            let indexes = || counted.iter().map(|(_, above, _)| i64::from(index(*above, scale)));
            let size = indexes().max().unwrap_or(0) - indexes().min().unwrap_or(0) + 1;
            counted.iter().all(within) && size <= most
        };
        // Below this, one bucket holds every number there is.
        const COARSEST: i8 = -10;
        let mut scale = self.max_scale.min(FINEST);
        while scale > COARSEST && !fits(scale) {
            scale -= 1;
        }
        scale
    }
}

/// The bucket of the number with this logarithm to base 2.
fn index(log: f64, scale: i8) -> i32 {
    (steps(log, scale) - ROUNDING).ceil() as i32 - 1
}

/// The bucket of what is just above that number.
fn index_above(log: f64, scale: i8) -> i32 {
    (steps(log, scale) + ROUNDING).floor() as i32
}

fn steps(log: f64, scale: i8) -> f64 {
    log * f64::from(scale).exp2()
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};

    use super::super::testing::reading;
    use super::*;

    /// The bounds of the hooks, and some that an instrument advises.
    fn bounds() -> Vec<f64> {
        let octave = |octave: i32| {
            let steps = if (-20..40).contains(&octave) { 8 } else { 1 };
            (0..steps).map(move |step| 2_f64.powi(octave) * (f64::from(step) / 8.0).exp2())
        };
        let mut bounds: Vec<f64> = (-40..=63).flat_map(octave).chain([0.0, 0.005, 5.0, 7500.0]).collect();
        bounds.sort_by(f64::total_cmp);
        bounds
    }

    fn counted(values: &[f64]) -> Distribution {
        let bounds = bounds();
        let mut buckets = vec![0; bounds.len() + 1];
        values.iter().for_each(|value| buckets[bounds.partition_point(|bound| bound < value)] += 1);
        let (min, max) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (min.min(*v), max.max(*v)));
        Distribution::of(buckets, values.iter().sum(), min, max)
    }

    fn point(shape: ExponentialShape, values: &[f64]) -> ExponentialHistogramDataPoint {
        shape.point(&bounds(), &counted(values))
    }

    const ANY: ExponentialShape = ExponentialShape { max_scale: 20, max_size: 160 };

    #[test]
    fn buckets_equal_those_of_the_sdk_at_the_same_scale() {
        let of_the_sdk = |max_size: u32, values: &[f64]| {
            let view = move |_: &Instrument| {
                let aggregation =
                    Aggregation::Base2ExponentialHistogram { max_size, max_scale: FINEST, record_min_max: true };
                Stream::builder().with_aggregation(aggregation).build().ok()
            };
            let read = reading(SdkMeterProvider::builder().with_view(view), |provider| {
                let histogram = provider.meter("m").f64_histogram("h").build();
                values.iter().for_each(|value| histogram.record(*value, &[]));
            });
            let metric = read.scope_metrics().next().unwrap().metrics().next().unwrap();
            let AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)) = metric.data() else { panic!() };
            let point = data.data_points().next().unwrap();
            let positive = point.positive_bucket();
            (point.scale(), point.zero_count(), positive.offset(), positive.counts().collect::<Vec<_>>())
        };
        let spread: Vec<f64> = (1..400).map(|step| 1e-4 * 1.03_f64.powi(step)).collect();
        let edges = [1.0, 2.0, 4.0, 0.5, 1.0, 3.0];
        let with_zero = [0.0, 0.0, 0.25, 800.0];
        for values in [&spread[..], &edges, &with_zero, &[1e-5, 1e9]] {
            for max_size in [160, 20, 4] {
                let ours = point(ExponentialShape { max_scale: 20, max_size }, values);
                let positive = ours.positive.unwrap();
                let counts = positive.bucket_counts.clone();
                let ours = (ours.scale as i8, ours.zero_count, positive.offset, counts);
                assert_eq!(ours, of_the_sdk(max_size, values), "{max_size} {values:?}");
            }
        }
    }

    #[test]
    fn coarse_buckets_still_count_every_value() {
        let all = [0.0, 1e-13, 3e-12, 1.0, 1.1, 1e15, 1e30];
        let encoded = point(ANY, &all);
        let positive = encoded.positive.unwrap();
        assert_eq!((encoded.scale <= 0, encoded.count, encoded.zero_count), (true, 7, 2));
        assert_eq!(positive.bucket_counts.iter().sum::<u64>() + encoded.zero_count, 7);
        assert_eq!((encoded.min, encoded.max), (Some(0.0), Some(1e30)));
    }

    #[test]
    fn a_point_without_values_has_no_buckets() {
        let encoded = point(ANY, &[]);
        assert_eq!((encoded.count, encoded.positive.unwrap().bucket_counts.len()), (0, 0));
    }
}

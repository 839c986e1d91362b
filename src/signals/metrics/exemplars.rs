//! Exemplars: of the measurements in a series of a histogram some are kept whole, with the span in which they were
//! made. See "Exemplar" of the specification's metrics SDK. The SDK keeps none, so this is done here.
//!
//! One is kept for each doubling of the value, the last one: a bucket has one if it has any, whatever its bounds.

use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue};

use super::data::{Exemplar, Exemplars, Origin, SeriesExemplars, sorted};
use crate::config::ExemplarFilter;

/// Series that have exemplars. Those that come later have none.
const MAX_SERIES: usize = 8192;
/// Exemplars of one series.
const MAX_EXEMPLARS: usize = 20;

impl ExemplarFilter {
    /// Whether a measurement may become an exemplar.
    pub(super) fn accepts(self, origin: &Origin) -> bool {
        match self {
            ExemplarFilter::AlwaysOn => true,
            ExemplarFilter::AlwaysOff => false,
            ExemplarFilter::TraceBased => origin.is_sampled,
        }
    }
}

impl Exemplars {
    /// The number of the exemplars of a series; `None` for one too many.
    pub(crate) fn series(&mut self, scope: &InstrumentationScope, stream: &str, kept: &[KeyValue]) -> Option<usize> {
        let attributes = sorted(kept.iter().cloned());
        if let Some(known) = self.stream(scope, stream).and_then(|of_stream| of_stream.get(&attributes)) {
            return Some(*known);
        }
        let number = self.kept.len();
        if number >= MAX_SERIES {
            return None;
        }
        self.kept.push(SeriesExemplars::default());
        let streams = self.scopes.entry(scope.clone()).or_default();
        streams.entry(stream.to_owned()).or_default().insert(attributes, number);
        Some(number)
    }

    /// Keeps a measurement of the series with that number. `left_out` are the attributes that its stream does not keep.
    pub(crate) fn keep(&mut self, series: usize, left_out: &[KeyValue], (value, origin): (f64, Origin)) {
        let Some(series) = self.kept.get_mut(series) else { return };
        let exponent = exponent(value);
        if series.len() >= MAX_EXEMPLARS && !series.contains_key(&exponent) {
            let oldest = series.iter().min_by_key(|(_, exemplar)| exemplar.origin.at).map(|(exponent, _)| *exponent);
            oldest.and_then(|oldest| series.remove(&oldest));
        }
        series.insert(exponent, Exemplar { value, origin, left_out: left_out.to_vec() });
    }

    /// The exemplars that were kept since then.
    pub(super) fn since(&self, since: SystemTime) -> Exemplars {
        let is_newer = |(_, exemplar): &(&i32, &Exemplar)| exemplar.origin.read_at >= since;
        let mut newer = Exemplars::default();
        for (scope, streams) in &self.scopes {
            for (stream, of_stream) in streams {
                for (attributes, series) in of_stream {
                    let series = self.kept.get(*series).into_iter().flatten();
                    let found: SeriesExemplars =
                        series.filter(is_newer).map(|(key, value)| (*key, value.clone())).collect();
                    if !found.is_empty() {
                        let streams = newer.scopes.entry(scope.clone()).or_default();
                        streams.entry(stream.clone()).or_default().insert(attributes.clone(), newer.kept.len());
                        newer.kept.push(found);
                    }
                }
            }
        }
        newer
    }
}

/// The least `n` for which the value is no more than two to the power of `n`.
fn exponent(value: f64) -> i32 {
    const FRACTION: u64 = (1 << 52) - 1;
    if value.is_nan() || value <= 0.0 {
        return i32::MIN;
    }
    let bits = value.to_bits();
    // What is smaller than any normal number shares the least of their exponents.
    (bits >> 52) as i32 - 1023 + i32::from(bits & FRACTION != 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::{SpanId, TraceId};

    use super::*;

    fn origin(second: u64) -> Origin {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let read_at = SystemTime::now();
        Origin { trace: TraceId::from(1), span: SpanId::from(second), is_sampled: true, at, read_at }
    }

    #[test]
    fn exponents_are_those_of_the_logarithm() {
        for value in [1.0, 1.1, 1.9, 2.0, 2.1, 0.5, 0.0001, 0.75, 30.0, 1e300, 4096.0, 4096.1] {
            assert_eq!(exponent(value), f64::log2(value).ceil() as i32, "{value}");
        }
        for none in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(exponent(none), i32::MIN);
        }
    }

    #[test]
    fn the_last_exemplar_of_each_doubling_is_kept_with_its_filtered_attributes() {
        let scope = InstrumentationScope::builder("s").build();
        let (route, user) = (KeyValue::new("route", "/a"), KeyValue::new("user", 7));
        let all = [route.clone(), user.clone()];
        let mut exemplars = Exemplars::default();
        for (second, value) in [(1, 1.1), (2, 1.9), (3, 30.0), (4, 0.0)] {
            let series = exemplars.series(&scope, "lasted", &all[..1]).unwrap();
            exemplars.keep(series, &all[1..], (value, origin(second)));
        }
        let values = |exemplars: &Exemplars| {
            exemplars.of(&scope, "lasted", &[&route]).map(|exemplar| exemplar.value).collect::<Vec<_>>()
        };
        assert_eq!(values(&exemplars), [0.0, 1.9, 30.0]);
        assert_eq!(exemplars.of(&scope, "lasted", &[&route]).next().unwrap().left_out, [user]);
        let before = SystemTime::now();
        let series = exemplars.series(&scope, "lasted", &all[..1]).unwrap();
        exemplars.keep(series, &all[1..], (31.0, origin(5)));
        assert_eq!(values(&exemplars.since(before)), [31.0]);
        assert_eq!(exemplars.of(&scope, "lasted", &[&all[0], &all[1]]).count(), 0, "another series");
    }

    #[test]
    fn a_series_keeps_its_newest_exemplars_within_the_limit() {
        let scope = InstrumentationScope::builder("s").build();
        let mut exemplars = Exemplars::default();
        for second in 0..40 {
            let series = exemplars.series(&scope, "lasted", &[]).unwrap();
            exemplars.keep(series, &[], ((second as f64).exp2(), origin(second)));
        }
        let kept: Vec<_> = exemplars.of(&scope, "lasted", &[]).collect();
        assert_eq!((kept.len(), kept[0].origin.span), (MAX_EXEMPLARS, SpanId::from(20)));
    }
}

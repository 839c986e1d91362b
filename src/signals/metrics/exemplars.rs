//! Exemplars: of the measurements in a series of a histogram some are kept whole, with the span in which they were
//! made. See "Exemplar" of the specification's metrics SDK. The SDK keeps none, so this is done here.
//!
//! One is kept for each doubling of the value, the last one: a bucket has one if it has any, whatever its bounds.

use std::time::SystemTime;

use opentelemetry::{InstrumentationScope, KeyValue};

use super::data::{Exemplar, Exemplars, Origin, SeriesExemplars, StreamExemplars, sorted};
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
    /// Keeps a measurement. `kept` are those of `all` attributes that the stream keeps.
    pub(crate) fn keep(
        &mut self,
        scope: &InstrumentationScope,
        stream: &str,
        all: &[KeyValue],
        kept: &[KeyValue],
        (value, origin): (f64, Origin),
    ) {
        // Names are copied only for a new scope or stream.
        if self.stream(scope, stream).is_none() {
            self.scopes.entry(scope.clone()).or_default().insert(stream.to_owned(), StreamExemplars::default());
        }
        let known = self.scopes.get_mut(scope).and_then(|streams| streams.get_mut(stream));
        let Some(of_stream) = known else { return };
        let attributes = sorted(kept.iter().cloned());
        if !of_stream.contains_key(&attributes) {
            if self.series >= MAX_SERIES {
                return;
            }
            self.series += 1;
        }
        let series = of_stream.entry(attributes).or_default();
        let exponent = if value > 0.0 { value.log2().ceil() as i32 } else { i32::MIN };
        if series.len() >= MAX_EXEMPLARS && !series.contains_key(&exponent) {
            let oldest = series.iter().min_by_key(|(_, exemplar)| exemplar.origin.at).map(|(exponent, _)| *exponent);
            oldest.and_then(|oldest| series.remove(&oldest));
        }
        let left_out = all.iter().filter(|attribute| !kept.contains(attribute)).cloned().collect();
        series.insert(exponent, Exemplar { value, origin, left_out, kept_at: SystemTime::now() });
    }

    /// The exemplars that were kept since then.
    pub(super) fn since(&self, since: SystemTime) -> Exemplars {
        let is_newer = |(_, exemplar): &(&i32, &Exemplar)| exemplar.kept_at >= since;
        let of_series = |(attributes, series): (&Vec<KeyValue>, &SeriesExemplars)| {
            let newer: SeriesExemplars =
                series.iter().filter(is_newer).map(|(key, value)| (*key, value.clone())).collect();
            (!newer.is_empty()).then(|| (attributes.clone(), newer))
        };
        let mut newer = Exemplars::default();
        for (scope, streams) in &self.scopes {
            for (stream, of_stream) in streams {
                let found: StreamExemplars = of_stream.iter().filter_map(of_series).collect();
                if !found.is_empty() {
                    newer.scopes.entry(scope.clone()).or_default().insert(stream.clone(), found);
                }
            }
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::{SpanId, TraceId};

    use super::*;

    fn origin(second: u64) -> Origin {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Origin { trace: TraceId::from(1), span: SpanId::from(second), is_sampled: true, at }
    }

    #[test]
    fn the_last_exemplar_of_each_doubling_is_kept_with_its_filtered_attributes() {
        let scope = InstrumentationScope::builder("s").build();
        let (route, user) = (KeyValue::new("route", "/a"), KeyValue::new("user", 7));
        let all = [route.clone(), user.clone()];
        let mut exemplars = Exemplars::default();
        for (second, value) in [(1, 1.1), (2, 1.9), (3, 30.0), (4, 0.0)] {
            exemplars.keep(&scope, "lasted", &all, &all[..1], (value, origin(second)));
        }
        let values = |exemplars: &Exemplars| {
            exemplars.of(&scope, "lasted", &[&route]).map(|exemplar| exemplar.value).collect::<Vec<_>>()
        };
        assert_eq!(values(&exemplars), [0.0, 1.9, 30.0]);
        assert_eq!(exemplars.of(&scope, "lasted", &[&route]).next().unwrap().left_out, [user]);
        let before = SystemTime::now();
        exemplars.keep(&scope, "lasted", &all, &all[..1], (31.0, origin(5)));
        assert_eq!(values(&exemplars.since(before)), [31.0]);
        assert_eq!(exemplars.of(&scope, "lasted", &[&all[0], &all[1]]).count(), 0, "another series");
    }

    #[test]
    fn a_series_keeps_its_newest_exemplars_within_the_limit() {
        let scope = InstrumentationScope::builder("s").build();
        let mut exemplars = Exemplars::default();
        for second in 0..40 {
            exemplars.keep(&scope, "lasted", &[], &[], ((second as f64).exp2(), origin(second)));
        }
        let kept: Vec<_> = exemplars.of(&scope, "lasted", &[]).collect();
        assert_eq!((kept.len(), kept[0].origin.span), (MAX_EXEMPLARS, SpanId::from(20)));
    }
}

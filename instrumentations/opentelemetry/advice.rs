//! The default meter provider, tracer provider and propagator, in use until the program sets its own: their instruments and
//! spans are those of the hooks. Contexts of the API and of the hooks show the same current span.

#[cfg(feature = "metrics")]
pub(crate) use bridge::{own_provider, Provider};
#[cfg(feature = "trace")]
pub(crate) use traces::{enter, mirrored, own_tracer_provider, seen, Given, Propagator, TracerProvider};
#[cfg(not(feature = "trace"))]
pub(crate) use without_traces::{enter, mirrored, seen};

#[cfg(feature = "metrics")]
mod bridge {
    use std::borrow::Cow;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::Arc;

    use otel_rs_hooks::metrics::{
        self as hooks, AttributeSet, AttributeText, AttributeValue, Description, Fingerprint, InstrumentKind,
        MetricAttribute, Number, NumberKind, Owner,
    };

    #[cfg(feature = "experimental_metrics_bound_instruments")]
    use crate::metrics::BoundSyncInstrument;
    use crate::metrics::{
        AsyncInstrument, AsyncInstrumentBuilder, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
        InstrumentProvider, Meter, MeterProvider, ObservableCounter, ObservableGauge, ObservableUpDownCounter,
        SyncInstrument, UpDownCounter,
    };
    use crate::{InstrumentationScope, KeyValue, Value};

    /// Whether the program has set a provider of its own. Instruments made before then do nothing any more, as those of
    /// the no-op provider do.
    static IS_REPLACED: AtomicBool = AtomicBool::new(false);

    /// The program has set a provider of its own, which gets its metrics.
    pub(crate) fn own_provider() {
        if !IS_REPLACED.swap(true, Relaxed) {
            hooks::report_own_provider();
        }
    }

    pub(crate) struct Provider;

    impl MeterProvider for Provider {
        fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
            Meter::new(Arc::new(Instruments(scope)))
        }
    }

    struct Instruments(InstrumentationScope);

    impl Instruments {
        fn make(
            &self,
            (kind, number): (InstrumentKind, NumberKind),
            name: &str,
            unit: &Option<Cow<'static, str>>,
            description: &Option<Cow<'static, str>>,
            boundaries: Option<&[f64]>,
        ) -> Instrument {
            if !super::SCOPE.enabled() || IS_REPLACED.load(Relaxed) {
                return Instrument(hooks::Instrument::NONE);
            }
            let attributes: Vec<KeyValue> = self.0.attributes().cloned().collect();
            let owner = Owner::Named {
                name: self.0.name(),
                version: self.0.version(),
                schema_url: self.0.schema_url(),
                attributes: &Set(&attributes),
            };
            let unit = unit.as_deref().unwrap_or("");
            let description = description.as_deref().unwrap_or("");
            let described =
                Description { owner, kind, number, name, unit, description, boundaries, is_observed: false };
            Instrument(hooks::instrument(&described))
        }
    }

    /// Attributes as the hooks read them.
    struct Set<'a>(&'a [KeyValue]);

    impl AttributeSet for Set<'_> {
        #[inline(always)]
        fn count(&self) -> usize {
            self.0.len()
        }

        #[inline(always)]
        fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
            let KeyValue { key, value, .. } = self.0.get(index)?;
            let value = match value {
                Value::String(text) => AttributeValue::Text(text.otel_text()),
                Value::I64(number) => AttributeValue::Int(*number),
                Value::F64(number) => AttributeValue::Float(*number),
                Value::Bool(truth) => AttributeValue::Bool(*truth),
                other => AttributeValue::Other(other),
            };
            Some((key.otel_text(), value))
        }

        #[inline(always)]
        fn words(&self, index: usize) -> Option<[u64; 3]> {
            self.common_fingerprint(index)?.whole()
        }

        #[inline(always)]
        fn common_fingerprint(&self, index: usize) -> Option<Fingerprint<'_>> {
            let KeyValue { key, value, .. } = self.0.get(index)?;
            let key @ AttributeText::Static(_) = key.otel_text() else { return None };
            // Two kinds only, or the compiler would make a table of jumps; the others are left to the fingerprint.
            match value {
                Value::String(text) => Some(Fingerprint::text(key, text.otel_text())),
                Value::I64(number) => Some(Fingerprint::int(key, *number)),
                _ => None,
            }
        }

        #[inline(always)]
        fn fingerprint(&self, index: usize) -> Option<Fingerprint<'_>> {
            let KeyValue { key, value, .. } = self.0.get(index)?;
            let key = key.otel_text();
            match value {
                Value::String(text) => Some(Fingerprint::text(key, text.otel_text())),
                Value::I64(number) => Some(Fingerprint::int(key, *number)),
                Value::F64(number) => Some(Fingerprint::float(key, *number)),
                Value::Bool(truth) => Some(Fingerprint::bool(key, *truth)),
                _ => None,
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Instrument(hooks::Instrument);

    impl<T: Into<Number>> SyncInstrument<T> for Instrument {
        #[inline]
        fn measure(&self, measurement: T, attributes: &[KeyValue]) {
            if !IS_REPLACED.load(Relaxed) {
                self.0.measure(measurement, &Set(attributes));
            }
        }

        #[cfg(feature = "experimental_metrics_bound_instruments")]
        fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<T> + Send + Sync> {
            Box::new(Bound(self.0.bind(&Set(attributes))))
        }
    }

    impl<T: Into<Number>> AsyncInstrument<T> for Instrument {
        fn observe(&self, measurement: T, attributes: &[KeyValue]) {
            self.0.measure(measurement, &Set(attributes));
        }
    }

    #[cfg(feature = "experimental_metrics_bound_instruments")]
    struct Bound(hooks::Series);

    #[cfg(feature = "experimental_metrics_bound_instruments")]
    impl<T: Into<Number>> BoundSyncInstrument<T> for Bound {
        #[inline]
        fn measure(&self, measurement: T) {
            if !IS_REPLACED.load(Relaxed) {
                self.0.measure(measurement);
            }
        }
    }

    macro_rules! recorded {
        ($($method:ident($instrument:ident<$number:ty>) is $kind:ident of $numbers:ident;)*) => {$(
            fn $method(&self, builder: InstrumentBuilder<'_, $instrument<$number>>) -> $instrument<$number> {
                let what = (InstrumentKind::$kind, NumberKind::$numbers);
                $instrument::new(Arc::new(self.make(what, &builder.name, &builder.unit, &builder.description, None)))
            }
        )*};
    }

    macro_rules! distributed {
        ($($method:ident($number:ty) of $numbers:ident;)*) => {$(
            fn $method(&self, builder: HistogramBuilder<'_, Histogram<$number>>) -> Histogram<$number> {
                let what = (InstrumentKind::Histogram, NumberKind::$numbers);
                let bounds = builder.boundaries.as_deref();
                Histogram::new(Arc::new(self.make(what, &builder.name, &builder.unit, &builder.description, bounds)))
            }
        )*};
    }

    macro_rules! observed {
        ($($method:ident($instrument:ident<$number:ty>) is $kind:ident of $numbers:ident;)*) => {$(
            fn $method(
                &self,
                builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>,
            ) -> $instrument<$number> {
                let what = (InstrumentKind::$kind, NumberKind::$numbers);
                let instrument = self.make(what, &builder.name, &builder.unit, &builder.description, None);
                if instrument.0.is_read() {
                    for callback in builder.callbacks {
                        hooks::on_collect(move || {
                            let goes_on = !IS_REPLACED.load(Relaxed);
                            if goes_on {
                                callback(&instrument);
                            }
                            goes_on
                        });
                    }
                }
                $instrument::new()
            }
        )*};
    }

    impl InstrumentProvider for Instruments {
        recorded! {
            u64_counter(Counter<u64>) is Counter of U64;
            f64_counter(Counter<f64>) is Counter of F64;
            i64_up_down_counter(UpDownCounter<i64>) is UpDownCounter of I64;
            f64_up_down_counter(UpDownCounter<f64>) is UpDownCounter of F64;
            u64_gauge(Gauge<u64>) is Gauge of U64;
            i64_gauge(Gauge<i64>) is Gauge of I64;
            f64_gauge(Gauge<f64>) is Gauge of F64;
        }
        distributed! {
            f64_histogram(f64) of F64;
            u64_histogram(u64) of U64;
        }
        observed! {
            u64_observable_counter(ObservableCounter<u64>) is ObservableCounter of U64;
            f64_observable_counter(ObservableCounter<f64>) is ObservableCounter of F64;
            i64_observable_up_down_counter(ObservableUpDownCounter<i64>) is ObservableUpDownCounter of I64;
            f64_observable_up_down_counter(ObservableUpDownCounter<f64>) is ObservableUpDownCounter of F64;
            u64_observable_gauge(ObservableGauge<u64>) is ObservableGauge of U64;
            i64_observable_gauge(ObservableGauge<i64>) is ObservableGauge of I64;
            f64_observable_gauge(ObservableGauge<f64>) is ObservableGauge of F64;
        }
    }
}

/// Without spans, there is nothing that both contexts could show.
#[cfg(not(feature = "trace"))]
mod without_traces {
    use crate::Context;
    use otel_rs_hooks::Attached;

    pub(crate) fn mirrored(_: &Context) {}

    pub(crate) fn enter(_: ()) -> Attached {
        Attached::NONE
    }

    pub(crate) fn seen<T>(own: &Context, read: impl FnOnce(&Context) -> T) -> T {
        read(own)
    }
}

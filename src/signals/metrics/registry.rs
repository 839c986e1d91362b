//! The registry that makes instruments: one SDK instrument for each stream of each reader.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::streams::{self, InstrumentProperties, MetricStream, Views};

/// Makes the instruments of one program, for all readers.
pub(super) struct InstrumentRegistry {
    /// One for each reader.
    providers: Vec<SdkMeterProvider>,
    views: Views,
}

/// An instrument of all readers, once for each of its streams.
pub(super) struct FanOut<T>(Vec<(MetricStream, Vec<T>)>);

impl InstrumentRegistry {
    pub(super) fn new(providers: Vec<SdkMeterProvider>, views: Views) -> InstrumentRegistry {
        InstrumentRegistry { providers, views }
    }

    /// Makes an instrument. `make` is called with each reader's meter and with the name to make the instrument under.
    pub(super) fn instrument<T>(
        &self,
        properties: &InstrumentProperties<'_>,
        make: impl Fn(Meter, String) -> T,
    ) -> FanOut<T> {
        let for_all = |stream: &MetricStream| {
            let meters = self.providers.iter().map(|provider| provider.meter_with_scope(properties.scope.clone()));
            meters.map(|meter| make(meter, stream.instrument_name.clone())).collect()
        };
        let streams = streams::streams_of(&self.views, properties).into_iter();
        FanOut(streams.map(|stream| (stream.clone(), for_all(&stream))).collect())
    }
}

impl<T> FanOut<T> {
    /// Calls `record` for each SDK instrument, with the attributes that its stream keeps.
    pub(super) fn record(&self, attributes: &[KeyValue], mut record: impl FnMut(&T, &[KeyValue])) {
        for (stream, instruments) in &self.0 {
            stream.kept(attributes, |kept| instruments.iter().for_each(|instrument| record(instrument, kept)));
        }
    }

    /// The instrument's streams.
    pub(super) fn streams(&self) -> impl Iterator<Item = &MetricStream> {
        self.0.iter().map(|(stream, _)| stream)
    }
}

//! The SDK's part of a reader: a provider of its own for each, read on demand.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};

use super::streams::ViewConfig;

/// A provider whose metrics are read by `reader` alone.
pub(super) fn provider(reader: SdkReader, resource: Resource, views: ViewConfig) -> SdkMeterProvider {
    let view = move |instrument: &opentelemetry_sdk::metrics::Instrument| views.sdk_stream(instrument);
    SdkMeterProvider::builder().with_resource(resource).with_view(view).with_reader(reader).build()
}

/// A reader that reads when it is called, with no thread of its own.
#[derive(Debug, Clone)]
pub(super) struct SdkReader(Arc<ManualReader>);

impl SdkReader {
    pub(super) fn new(temporality: Temporality) -> SdkReader {
        SdkReader(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    /// Whether it reads everything that was measured of histograms each time.
    pub(super) fn is_cumulative(&self) -> bool {
        self.0.temporality(InstrumentKind::Histogram) == Temporality::Cumulative
    }

    /// Everything there is to read.
    pub(super) fn all(&self) -> ResourceMetrics {
        let mut all = ResourceMetrics::default();
        // Fails only after a shutdown, of which there is none.
        let _ = self.0.collect(&mut all);
        all
    }
}

impl MetricReader for SdkReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, to: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(to)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

//! Metrics: what is measured ([`instruments`], [`cells`], [`observed`], [`program`]), how it is added up ([`registry`],
//! [`streams`]) and read ([`ledgers`]), and the request that exports it ([`encode`]).

mod bound;
mod cells;
pub(crate) mod data;
pub(crate) mod encode;
mod exemplars;
mod exponential;
mod histograms;
mod instruments;
mod ledgers;
mod numbers;
mod observed;
mod program;
mod registry;
mod sdk_reader;
mod streams;

pub(crate) use cells::{CellValue, Cells};
pub(crate) use ledgers::{Ledgers, ReaderPlan};
pub(crate) use streams::{Views, unusable_part};

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;
    use std::time::Duration;

    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, Temporality};

    use super::cells::Counters;
    use super::data::Collected;
    use super::histograms::HistogramReader;
    use super::instruments::Instruments;
    use super::observed::Observed;
    use super::program::ProgramMetrics;
    use super::registry::InstrumentRegistry;
    use super::sdk_reader::{SdkReader, provider};
    use super::streams::ViewConfig;
    use super::*;
    use crate::attributes::attribute::Attribute;
    use crate::config::{CardinalityLimit, ExemplarFilter, HistogramAggregation, View};
    use crate::conventions::catalog::Metric;
    use crate::conventions::{Measured, Selection};
    use crate::host::Point;
    use crate::records::scope;

    /// Instruments with one reader that is called by hand.
    pub(crate) struct TestMetrics {
        pub(crate) instruments: Instruments,
        pub(super) counters: Counters,
        pub(super) program: ProgramMetrics,
        observed: Observed,
        histograms: HistogramReader,
        reader: SdkReader,
    }

    impl TestMetrics {
        pub(crate) fn new(histograms: HistogramAggregation) -> TestMetrics {
            TestMetrics::with(vec![], histograms, 2000)
        }

        pub(crate) fn with(
            views: Vec<View>,
            histograms: HistogramAggregation,
            cardinality_limit: usize,
        ) -> TestMetrics {
            let cardinality_limit = CardinalityLimit::all(cardinality_limit);
            let views = Views::from(views);
            let reader = SdkReader::new(Temporality::Cumulative);
            let config = ViewConfig { views: Arc::clone(&views), histograms, cardinality_limit };
            let provider = provider(reader.clone(), Resource::builder_empty().build(), config.clone());
            let registry = InstrumentRegistry::new(vec![provider], views);
            TestMetrics {
                instruments: Instruments::new(registry, ExemplarFilter::TraceBased),
                counters: Counters::default(),
                program: ProgramMetrics::default(),
                observed: Observed::default(),
                histograms: HistogramReader::new(config, Temporality::Cumulative),
                reader,
            }
        }

        /// Counts what took so long and has these attributes.
        pub(crate) fn record(&mut self, metric: &'static Metric, attributes: &[Attribute<'_>], lasted: Duration) {
            let measured = Measured::duration(metric, Selection::by(attributes, |_| true));
            self.instruments.record(&scope::own(), (&[Some(measured)].into(), attributes), lasted, None);
        }

        pub(crate) fn collect_all(&mut self) -> Collected {
            let is_automatic = |name: &str| self.instruments.has(name) || self.observed.has(name);
            let histograms = self.program.read(self.instruments.registry(), is_automatic);
            Collected {
                program: None,
                metrics: self.collect(),
                histograms: self.histograms.read(&histograms),
                exemplars: self.instruments.exemplars().clone(),
            }
        }

        pub(super) fn observe(&mut self, found: &[Point]) {
            self.observed.observe(self.instruments.registry(), found);
        }

        pub(crate) fn collect(&mut self) -> ResourceMetrics {
            self.instruments.read(&mut self.counters);
            self.reader.all()
        }
    }

    /// What a reader reads of a provider of one's own.
    pub(crate) fn reading(provider: MeterProviderBuilder, record: impl FnOnce(&SdkMeterProvider)) -> ResourceMetrics {
        let reader = SdkReader::new(Temporality::Cumulative);
        let provider = provider.with_reader(reader.clone()).build();
        record(&provider);
        reader.all()
    }
}

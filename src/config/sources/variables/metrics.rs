//! Metrics: readers, and what is kept.

use super::processors::exporter;
use crate::config::model::{
    CardinalityLimit, ExemplarFilter, Exporter, ExporterSetting, HistogramAggregation, HostMetrics, Metrics, Periodic,
    Prometheus, Reader, SettingOrigin, Signal, Temporality,
};
use crate::config::registry::{
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
    OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT, OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_METRIC_EXPORT_TIMEOUT, OTEL_METRICS_EXEMPLAR_FILTER, OTEL_METRICS_EXPORTER, OTEL_RS_HOST_METRICS,
    OTEL_RS_METRICS_CARDINALITY_LIMIT,
};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

pub(super) fn read(settings: &mut Settings) -> Result<Metrics, BadFlag> {
    // Read once, whether or not there is a reader: a bad value is always warned of.
    let interval = settings.or_default(&OTEL_METRIC_EXPORT_INTERVAL, text::milliseconds)?;
    let timeout = settings.or_default(&OTEL_METRIC_EXPORT_TIMEOUT, text::timeout)?;
    let cardinality_limit =
        CardinalityLimit::all(settings.or_default(&OTEL_RS_METRICS_CARDINALITY_LIMIT, text::count)?);
    let temporality = settings.word(&OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, Temporality::NAMES)?;
    let histograms =
        settings.word(&OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION, HistogramAggregation::NAMES)?;
    let page = Prometheus { cardinality_limit, ..page(settings)? };
    let mut readers = Vec::new();
    for name in settings.list(&OTEL_METRICS_EXPORTER)? {
        if name == "prometheus" {
            readers.push(Reader::Prometheus(page.clone()));
            continue;
        }
        let exporter = exporter(settings, Signal::Metrics, &OTEL_METRICS_EXPORTER, name)?;
        // Both preferences are the OTLP exporter's; people read sums from the start.
        let (temporality, histograms) = match exporter {
            Exporter::Console => (Temporality::Cumulative, HistogramAggregation::ExplicitBuckets),
            _ => (temporality, histograms),
        };
        readers.push(Reader::Periodic(Periodic {
            exporter,
            interval,
            timeout,
            temporality,
            histograms,
            cardinality_limit,
        }));
    }
    let exemplars = settings.word(&OTEL_METRICS_EXEMPLAR_FILTER, ExemplarFilter::NAMES)?;
    Ok(Metrics { readers, views: Vec::new(), exemplars })
}

pub(super) fn of_host(settings: &mut Settings) -> Result<HostMetrics, BadFlag> {
    Ok(HostMetrics::named(&settings.list(&OTEL_RS_HOST_METRICS)?))
}

fn page(settings: &mut Settings) -> Result<Prometheus, BadFlag> {
    let (host, port) = (&OTEL_EXPORTER_PROMETHEUS_HOST, &OTEL_EXPORTER_PROMETHEUS_PORT);
    let mut page = Prometheus::default();
    settings.read(&mut page.host, host, |text| Ok(text.trim().to_owned()))?;
    settings.read(&mut page.port, port, text::port)?;
    page.origin = SettingOrigin::Variables(vec![
        (ExporterSetting::Host, settings.name_of(host)),
        (ExporterSetting::Port, settings.name_of(port)),
    ]);
    Ok(page)
}

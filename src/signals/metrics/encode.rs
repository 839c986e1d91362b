//! The metrics that a reader has read, as OTLP has them.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    ResourceMetrics, ScopeMetrics,
};

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::data::{Collected, Exemplar, ExponentialShape, HistogramMetric};

/// The request that exports all programs that have any metrics. `first` is the SDK's own request of the first program: what
/// the SDK does not keep is added, and so are the other programs.
pub(crate) fn complete(first: ExportMetricsServiceRequest, programs: &[Collected]) -> ExportMetricsServiceRequest {
    let others = programs.iter().skip(1).map(|program| ExportMetricsServiceRequest::from(&program.metrics));
    let requests = std::iter::once(first).chain(others).zip(programs);
    let programs = requests.flat_map(|(request, program)| of_program(request.resource_metrics, program));
    ExportMetricsServiceRequest { resource_metrics: programs.filter(|one| !one.scope_metrics.is_empty()).collect() }
}

fn of_program(mut resource_metrics: Vec<ResourceMetrics>, all: &Collected) -> Vec<ResourceMetrics> {
    let Some(resource) = resource_metrics.first_mut() else { return resource_metrics };
    // The encoded metrics are in the order of the SDK's metrics.
    for (scope, encoded) in all.metrics.scope_metrics().zip(&mut resource.scope_metrics) {
        for (metric, encoded) in scope.metrics().zip(&mut encoded.metrics) {
            let of = |attributes: &mut dyn Iterator<Item = &KeyValue>| {
                let attributes: Vec<_> = attributes.collect();
                let found = all.exemplars.of(scope.scope(), metric.name(), &attributes);
                found.map(exemplar).collect()
            };
            match (metric.data(), &mut encoded.data) {
                (AggregatedMetrics::F64(MetricData::Histogram(data)), Some(Data::Histogram(encoded))) => {
                    for (point, encoded) in data.data_points().zip(&mut encoded.data_points) {
                        encoded.exemplars = of(&mut point.attributes());
                    }
                }
                (
                    AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)),
                    Some(Data::ExponentialHistogram(encoded)),
                ) => {
                    for (point, encoded) in data.data_points().zip(&mut encoded.data_points) {
                        encoded.exemplars = of(&mut point.attributes());
                    }
                }
                _ => {}
            }
        }
    }
    for histogram in &all.histograms {
        let scope = (&histogram.scope, None).into();
        let schema_url = histogram.scope.schema_url().unwrap_or_default();
        let is_same =
            |known: &&mut ScopeMetrics| known.scope.as_ref() == Some(&scope) && known.schema_url == schema_url;
        match resource.scope_metrics.iter_mut().find(is_same) {
            Some(known) => known.metrics.push(metric(histogram)),
            None => resource.scope_metrics.push(ScopeMetrics {
                metrics: vec![metric(histogram)],
                scope: Some(scope),
                schema_url: schema_url.to_owned(),
            }),
        }
    }
    resource_metrics
}

fn metric(histogram: &HistogramMetric) -> Metric {
    let temporality =
        if histogram.is_delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative };
    let data = match histogram.exponential {
        Some(shape) => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: exponential(histogram, shape),
            aggregation_temporality: temporality.into(),
        }),
        None => {
            Data::Histogram(Histogram { data_points: explicit(histogram), aggregation_temporality: temporality.into() })
        }
    };
    Metric {
        name: histogram.name.clone(),
        description: histogram.description.clone(),
        unit: histogram.unit.clone(),
        data: Some(data),
        ..Metric::default()
    }
}

fn exponential(histogram: &HistogramMetric, shape: ExponentialShape) -> Vec<ExponentialHistogramDataPoint> {
    let points = histogram.points.iter().map(|(attributes, values)| ExponentialHistogramDataPoint {
        attributes: attributes.iter().map(Into::into).collect(),
        start_time_unix_nano: nanoseconds(histogram.start),
        time_unix_nano: nanoseconds(histogram.time),
        ..shape.point(&histogram.bounds, values)
    });
    points.collect()
}

fn explicit(histogram: &HistogramMetric) -> Vec<HistogramDataPoint> {
    let points = histogram.points.iter().map(|(attributes, values)| HistogramDataPoint {
        attributes: attributes.iter().map(Into::into).collect(),
        start_time_unix_nano: nanoseconds(histogram.start),
        time_unix_nano: nanoseconds(histogram.time),
        count: values.count(),
        sum: Some(values.sum),
        bucket_counts: values.buckets.clone(),
        explicit_bounds: histogram.bounds.clone(),
        min: values.min,
        max: values.max,
        ..HistogramDataPoint::default()
    });
    points.collect()
}

fn exemplar(kept: &Exemplar) -> proto::Exemplar {
    proto::Exemplar {
        filtered_attributes: kept.left_out.iter().map(Into::into).collect(),
        time_unix_nano: nanoseconds(kept.origin.at),
        span_id: kept.origin.span.to_bytes().into(),
        trace_id: kept.origin.trace.to_bytes().into(),
        value: Some(proto::exemplar::Value::AsDouble(kept.value)),
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

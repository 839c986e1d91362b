//! What a reader has read, as OTLP has it.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    ScopeMetrics,
};

use super::{Collected, Exponential, HistogramMetric};

/// The request that exports it.
pub(super) fn request(all: &Collected) -> ExportMetricsServiceRequest {
    let mut request = ExportMetricsServiceRequest::from(&all.metrics);
    let Some(resource) = request.resource_metrics.first_mut() else { return request };
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
    request
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

fn exponential(histogram: &HistogramMetric, shape: Exponential) -> Vec<ExponentialHistogramDataPoint> {
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

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

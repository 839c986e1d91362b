//! Metrics as the tests see them.

use std::collections::BTreeMap;
use std::fmt;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;

use super::model::{Attributes, Value, attributes, hex};

/// One time series as last exported.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) scope: String,
    pub(crate) scope_version: String,
    pub(crate) scope_attributes: Attributes,
    pub(crate) schema_url: String,
    pub(crate) attributes: Attributes,
    pub(crate) resource: Attributes,
    pub(crate) point: Point,
    /// Trace and span of each exemplar.
    pub(crate) exemplars: Vec<(String, String)>,
    /// Whether the point holds the change since the last export.
    pub(crate) is_delta: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Point {
    Histogram { count: u64, sum: f64, bounds: Vec<f64>, buckets: Vec<u64> },
    Exponential { count: u64, sum: f64, scale: i32, buckets: Vec<u64> },
    Sum { value: f64, monotonic: bool },
    Gauge(f64),
}

/// The bucket boundaries that the conventions advise for durations in seconds.
pub(crate) const HTTP_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The same for database operations.
pub(crate) const DATABASE_BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

impl Series {
    #[track_caller]
    pub(crate) fn count(&self) -> u64 {
        match self.point {
            Point::Histogram { count, .. } | Point::Exponential { count, .. } => count,
            _ => panic!("{self} is no histogram"),
        }
    }

    /// The sum of a histogram.
    #[track_caller]
    pub(crate) fn sum(&self) -> f64 {
        match self.point {
            Point::Histogram { sum, .. } | Point::Exponential { sum, .. } => sum,
            _ => panic!("{self} is no histogram"),
        }
    }

    #[track_caller]
    pub(crate) fn value(&self) -> f64 {
        match self.point {
            Point::Sum { value, .. } | Point::Gauge(value) => value,
            Point::Histogram { .. } | Point::Exponential { .. } => panic!("{self} is a histogram"),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) of {}: {:?}", self.name, self.unit, self.scope, self.point)?;
        self.attributes.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// The last state of every series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, Series>);

impl Metrics {
    /// What a single export held.
    pub(crate) fn of(request: &ExportMetricsServiceRequest) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(request);
        metrics
    }

    pub(crate) fn add(&mut self, request: &ExportMetricsServiceRequest) {
        for resource in &request.resource_metrics {
            let of = resource.resource.as_ref().map(|of| self::attributes(&of.attributes)).unwrap_or_default();
            let service = of.get("service.name").map(ToString::to_string).unwrap_or_default();
            for scope in &resource.scope_metrics {
                let instrumentation_scope = scope.scope.clone().unwrap_or_default();
                for metric in &scope.metrics {
                    let is_delta = is_delta(metric);
                    let exemplars = exemplars(metric);
                    for (index, (attributes, point)) in points(metric).into_iter().enumerate() {
                        let (name, unit) = (&metric.name, &metric.unit);
                        let key = format!(
                            "{service} {} {name} {unit} {attributes:?} {}",
                            instrumentation_scope.name, instrumentation_scope.version
                        );
                        let series = Series {
                            name: metric.name.clone(),
                            unit: metric.unit.clone(),
                            description: metric.description.clone(),
                            scope: instrumentation_scope.name.clone(),
                            scope_version: instrumentation_scope.version.clone(),
                            scope_attributes: self::attributes(&instrumentation_scope.attributes),
                            schema_url: scope.schema_url.clone(),
                            attributes,
                            resource: of.clone(),
                            point,
                            exemplars: exemplars.get(index).cloned().unwrap_or_default(),
                            is_delta,
                        };
                        self.0.insert(key, series);
                    }
                }
            }
        }
    }

    pub(crate) fn all(&self, name: &str, with: &[(&str, Value)]) -> Vec<Series> {
        let fits = |series: &&Series| {
            series.name == name && with.iter().all(|(key, value)| series.attributes.get(*key) == Some(value))
        };
        self.0.values().filter(fits).cloned().collect()
    }

    /// The one series of that name with those attributes among others.
    #[track_caller]
    pub(crate) fn require(&self, name: &str, with: &[(&str, Value)]) -> Series {
        let mut found = self.all(name, with);
        assert!(found.len() == 1, "{} series are {name} with {with:?}; received:\n{self}", found.len());
        found.remove(0)
    }

    /// Those of one service.
    pub(crate) fn of_service(&self, name: &str) -> Metrics {
        let is_its = |series: &Series| series.resource.get("service.name") == Some(&Value::from(name));
        Metrics(
            self.0.iter().filter(|(_, series)| is_its(series)).map(|(key, one)| (key.clone(), one.clone())).collect(),
        )
    }

    /// Every series.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.0.values()
    }

    /// The sum of a histogram's counts over all series that fit.
    pub(crate) fn count(&self, name: &str, with: &[(&str, Value)]) -> u64 {
        self.all(name, with).iter().map(Series::count).sum()
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.values().try_for_each(|series| writeln!(f, "  {series}"))
    }
}

fn is_delta(metric: &proto::Metric) -> bool {
    use proto::metric::Data;
    let temporality = match &metric.data {
        Some(Data::Sum(sum)) => sum.aggregation_temporality(),
        Some(Data::Histogram(histogram)) => histogram.aggregation_temporality(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.aggregation_temporality(),
        _ => proto::AggregationTemporality::Unspecified,
    };
    temporality == proto::AggregationTemporality::Delta
}

/// Of each point of a histogram.
fn exemplars(metric: &proto::Metric) -> Vec<Vec<(String, String)>> {
    use proto::metric::Data;
    let shown = |exemplars: &Vec<proto::Exemplar>| {
        exemplars.iter().map(|exemplar| (hex(&exemplar.trace_id), hex(&exemplar.span_id))).collect()
    };
    match &metric.data {
        Some(Data::Histogram(data)) => data.data_points.iter().map(|point| shown(&point.exemplars)).collect(),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter().map(|point| shown(&point.exemplars)).collect()
        }
        _ => Vec::new(),
    }
}

fn points(metric: &proto::Metric) -> Vec<(Attributes, Point)> {
    use proto::metric::Data;
    let number = |point: &proto::NumberDataPoint| match point.value {
        Some(proto::number_data_point::Value::AsDouble(value)) => value,
        Some(proto::number_data_point::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    match &metric.data {
        Some(Data::Histogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|point| {
                let (count, sum) = (point.count, point.sum.unwrap_or(f64::NAN));
                let (bounds, buckets) = (point.explicit_bounds.clone(), point.bucket_counts.clone());
                (attributes(&point.attributes), Point::Histogram { count, sum, bounds, buckets })
            })
            .collect(),
        Some(Data::ExponentialHistogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|point| {
                let (count, sum, scale) = (point.count, point.sum.unwrap_or(f64::NAN), point.scale);
                let buckets = point.positive.as_ref().map(|positive| positive.bucket_counts.clone());
                let buckets = buckets.unwrap_or_default();
                (attributes(&point.attributes), Point::Exponential { count, sum, scale, buckets })
            })
            .collect(),
        Some(Data::Sum(sum)) => {
            let monotonic = sum.is_monotonic;
            let point = |point| Point::Sum { value: number(point), monotonic };
            sum.data_points.iter().map(|each| (attributes(&each.attributes), point(each))).collect()
        }
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.iter().map(|each| (attributes(&each.attributes), Point::Gauge(number(each)))).collect()
        }
        _ => Vec::new(),
    }
}

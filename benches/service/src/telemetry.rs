//! What it takes by hand: three providers, layers for the server, the client and the pool, a bridge for the log records.

use axum::Router;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

pub fn init() -> Result<Telemetry, Box<dyn std::error::Error>> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = Resource::builder().build();
    let traces = SdkTracerProvider::builder().with_resource(resource.clone());
    let traces = traces.with_batch_exporter(SpanExporter::builder().with_http().build()?).build();
    let metrics = SdkMeterProvider::builder().with_resource(resource.clone());
    let metrics = metrics.with_periodic_exporter(MetricExporter::builder().with_http().build()?).build();
    let logs = SdkLoggerProvider::builder().with_resource(resource);
    let logs = logs.with_batch_exporter(LogExporter::builder().with_http().build()?).build();
    global::set_tracer_provider(traces.clone());
    global::set_meter_provider(metrics.clone());

    // The exporter's own client is left out.
    let spans = EnvFilter::try_new("info,otel=trace,otel::tracing=trace,hyper=off,reqwest::=off")?;
    let records = EnvFilter::try_new("info,otel=off,hyper=off,reqwest=off,opentelemetry=off,sqlx=off")?;
    let bridge = opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge::new(&logs);
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("service")).with_filter(spans))
        .with(bridge.with_filter(records))
        .with(tracing_subscriber::fmt::layer().with_filter(EnvFilter::from_default_env()))
        .init();
    Ok(Telemetry { traces, metrics, logs })
}

pub fn client(client: reqwest::Client) -> reqwest_middleware::ClientWithMiddleware {
    reqwest_middleware::ClientBuilder::new(client).with(reqwest_tracing::TracingMiddleware::default()).build()
}

pub fn layers<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let router = router.layer(axum_tracing_opentelemetry::middleware::OtelAxumLayer::default());
    router.layer(axum_otel_metrics::HttpMetricsLayerBuilder::new().build())
}

impl Telemetry {
    pub fn shutdown(self) {
        for result in [self.traces.shutdown(), self.metrics.shutdown(), self.logs.shutdown()] {
            if let Err(error) = result {
                eprintln!("{error}");
            }
        }
    }
}

//! Measures spans and events of `tracing`: with the argument `sdk`, exported by an SDK in the program.

use std::hint::black_box;
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use tracing::{info, info_span, trace_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Takes spans and sends nothing: what is measured is the program's own work.
#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

/// Spans of one burst: fewer than any queue between here and an exporter holds.
const BURST: u32 = 500;

/// The nanoseconds of one call: those of the fastest of many bursts, between which whoever takes the spans catches up.
fn measure(name: &str, mut call: impl FnMut(u32)) {
    let mut best = f64::MAX;
    for _ in 0..100 {
        let start = Instant::now();
        (0..BURST).for_each(&mut call);
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(BURST));
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{name:<36}{best:>10.1} ns");
}

#[tracing::instrument]
fn instrumented(order: u32, item: &str) -> u32 {
    black_box(order + item.len() as u32)
}

fn main() {
    let provider = std::env::args().any(|arg| arg == "sdk").then(|| {
        let provider = SdkTracerProvider::builder().with_span_processor(BatchSpanProcessor::builder(Discard).build()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("own-spans"));
        tracing_subscriber::registry().with(layer).init();
        provider
    });
    measure("span below the level", |number| {
        black_box(trace_span!("hidden", number));
    });
    measure("span, entered, no fields", |_| info_span!("work").in_scope(|| black_box(())));
    measure("span, entered, two fields", |number| info_span!("work", number, item = "apple").in_scope(|| black_box(())));
    measure("#[instrument], two arguments", |number| {
        black_box(instrumented(number, "apple"));
    });
    measure("event in a span, two fields", {
        let span = info_span!("work").entered();
        move |number| {
            black_box(&span);
            info!(number, item = "apple", "sold");
        }
    });
    if let Some(provider) = provider {
        provider.shutdown().expect("the processor ends");
    }
}

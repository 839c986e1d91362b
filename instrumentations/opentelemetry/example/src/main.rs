//! A shop's day, counted and traced with OpenTelemetry's API. No provider, no exporter, no flush: `otel-rs instrument` sees
//! to that.

mod order;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use opentelemetry::{global, KeyValue};

fn main() {
    let meter = global::meter("shop");

    // Things that happen are counted.
    let sales = meter.u64_counter("shop.sales").with_unit("{sale}").with_description("Sales.").build();
    // What comes and goes.
    let visitors = meter.i64_up_down_counter("shop.visitors").with_unit("{visitor}").build();
    // How long, how much, how many: by size.
    let baskets = meter
        .f64_histogram("shop.basket.value")
        .with_unit("EUR")
        .with_description("What a sale brings.")
        .with_boundaries(vec![5.0, 10.0, 50.0, 100.0])
        .build();
    // A level that is set.
    let temperature = meter.f64_gauge("shop.temperature").with_unit("Cel").build();

    // Values that are kept elsewhere are looked up when metrics are read.
    let stock = Arc::new(AtomicU64::new(100));
    let delivered = Arc::new(AtomicU64::new(0));
    let (stocked, left, came) = (Arc::clone(&stock), Arc::clone(&stock), Arc::clone(&delivered));
    meter
        .i64_observable_up_down_counter("shop.stock")
        .with_unit("{item}")
        .with_callback(move |observer| observer.observe(stocked.load(Relaxed) as i64, &[]))
        .build();
    meter
        .u64_observable_counter("shop.deliveries")
        .with_unit("{delivery}")
        .with_callback(move |observer| observer.observe(came.load(Relaxed), &[]))
        .build();
    meter
        .f64_observable_gauge("shop.stock.share")
        .with_callback(move |observer| observer.observe(left.load(Relaxed) as f64 / 100.0, &[]))
        .build();

    for (product, price) in [("tea", 4.5), ("pot", 39.0), ("tea", 9.0), ("kettle", 120.0)] {
        visitors.add(1, &[]);
        sales.add(1, &[KeyValue::new("product", product)]);
        baskets.record(price, &[]);
        stock.fetch_sub(1, Relaxed);
        visitors.add(-1, &[]);
    }
    visitors.add(2, &[]);
    delivered.fetch_add(1, Relaxed);
    temperature.record(21.5, &[]);

    order::take();
}

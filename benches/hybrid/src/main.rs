//! What a measurement costs: with whatever provider there is, or with the SDK's for `measurements sdk`.

use std::hint::black_box;
use std::time::Instant;

use opentelemetry::{global, KeyValue};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

const TIMES: u32 = 1_000_000;
const ROUNDS: usize = 15;

/// The best of several rounds, in nanoseconds.
fn show(what: &str, work: impl Fn()) {
    let round = |_| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
    };
    println!("{what:<36}{:>8.1} ns", (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min));
}

fn three() -> [KeyValue; 3] {
    [KeyValue::new("product", "tea"), KeyValue::new("store", "north"), KeyValue::new("paid", "card")]
}

fn main() {
    if std::env::args().any(|argument| argument == "sdk") {
        global::set_meter_provider(SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build());
    }
    let meter = global::meter("shop");
    let sales = meter.u64_counter("shop.sales").build();
    let prices = meter.f64_histogram("shop.prices").build();
    let made_before = three();
    let bound = sales.bind(&made_before);

    show("array of 3 attributes alone", || {
        black_box(three());
    });
    show("add, 3 literal attributes", || sales.add(1, &black_box(three())));
    show("add, a slice of 3 made before", || sales.add(1, black_box(&made_before)));
    show("add, no attributes", || sales.add(1, black_box(&[])));
    show("add, one attribute with a String", || {
        sales.add(1, &[KeyValue::new("product", black_box("tea").to_owned())]);
    });
    show("bound add", || bound.add(black_box(1)));
    show("histogram, 3 literal attributes", || prices.record(12.5, &black_box(three())));
}

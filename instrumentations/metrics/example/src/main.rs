//! A shop's day, counted with the facade `metrics`. No recorder, no exporter: `otel-rs instrument` sees to that.

use metrics::{counter, describe_counter, describe_histogram, gauge, histogram, Unit};

fn main() {
    describe_counter!("shop.sales", Unit::Count, "Sales.");
    describe_histogram!("shop.wait", Unit::Seconds, "How long customers wait.");

    for (product, waited) in [("tea", 0.02), ("pot", 0.3), ("tea", 4.0)] {
        gauge!("shop.visitors").increment(1);
        counter!("shop.sales", "product" => product).increment(1);
        histogram!("shop.wait").record(waited);
        gauge!("shop.visitors").decrement(1);
    }
    gauge!("shop.temperature").set(21.5);
    // A total that something else counts.
    counter!("shop.deliveries").absolute(7);
}

pub fn run() {
    crate::otel_rs::first(); crate::otel_rs::second(); one();
}

fn one() {}

pub fn run() { crate::otel_rs::first(); one(); two(); crate::otel_rs::last(); // both
}

fn one() {}

fn two() {}

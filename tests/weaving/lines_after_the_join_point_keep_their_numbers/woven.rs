macro_rules! sum {
    ($($term:expr),*) => { 0 $(+ $term)* };
}

pub fn run(x: u32, y: u32) -> (u32, u32) {
    let both = { crate::otel_rs::before(); sum!(x, // one
        y, x, y) }

;
    (both, line!())
}

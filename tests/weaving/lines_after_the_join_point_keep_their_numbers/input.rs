macro_rules! sum {
    ($($term:expr),*) => { 0 $(+ $term)* };
}

pub fn run(x: u32, y: u32) -> (u32, u32) {
    let both = sum!(
        x, // one
        y
    );
    (both, line!())
}

pub fn run() -> u32 {
    same(x)
}

#[allow(non_upper_case_globals)]
const x: u32 = 1;

fn same(value: u32) -> u32 {
    value
}

pub(crate) fn seen(x: u32) -> u32 {
    x
}

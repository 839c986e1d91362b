pub(crate) fn seen(value: u32) -> u32 {
    value
}

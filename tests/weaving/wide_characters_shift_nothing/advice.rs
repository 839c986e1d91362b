pub(crate) fn seen(text: &str) -> &str {
    text
}

pub(crate) fn ready(value: u32) -> Result<u32, String> {
    Ok(value)
}

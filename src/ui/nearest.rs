//! The name that a misspelt one was meant to be.

/// Letters that may differ at most, however long a name is.
const MOST: usize = 3;

/// The known name that is closest to a misspelt one, if it is close: a quarter of the letters may differ, and one more.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let with_distance = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, nearest) = with_distance.min()?;
    (distance <= MOST.min(1 + name.chars().count() / 4)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_name_is_close_and_another_is_not() {
        let of = |name| nearest(name, ["hyper", "tokio-postgres", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
        assert_eq!(of("hypr"), Some("hyper"));
        assert_eq!(of("OTEL_EXPORTER_OTLP_ENPOINT"), Some("OTEL_EXPORTER_OTLP_ENDPOINT"));
        assert_eq!(of("OTEL_EXPORTER_ZIPKIN_ENDPOINT"), None);
        assert_eq!(of("tokio"), None);
        assert_eq!(nearest("hyper", []), None);
    }
}

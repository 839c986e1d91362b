//! The name that a misspelt one was meant to be.

/// Letters of a variable's name that may differ at most: variables have long parts in common.
const MOST_OF_A_VARIABLE: usize = 3;

/// The known name that is closest to a misspelt one, if it is close: as many letters may differ as are in a quarter of the
/// misspelt name, and one more. Of names as close as each other it is the first of the alphabet.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    within(name, usize::MAX, known)
}

/// The same of variables, of whose letters three may differ at most.
pub(crate) fn nearest_variable<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    within(name, MOST_OF_A_VARIABLE, known)
}

fn within<'k>(name: &str, most: usize, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let with_distance = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, nearest) = with_distance.min()?;
    (distance <= most.min(1 + name.chars().count() / 4)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_variable};

    #[test]
    fn a_misspelt_name_is_close_and_another_is_not() {
        let of = |name| nearest(name, ["hyper", "tokio-postgres"]);
        assert_eq!(of("hypr"), Some("hyper"));
        assert_eq!(of("tokio"), None);
        assert_eq!(nearest("hyper", []), None);
    }

    #[test]
    fn a_quarter_of_a_long_name_may_differ_and_one_letter_more() {
        // 22 letters and 6 that differ; 21 letters and 7.
        let of = |name| nearest(name, ["attribute_value_length_limit"]);
        assert_eq!(of("attribute_length_limit"), Some("attribute_value_length_limit"));
        assert_eq!(of("attribute_lengthlimit"), None);
    }

    #[test]
    fn three_letters_of_a_variable_may_differ() {
        let of = |name| nearest_variable(name, ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_CONFIG_FILE"]);
        assert_eq!(of("OTEL_EXPORTER_OTLP_ENPOINT"), Some("OTEL_EXPORTER_OTLP_ENDPOINT"));
        assert_eq!(of("OTEL_EXPORTER_OTLP_ENDPNTT"), Some("OTEL_EXPORTER_OTLP_ENDPOINT"));
        assert_eq!(of("OTEL_EXPORTER_OTLP_ENDPTS"), None);
        assert_eq!(of("OTEL_EXPORTER_ZIPKIN_ENDPOINT"), None);
    }
}

//! Patterns in which `*` stands for any characters, none included. They match as a whole.

/// Whether `pattern` matches the text that `at` spells byte by byte. Takes no more steps than the product of both
/// lengths, whatever they hold: only the last `*` is ever tried again.
pub(crate) fn matches(pattern: &[u8], at: impl Fn(usize) -> Option<u8>) -> bool {
    let (mut here, mut there) = (0, 0);
    let mut star = None;
    loop {
        match (pattern.get(here), at(there)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                here += 1;
                star = Some((here, there));
            }
            (Some(expected), Some(found)) if *expected == found => {
                here += 1;
                there += 1;
            }
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                here = after;
                there = from + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_match_anything_and_other_characters_themselves() {
        for (pattern, text, expected) in [
            ("/health", "/health", true),
            ("/health", "/healthy", false),
            ("/health", "/v1/health", false),
            ("/internal/*", "/internal/", true),
            ("/internal/*", "/internal/a/b", true),
            ("/internal/*", "/internal", false),
            ("*/health", "/v1/health", true),
            ("*/health", "/health/health", true),
            ("/a*b*c", "/abbc", true),
            ("/a*b*c", "/acb", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**", "a", true),
            ("*a", "aab", false),
            ("*ab", "aaab", true),
        ] {
            let bytes = text.as_bytes();
            assert_eq!(matches(pattern.as_bytes(), |at| bytes.get(at).copied()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_pattern_is_matched_in_bounded_time() {
        let (pattern, text) = ("*a".repeat(200) + "b", "a".repeat(20_000));
        assert!(!matches(pattern.as_bytes(), |at| text.as_bytes().get(at).copied()));
    }
}

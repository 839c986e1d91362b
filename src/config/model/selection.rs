//! Names chosen by patterns.

/// Names that are included and not excluded. Patterns: `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    /// `None` for all.
    pub(crate) included: Option<Vec<String>>,
    pub(crate) excluded: Vec<String>,
}

impl Selection {
    /// Whether a name is among the chosen.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob_matches(pattern, name));
        self.included.as_ref().is_none_or(|included| any(included)) && !any(&self.excluded)
    }
}

/// Whether `pattern` matches the whole of `text`: `*` stands for any characters, `?` for one.
pub(crate) fn glob_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // The pattern behind the last `*`, and the text from where that is tried next.
    let mut retry = None;
    loop {
        let (mut rest, mut read) = (pattern.clone(), text.clone());
        match (rest.next(), read.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((rest.clone(), text.clone()));
                pattern = rest;
            }
            (Some(expected), Some(found)) if expected == '?' || expected == found => (pattern, text) = (rest, read),
            (_, None) => return false,
            _ => {
                let Some((behind, from)) = &mut retry else { return false };
                from.next();
                (pattern, text) = (behind.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a.b", true),
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.?", "a.b", true),
            ("a.?", "a.", false),
            ("*.b", "a.b.b", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("a**", "a", true),
            ("ä?ü", "äöü", true),
            ("*ab", "aaab", true),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        assert!(!glob_matches(&("*a".repeat(200) + "b"), &"a".repeat(20_000)));
    }

    #[test]
    fn excluded_names_are_not_selected() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let chosen = Selection { included: Some(texts(&["a.*", "b"])), excluded: texts(&["*.secret"]) };
        assert!(chosen.keeps("a.x") && chosen.keeps("b"));
        assert!(!chosen.keeps("c") && !chosen.keeps("a.secret"));
        assert!(Selection::default().keeps("anything"));
    }
}

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
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
        self.included.as_ref().is_none_or(|included| any(included)) && !any(&self.excluded)
    }
}

/// Whether `text` is what `pattern` stands for: `*` for any characters, `?` for one.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to go on when the text behind a `*` turns out to be longer.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                at = back + 1;
                read = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
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
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_included() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let chosen = Selection { included: Some(texts(&["a.*", "b"])), excluded: texts(&["*.secret"]) };
        assert!(chosen.keeps("a.x") && chosen.keeps("b"));
        assert!(!chosen.keeps("c") && !chosen.keeps("a.secret"));
        assert!(Selection::default().keeps("anything"));
    }
}

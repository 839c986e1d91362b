//! Directives: which targets are recorded, and from which severity on.

use crate::wire;

/// A list as `tracing-subscriber`'s `EnvFilter` and `env_logger` have it: `info,hyper=off,shop::db=debug`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directives(Vec<Directive>);

#[derive(Debug, PartialEq, Eq)]
struct Directive {
    /// How targets begin that it is for; empty for all.
    target: String,
    /// The least severity number that is recorded.
    least: u8,
}

/// Records nothing.
const OFF: u8 = u8::MAX;

/// What directives decide about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A directive names the target, or how it begins.
    Named(bool),
    /// The directive for all targets decides, or, where there is none, the default: no.
    General(bool),
}

impl Directives {
    /// Reads directives that the launcher has validated; what it has not is left out.
    pub(super) fn new(items: &[String]) -> Directives {
        Directives(items.iter().filter_map(|item| Directive::parse(item)).collect())
    }

    /// Decides by the directive with the longest target; of several with the same, by the last.
    pub(crate) fn verdict(&self, target: &str, severity: u8) -> Verdict {
        let fitting = self.0.iter().filter(|directive| target.starts_with(&directive.target));
        match fitting.max_by_key(|directive| directive.target.len()) {
            Some(directive) if directive.target.is_empty() => Verdict::General(severity >= directive.least),
            Some(directive) => Verdict::Named(severity >= directive.least),
            None => Verdict::General(false),
        }
    }

    /// The least severity number that any target is recorded from.
    pub(crate) fn least(&self) -> Option<u8> {
        self.0.iter().map(|directive| directive.least).min().filter(|least| *least != OFF)
    }
}

impl Directive {
    fn parse(item: &str) -> Option<Directive> {
        let (target, level) = match item.split_once('=') {
            Some((target, level)) => (target, least(level)?),
            None => match least(item) {
                Some(level) => ("", level),
                // A target alone: all of it.
                None => (item, 1),
            },
        };
        Some(Directive { target: target.to_owned(), least: level })
    }
}

fn least(level: &str) -> Option<u8> {
    let levels = wire::settings::LEVELS;
    levels.iter().find(|(name, _)| name.eq_ignore_ascii_case(level)).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(text: &str) -> Directives {
        Directives::new(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_target_decides() {
        let all = directives("info,noisy=off,shop=debug,shop::db=WARN,shop::db=error,tower");
        for (target, severity, expected) in [
            ("other", 9, Verdict::General(true)),
            ("other", 5, Verdict::General(false)),
            ("noisy::inner", 17, Verdict::Named(false)),
            ("shop", 5, Verdict::Named(true)),
            ("shop::cart", 1, Verdict::Named(false)),
            ("shop::db", 13, Verdict::Named(false)),
            ("shop::db::pool", 17, Verdict::Named(true)),
            ("tower", 1, Verdict::Named(true)),
        ] {
            assert_eq!(all.verdict(target, severity), expected, "{target} {severity}");
        }
        assert_eq!(all.least(), Some(1));
    }

    #[test]
    fn what_no_directive_is_for_is_not_recorded() {
        let named = directives("shop=info,hyper=off");
        assert_eq!(named.verdict("other", 21), Verdict::General(false));
        assert_eq!(named.least(), Some(9));
        assert_eq!(directives("off").least(), None);
        assert_eq!(directives("shop=loud").least(), None);
    }
}

//! What is understood and changes nothing here, because otel-rs has always done so, or never does.

use super::resolve::{ConfigError, Sources, variable};
use super::value;
use super::variables::Kind;

const STABILITY: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";
const EXCEPTIONS: &str = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";
const LINKS: [&str; 2] = ["OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"];

impl Sources<'_> {
    /// Conventions to switch to. Each word is for instrumentations of one kind, so that one which nobody here knows
    /// does not spoil the others.
    pub(super) fn opt_in(&mut self) -> Result<(), ConfigError> {
        let Kind::List(known) = variable(STABILITY).kind else { return Ok(()) };
        let mut is_twice = false;
        for word in self.get(STABILITY, value::words)?.unwrap_or_default() {
            match value::choice(&word, known) {
                Ok(word) => is_twice |= word.ends_with("/dup"),
                Err(expected) => self.refuse_part(STABILITY, &word, &expected)?,
            }
        }
        if is_twice {
            let message = "`/dup` in `OTEL_SEMCONV_STABILITY_OPT_IN` has no effect: otel-rs tells everything by the \
                           stable conventions and never did by older ones";
            self.warn(STABILITY, message.into(), None);
        }
        if self.choice(EXCEPTIONS)? == Some("logs/dup") {
            let message = "`/dup` in `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` has no effect: otel-rs tells exceptions by \
                           log records and never did by events of spans";
            self.warn(EXCEPTIONS, message.into(), None);
        }
        Ok(())
    }

    /// Limits for what there is none of.
    pub(super) fn limits_of_links(&mut self) -> Result<(), ConfigError> {
        for name in LINKS {
            if self.get(name, value::limit)?.is_some() {
                let message = format!("`{name}` has no effect: no span that otel-rs tells of has links");
                self.warn(name, message, None);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Resolved, resolve};
    use crate::ui::Explain as _;

    fn with(name: &str, value: &str) -> Resolved {
        resolve(&[], &|asked| (asked == name).then(|| value.to_owned())).unwrap()
    }

    fn warnings(resolved: &Resolved) -> Vec<String> {
        resolved.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_word_stands_for_itself() {
        assert_eq!(warnings(&with(STABILITY, "http,rpc,messaging,gen_ai_latest_experimental")), [""; 0]);
        let some = with(STABILITY, "http, quantum, rpc");
        let [warning] = &warnings(&some)[..] else { panic!("{:?}", some.warnings) };
        assert!(
            warning.starts_with(&format!("ignoring `quantum` in `{STABILITY}`: expected one of `http`")),
            "{warning}"
        );
        let setting = some.settings.iter().find(|setting| setting.env == STABILITY).unwrap();
        assert_eq!(setting.origin, Origin::Environment, "the others count");
        for both in ["rpc/dup,messaging/dup", "http,database/dup"] {
            let [warning] = &warnings(&with(STABILITY, both))[..] else { panic!("{both}") };
            assert!(warning.contains("has no effect"), "{warning}");
        }
        let none = with(STABILITY, "quantum");
        assert_eq!(none.warnings[0].hint().unwrap(), format!("correct `{STABILITY}` or unset it"));
        let error = resolve(&[(STABILITY, "http,quantum".into())], &|_| None).unwrap_err().to_string();
        assert!(error.starts_with("cannot use `quantum` for `--semconv-stability-opt-in`"), "{error}");
    }

    #[test]
    fn exceptions_are_told_by_log_records() {
        assert_eq!(warnings(&with(EXCEPTIONS, "logs")), [""; 0]);
        assert!(warnings(&with(EXCEPTIONS, "logs/dup"))[0].contains("has no effect"));
        assert!(warnings(&with(EXCEPTIONS, "spans"))[0].contains("expected one of `logs`, `logs/dup`"));
    }

    #[test]
    fn a_limit_of_links_is_said_to_be_in_vain() {
        for name in LINKS {
            assert_eq!(
                warnings(&with(name, "3")),
                [format!("`{name}` has no effect: no span that otel-rs tells of has links")]
            );
            assert!(warnings(&with(name, "many"))[0].contains("expected a whole number"));
        }
    }
}

//! Variables that are read and change nothing, because otel-rs always does what they ask for, or never does.

use crate::config::registry::{
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN, OTEL_SEMCONV_STABILITY_OPT_IN,
    OTEL_SPAN_LINK_COUNT_LIMIT, VARIABLES, ValueKind,
};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

/// Warns of variables that are set and have no effect.
pub(super) fn warn(settings: &mut Settings) -> Result<(), BadFlag> {
    stability(settings)?;
    exceptions(settings)?;
    links(settings)?;
    for variable in VARIABLES {
        if let ValueKind::Unsupported(instead) = variable.kind
            && settings.get(variable, |text| Ok(text.to_owned()))?.is_some()
        {
            let message = format!("`{}` has no effect: it is not supported", variable.env);
            settings.warnings.warn(variable.env, message, Some(instead.into()));
        }
    }
    Ok(())
}

/// Conventions to switch to. Each word is for instrumentations of one kind, so that an unknown one does not spoil the
/// others.
fn stability(settings: &mut Settings) -> Result<(), BadFlag> {
    let variable = &OTEL_SEMCONV_STABILITY_OPT_IN;
    let mut is_twice = false;
    for word in settings.get(variable, text::words)?.unwrap_or_default() {
        match text::choice(&word, variable.words()) {
            Ok(word) => is_twice |= word.ends_with("/dup"),
            Err(expected) => settings.refuse_part(variable, &word, &expected)?,
        }
    }
    if is_twice {
        let message = "`/dup` in `OTEL_SEMCONV_STABILITY_OPT_IN` has no effect: otel-rs records by the stable \
                       conventions only";
        settings.warnings.warn(variable.env, message.into(), None);
    }
    Ok(())
}

fn exceptions(settings: &mut Settings) -> Result<(), BadFlag> {
    let variable = &OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN;
    if settings.choice(variable)? == Some("logs/dup") {
        let message = "`/dup` in `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` has no effect: otel-rs records exceptions as \
                       log records, never as events of spans";
        settings.warnings.warn(variable.env, message.into(), None);
    }
    Ok(())
}

/// Limits of links, which spans of otel-rs do not have.
fn links(settings: &mut Settings) -> Result<(), BadFlag> {
    for variable in [OTEL_SPAN_LINK_COUNT_LIMIT, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT] {
        if settings.get(&variable, text::limit)?.is_some() {
            let message = format!("`{}` has no effect: otel-rs never records span links", variable.env);
            settings.warnings.warn(variable.env, message, None);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Resolved, ValueSource, resolve};
    use crate::ui::Explain as _;

    const STABILITY: &str = OTEL_SEMCONV_STABILITY_OPT_IN.env;
    const EXCEPTIONS: &str = OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN.env;

    fn with(name: &str, value: &str) -> Resolved {
        resolve(&[], &|read| (read == name).then(|| value.to_owned())).unwrap()
    }

    fn warnings(resolved: &Resolved) -> Vec<String> {
        resolved.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_word_does_not_spoil_the_others() {
        assert_eq!(warnings(&with(STABILITY, "http,rpc,messaging,gen_ai_latest_experimental")), [""; 0]);
        let some = with(STABILITY, "http, quantum, rpc");
        let [warning] = &warnings(&some)[..] else { panic!("{:?}", some.warnings) };
        assert!(
            warning.starts_with(&format!("ignoring `quantum` in `{STABILITY}`: expected one of `http`")),
            "{warning}"
        );
        let setting = some.settings.iter().find(|setting| setting.env == STABILITY).unwrap();
        assert_eq!(setting.source, ValueSource::Environment, "the others count");
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
    fn exceptions_are_recorded_as_log_records_only() {
        assert_eq!(warnings(&with(EXCEPTIONS, "logs")), [""; 0]);
        assert!(warnings(&with(EXCEPTIONS, "logs/dup"))[0].contains("has no effect"));
        assert!(warnings(&with(EXCEPTIONS, "spans"))[0].contains("expected one of `logs`, `logs/dup`"));
    }

    #[test]
    fn a_limit_of_links_is_warned_of() {
        for name in [OTEL_SPAN_LINK_COUNT_LIMIT.env, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT.env] {
            assert_eq!(
                warnings(&with(name, "3")),
                [format!("`{name}` has no effect: otel-rs never records span links")]
            );
            assert!(warnings(&with(name, "many"))[0].contains("expected a whole number"));
        }
    }
}

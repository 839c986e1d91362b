//! The sampler and its argument.

use crate::config::model::Sampler;
use crate::config::registry::{OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, is_remote_sampler};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

pub(super) fn read(settings: &mut Settings) -> Result<Sampler, BadFlag> {
    let mut sampler = Sampler::default();
    if let Some(name) = settings.choice(&OTEL_TRACES_SAMPLER)? {
        sampler.name = name;
    }
    // The argument of a remote sampler has another form. The warning of the sampler covers it.
    if !is_remote(settings) {
        settings.read(&mut sampler.ratio, &OTEL_TRACES_SAMPLER_ARG, text::fraction)?;
    }
    Ok(sampler)
}

/// Whether the sampler is one that fetches its decisions from a server, which otel-rs does not support.
pub(in crate::config) fn is_remote(settings: &Settings) -> bool {
    settings.given(&OTEL_TRACES_SAMPLER).is_some_and(is_remote_sampler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::registry::{NO_REMOTE_SAMPLER, REMOTE_SAMPLERS};
    use crate::config::{ValueSource, resolve};
    use crate::ui::Explain as _;

    const NAME: &str = OTEL_TRACES_SAMPLER.env;
    const ARGUMENT: &str = OTEL_TRACES_SAMPLER_ARG.env;

    #[test]
    fn a_remote_sampler_is_refused_with_the_alternative() {
        for remote in REMOTE_SAMPLERS {
            let env = |name: &str| match name {
                NAME => Some(remote.to_owned()),
                ARGUMENT => Some("endpoint=http://localhost:14250,pollingIntervalMs=5000".to_owned()),
                _ => None,
            };
            let found = resolve(&[], &env).unwrap();
            assert_eq!(found.config.sampler, Sampler { name: "parentbased_always_on", ratio: 1.0 });
            let [warning] = &found.warnings[..] else { panic!("one is enough: {:?}", found.warnings) };
            assert!(warning.to_string().contains(&format!("ignoring `{remote}` in `{NAME}`")), "{warning}");
            let hint = warning.hint().unwrap();
            assert!(
                hint.starts_with(NO_REMOTE_SAMPLER) && hint.contains("until then `parentbased_always_on` is used"),
                "{hint}"
            );
            let source = |name| found.settings.iter().find(|setting| setting.env == name).unwrap().source;
            assert_eq!((source(NAME), source(ARGUMENT)), (ValueSource::Default, ValueSource::Default));
            let error = resolve(&[(NAME, remote.to_owned())], &env).unwrap_err();
            assert_eq!(error.hint().unwrap(), NO_REMOTE_SAMPLER);
        }
        let both = |name: &str| {
            [(NAME, "traceidratio"), (ARGUMENT, "many")].iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(resolve(&[], &both).unwrap().warnings.len(), 1, "the argument of a supported sampler is checked");
    }
}

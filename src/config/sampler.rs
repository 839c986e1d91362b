//! The sampler and its argument.

use super::resolve::{ConfigError, Sources};
use super::{Sampler, value};

const NAME: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
/// Specified samplers that ask a server what to sample.
const REMOTE: [&str; 3] = ["jaeger_remote", "parentbased_jaeger_remote", "xray"];
/// What to do in their place.
const NOT_REMOTE: &str = "otel-rs asks no server what to sample: use `parentbased_traceidratio` with a share in \
                          `OTEL_TRACES_SAMPLER_ARG`, or sample in a collector";

/// Advice for a sampler that is specified and not to be had.
pub(super) fn in_place_of(name: &str, text: &str) -> Option<&'static str> {
    let is_remote = || REMOTE.iter().any(|remote| text.trim().eq_ignore_ascii_case(remote));
    (name == NAME && is_remote()).then_some(NOT_REMOTE)
}

impl Sources<'_> {
    pub(super) fn sampler(&mut self) -> Result<Sampler, ConfigError> {
        let name = self.choice(NAME)?.unwrap_or("parentbased_always_on");
        let ratio = match self.is_for_another_sampler(ARGUMENT) {
            true => 1.0,
            false => self.or_default(ARGUMENT, value::fraction)?,
        };
        Ok(Sampler { name, ratio })
    }

    /// Whether a variable is the argument of a sampler that is not to be had, and so in the language of that. What is
    /// wrong has then been said of the sampler.
    pub(super) fn is_for_another_sampler(&self, name: &str) -> bool {
        let sampler = || self.flag(NAME).cloned().or_else(|| self.in_environment(NAME)).unwrap_or_default();
        name == ARGUMENT && in_place_of(NAME, &sampler()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, resolve};
    use crate::ui::Explain as _;

    #[test]
    fn who_knows_a_remote_sampler_learns_what_to_use() {
        for remote in REMOTE {
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
                hint.starts_with(NOT_REMOTE) && hint.contains("until then `parentbased_always_on` is used"),
                "{hint}"
            );
            let origin = |name| found.settings.iter().find(|setting| setting.env == name).unwrap().origin;
            assert_eq!((origin(NAME), origin(ARGUMENT)), (Origin::Default, Origin::Default));
            let error = resolve(&[(NAME, remote.to_owned())], &env).unwrap_err();
            assert_eq!(error.hint().unwrap(), NOT_REMOTE);
        }
        let both = |name: &str| {
            [(NAME, "traceidratio"), (ARGUMENT, "many")].iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(resolve(&[], &both).unwrap().warnings.len(), 1, "an argument of our own samplers is looked at");
    }
}

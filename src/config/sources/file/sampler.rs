//! `tracer_provider.sampler`: which traces are recorded.

use super::walk::{Field, Map};
use crate::config::model::Sampler;
use crate::config::text;

const KNOWN: &[&str] = &["always_on", "always_off", "trace_id_ratio_based", "parent_based"];
/// Samplers of the schema that are not supported.
const UNSUPPORTED: &[&str] = &["always_record", "composite", "jaeger_remote", "probability"];

pub(super) fn read(sampler: Option<Field>) -> Sampler {
    sampler.and_then(|sampler| any(&sampler)).unwrap_or_default()
}

fn any(sampler: &Field) -> Option<Sampler> {
    let (name, settings) = sampler.choice()?;
    if name == "parent_based" {
        return Some(parent_based(&settings));
    }
    simple(name, &settings, ["always_on", "always_off", "traceidratio"], "`parent_based` with root `always_on` is used")
}

fn parent_based(settings: &Map) -> Sampler {
    for (branch, decision) in [
        ("remote_parent_sampled", "always_on"),
        ("remote_parent_not_sampled", "always_off"),
        ("local_parent_sampled", "always_on"),
        ("local_parent_not_sampled", "always_off"),
    ] {
        if let Some(field) = settings.get(branch)
            && let Some((name, settings)) = field.choice()
            && name != decision
        {
            settings.unsupported_choice(&format!("`{decision}`, the default of `{branch}`, is used"));
        }
    }
    let names = ["parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"];
    let root = settings.get("root").and_then(|root| {
        let (name, settings) = root.choice()?;
        simple(name, &settings, names, "`always_on` is used as the root")
    });
    root.unwrap_or(Sampler { name: names[0], ratio: 1.0 })
}

/// A sampler without others in it. `names` are those of the variable; `instead` is what happens without it.
fn simple(name: &str, settings: &Map, names: [&'static str; 3], instead: &str) -> Option<Sampler> {
    let (name, ratio) = match name {
        "always_on" => (names[0], 1.0),
        "always_off" => (names[1], 1.0),
        "trace_id_ratio_based" => (names[2], settings.get("ratio").and_then(|ratio| fraction(&ratio)).unwrap_or(1.0)),
        _ if UNSUPPORTED.contains(&name) || name == "parent_based" => {
            settings.unsupported_choice(instead);
            return None;
        }
        _ => {
            settings.unknown_choice(name, KNOWN);
            return None;
        }
    };
    Some(Sampler { name, ratio })
}

fn fraction(ratio: &Field) -> Option<f64> {
    let number = ratio.number()?;
    text::fraction(&number.to_string()).map_err(|expected| ratio.wrong(&expected)).ok()
}

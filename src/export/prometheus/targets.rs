//! The labels that distinguish the series of several programs on one page: `job` and `instance`, made of the resource as the
//! specification has it for everything that shows metrics of several targets.

use opentelemetry::Key;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_semantic_conventions::attribute as name;

use crate::signals::metrics::data::Collected;

/// Labels by name.
pub(super) type Labels = Vec<(String, String)>;

/// The labels of each program; none where there is one alone. No two are the same, whatever the resources hold.
pub(super) fn targets(all: &[&Collected]) -> Vec<Labels> {
    if all.len() < 2 {
        return vec![Labels::new(); all.len()];
    }
    let mut targets: Vec<Labels> = Vec::new();
    for (number, program) in all.iter().enumerate() {
        let get = |key| attribute(&program.metrics, key).filter(|text| !text.is_empty());
        let service = get(name::SERVICE_NAME).unwrap_or_default();
        let job = get(name::SERVICE_NAMESPACE).map_or_else(|| service.clone(), |space| format!("{space}/{service}"));
        let instance = get(name::SERVICE_INSTANCE_ID);
        let labels = |instance| vec![("job".to_owned(), job.clone()), ("instance".to_owned(), instance)];
        // A user may have given all programs the same name and instance.
        let numbered = instance.as_ref().map_or_else(|| number.to_string(), |instance| format!("{instance}/{number}"));
        let target = labels(instance.unwrap_or_default());
        targets.push(if targets.contains(&target) { labels(numbered) } else { target });
    }
    targets
}

fn attribute(of: &ResourceMetrics, key: &'static str) -> Option<String> {
    of.resource().get(&Key::new(key)).map(|value| value.to_string())
}

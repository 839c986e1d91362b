//! How many processes there are and were.

use std::collections::BTreeMap;

use opentelemetry_semantic_conventions::attribute as key;
use procfs::KernelStats;

use super::super::{Point, point};
use super::text;
use crate::conventions::catalog::{SYSTEM_PROCESS_COUNT, SYSTEM_PROCESS_CREATED};

/// Processes and threads that were started since the machine was.
pub(super) fn created(stat: &KernelStats) -> Option<Point> {
    (stat.processes > 0).then(|| point(&SYSTEM_PROCESS_CREATED, &[], stat.processes))
}

/// Reads of every process: not to be read often.
pub(super) fn scan() -> Vec<Point> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    let states = pids.filter_map(|pid| {
        let stat = text(pid.path().join("stat").to_str()?)?;
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    });
    count(states)
}

fn count(states: impl Iterator<Item = char>) -> Vec<Point> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for state in states {
        let state = match state {
            'R' => "running",
            'T' | 't' => "stopped",
            'Z' | 'X' => "defunct",
            _ => "sleeping",
        };
        *counts.entry(state).or_default() += 1;
    }
    let state = |state: &str| [(key::PROCESS_STATE, state.to_owned().into())];
    counts.into_iter().map(|(name, count)| point(&SYSTEM_PROCESS_COUNT, &state(name), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_the_conventions() {
        let points = count("RSSDIZtT".chars());
        let shown: Vec<_> = points.iter().map(|point| point.value).collect();
        assert_eq!(shown, [1.0, 1.0, 4.0, 2.0]);
        assert_eq!(created(&super::super::cpu::tests::stat(1)).unwrap().value, 42.0);
    }
}

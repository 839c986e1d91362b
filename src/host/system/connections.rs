//! Connections of the launcher's network namespace. The kernel walks all its sockets to answer: not to be read often.

use std::collections::BTreeMap;

use opentelemetry_semantic_conventions::attribute as key;

use super::super::{Attribute, Point, point};
use super::text;
use crate::conventions::catalog::SYSTEM_NETWORK_CONNECTION_COUNT;

/// By the numbers of `include/net/tcp_states.h`.
const STATES: &[(&str, &str)] = &[
    ("01", "established"),
    ("02", "syn_sent"),
    ("03", "syn_received"),
    ("04", "fin_wait_1"),
    ("05", "fin_wait_2"),
    ("06", "time_wait"),
    ("07", "closed"),
    ("08", "close_wait"),
    ("09", "last_ack"),
    ("0A", "listen"),
    ("0B", "closing"),
    // A connection half way to being accepted.
    ("0C", "syn_received"),
];

pub(super) fn scan() -> Vec<Point> {
    let both = |name: &str| [format!("/proc/net/{name}"), format!("/proc/net/{name}6")].map(|path| text(&path));
    points(&both("tcp"), &both("udp"))
}

fn points(tcp: &[Option<String>], udp: &[Option<String>]) -> Vec<Point> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let lines = |tables: &[Option<String>]| -> Vec<String> {
        tables.iter().flatten().flat_map(|table| table.lines().skip(1)).map(str::to_owned).collect()
    };
    for line in lines(tcp) {
        let state = line.split_ascii_whitespace().nth(3).unwrap_or_default();
        if let Some((_, state)) = STATES.iter().find(|(number, _)| *number == state) {
            *counts.entry(state).or_default() += 1;
        }
    }
    let transport = |name: &'static str| (key::NETWORK_TRANSPORT, Attribute::from(name));
    let mut points: Vec<Point> = counts
        .into_iter()
        .map(|(state, count)| {
            let state = (key::NETWORK_CONNECTION_STATE, state.to_owned().into());
            point(&SYSTEM_NETWORK_CONNECTION_COUNT, &[transport("tcp"), state], count)
        })
        .collect();
    if udp.iter().any(Option::is_some) {
        points.push(point(&SYSTEM_NETWORK_CONNECTION_COUNT, &[transport("udp")], lines(udp).len()));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_by_state() {
        let tcp = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n\
                   1: 0100007F:1F90 0100007F:C000 01 0\n   2: 0100007F:C000 0100007F:1F90 01 0\n  3: odd\n";
        let udp = "  sl  local_address\n  1: 00000000:0035 00000000:0000 07\n";
        let found = points(&[Some(tcp.into()), None], &[Some(udp.into()), None]);
        let shown: Vec<_> = found.iter().map(|point| (point.attributes.len(), point.value)).collect();
        assert_eq!(shown, [(2, 2.0), (2, 1.0), (1, 1.0)]);
        assert_eq!(found[0].attributes[1].1, Attribute::from("established"));
    }
}

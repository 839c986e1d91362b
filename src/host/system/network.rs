//! Network interfaces, as the launcher sees them: those of its network namespace.

use opentelemetry_semantic_conventions::attribute as key;

use super::super::{Attribute, Point, point};
use crate::conventions::catalog as metric;

/// Of `/proc/net/dev`: two lines of headings, then eight numbers received and eight sent.
pub(super) fn points(text: &str) -> Vec<Point> {
    let mut points = Vec::new();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        let numbers: Vec<u64> = numbers.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
        if numbers.len() < 16 {
            continue;
        }
        for (direction, from) in [("receive", 0), ("transmit", 8)] {
            let [bytes, packets, errors, dropped] = [0, 1, 2, 3].map(|index| numbers[from + index]);
            let name = Attribute::from(name.trim().to_owned());
            let direction = (key::NETWORK_IO_DIRECTION, Attribute::from(direction));
            let interface = [(key::NETWORK_INTERFACE_NAME, name.clone()), direction.clone()];
            points.push(point(&metric::SYSTEM_NETWORK_IO, &interface, bytes));
            points.push(point(&metric::SYSTEM_NETWORK_PACKET_COUNT, &[(key::SYSTEM_DEVICE, name), direction], packets));
            points.push(point(&metric::SYSTEM_NETWORK_ERRORS, &interface, errors));
            points.push(point(&metric::SYSTEM_NETWORK_PACKET_DROPPED, &interface, dropped));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_and_direction_is_measured() {
        let text =
            "Inter-|   Receive\n face |bytes\n  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n    lo: 5 5\n odd\n";
        let points = points(text);
        let of = |name: &str| {
            points.iter().filter(|point| point.metric.name == name).map(|point| point.value).collect::<Vec<_>>()
        };
        assert_eq!(of("system.network.io"), [1000.0, 2000.0]);
        assert_eq!(of("system.network.packet.count"), [10.0, 20.0]);
        assert_eq!(of("system.network.errors"), [1.0, 3.0]);
        assert_eq!(of("system.network.packet.dropped"), [2.0, 4.0]);
    }
}

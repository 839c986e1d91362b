//! OpenTelemetry's names in the letters of Prometheus.

use std::borrow::Cow;

/// Units that Prometheus spells out.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("kBy", "kilobytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("bit", "bits"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// Units behind the slash of a fraction, in the singular.
const PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("min", "minute"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("wk", "week"),
    ("mo", "month"),
    ("a", "year"),
];

/// The name of a metric family, without `_total`, and its unit in Prometheus' words, which then is part of the name.
pub(super) fn family(name: &str, unit: &str, is_gauge: bool, is_counter: bool) -> (String, Option<String>) {
    let mut name = legal(name, true);
    if is_counter && let Some(stem) = name.strip_suffix("_total") {
        name = stem.to_owned();
    }
    let unit = match unit {
        "1" => is_gauge.then(|| "ratio".to_owned()),
        unit => spelled_out(unit),
    };
    let Some(unit) = unit else { return (name, None) };
    let says_it = name.strip_suffix(unit.as_str()).is_some_and(|stem| stem.is_empty() || stem.ends_with('_'));
    if !says_it {
        name = format!("{name}_{unit}");
    }
    (name, Some(unit))
}

/// `s` as `seconds`, `By/s` as `bytes_per_second`, `{request}` not at all.
fn spelled_out(unit: &str) -> Option<String> {
    let unit = without_annotations(unit);
    let (of, per) = unit.split_once('/').map_or((unit.as_str(), ""), |(of, per)| (of, per));
    let known = |of: &str, among: &[(&'static str, &'static str)]| {
        let known = among.iter().find(|(short, _)| *short == of).map(|(_, long)| Cow::Borrowed(*long));
        known.unwrap_or_else(|| Cow::Owned(legal(of.trim(), true).trim_matches('_').to_owned()))
    };
    let (of, per) = (known(of, UNITS), known(per, PER));
    match (of.is_empty(), per.is_empty()) {
        (true, true) => None,
        (false, true) => Some(of.into_owned()),
        (true, false) => Some(format!("per_{per}")),
        (false, false) => Some(format!("{of}_per_{per}")),
    }
}

fn without_annotations(unit: &str) -> String {
    let mut depth = 0usize;
    unit.chars()
        .filter(|c| {
            depth += usize::from(*c == '{');
            let outside = depth == 0;
            depth = depth.saturating_sub(usize::from(*c == '}'));
            outside
        })
        .collect()
}

/// The name of a label.
pub(super) fn label(name: &str) -> String {
    legal(name, false)
}

/// Letters that Prometheus does not allow become `_`, several in a row one `_`; a digit cannot come first.
fn legal(name: &str, with_colon: bool) -> String {
    let mut legal = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || with_colon && c == ':' { c } else { '_' };
        if legal.is_empty() && c.is_ascii_digit() {
            legal.push('_');
        }
        if c != '_' || !legal.ends_with('_') {
            legal.push(c);
        }
    }
    if legal.is_empty() { "_".into() } else { legal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_the_specification_says() {
        for (name, unit, gauge, counter, expected, kept) in [
            (
                "http.server.request.duration",
                "s",
                false,
                false,
                "http_server_request_duration_seconds",
                Some("seconds"),
            ),
            ("http.server.active_requests", "{request}", false, false, "http_server_active_requests", None),
            ("system.cpu.utilization", "1", true, false, "system_cpu_utilization_ratio", Some("ratio")),
            ("things", "1", false, true, "things", None),
            ("process.cpu.time", "s", false, true, "process_cpu_time_seconds", Some("seconds")),
            ("work.seconds.total", "s", false, true, "work_seconds", Some("seconds")),
            ("seconds", "s", true, false, "seconds", Some("seconds")),
            ("milliseconds", "s", true, false, "milliseconds_seconds", Some("seconds")),
            ("disk.io", "By", false, true, "disk_io_bytes", Some("bytes")),
            ("net.speed", "By/s", true, false, "net_speed_bytes_per_second", Some("bytes_per_second")),
            ("rate", "{packet}/s", true, false, "rate_per_second", Some("per_second")),
            ("odd", "furlong", true, false, "odd_furlong", Some("furlong")),
            ("9 lives/ä", "", true, false, "_9_lives_", None),
            ("", "", true, false, "_", None),
        ] {
            let found = family(name, unit, gauge, counter);
            assert_eq!(found, (expected.to_owned(), kept.map(str::to_owned)), "{name} in {unit}");
        }
        assert_eq!(label("a.b:c"), "a_b_c");
    }
}

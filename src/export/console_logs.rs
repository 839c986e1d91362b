//! Log records as lines, for people.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use opentelemetry::logs::{AnyValue, Severity};

use super::console::plain;
use super::destinations::{Accepts, Backend, Delivered};
use crate::bounds::losses::Losses;
use crate::signals::logs::data::LogData;
use crate::signals::sourced::Sourced;
use crate::ui;

const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Shows log records on stderr, as they come.
#[derive(Debug, Default)]
pub(crate) struct ConsoleLogs {
    shown: u64,
}

impl Accepts<Sourced<LogData>> for ConsoleLogs {
    fn push(&mut self, log: Sourced<LogData>) {
        self.shown += 1;
        ui::err_raw(line(&log.item, log.source.label().as_deref()));
    }
}

impl Backend for ConsoleLogs {
    fn export_due(&mut self, _: Instant, _: &dyn Fn([u8; 16]) -> bool) {}

    fn flush(&mut self) {}

    fn is_done(&self) -> bool {
        true
    }

    fn finish(&mut self) -> Delivered {
        Delivered { target: "console".into(), exported: self.shown, lost: Losses::default() }
    }
}

/// `log 12:34:56.789 WARN shop::orders: out of teapots  item=7  trace ab…ab`, and where there are several programs, which.
fn line(log: &LogData, program: Option<&str>) -> String {
    let record = &log.record;
    let style = match record.severity_number() {
        Some(severity) if severity >= Severity::Error => RED,
        Some(severity) if severity >= Severity::Warn => YELLOW,
        _ => Style::new(),
    };
    let severity = record.severity_text().unwrap_or_default();
    let time = record.timestamp().map(clock).unwrap_or_default();
    let body = record.body().map(show).unwrap_or_default();
    let scope = plain(log.scope.name());
    let program = program.map(|program| format!("{} ", plain(program))).unwrap_or_default();
    let attributes = record.attributes_iter().filter(|(key, _)| !key.as_str().starts_with("code."));
    let attributes: String =
        attributes.map(|(key, value)| format!("  {}={}", plain(key.as_str()), show(value))).collect();
    let trace = record.trace_context().map(|context| format!("  trace {}", context.trace_id)).unwrap_or_default();
    format!(
        "{DIM}log {time}{DIM:#} {style}{severity:<5}{style:#} {DIM}{program}{scope}:{DIM:#} {body}{DIM}{attributes}{trace}{DIM:#}\n"
    )
}

fn show(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => plain(text.as_str()),
        AnyValue::Int(number) => number.to_string(),
        AnyValue::Double(number) => number.to_string(),
        AnyValue::Boolean(truth) => truth.to_string(),
        other => plain(&format!("{other:?}")),
    }
}

/// The time of day (UTC), without the date.
fn clock(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::record::LogHeader;
    use crate::records::record::make::Given;
    use crate::signals::logs::data::testing::{LOG, NO_LIMITS, made};
    use crate::wire::key;

    fn shown(log: &LogHeader, facts: &[Given<'_>]) -> String {
        anstream::adapter::strip_str(&line(&made(log, facts, &NO_LIMITS), None)).to_string()
    }

    #[test]
    fn a_record_is_one_line_whatever_it_holds() {
        let time = ((12 * 60 + 34) * 60 + 56) * 1_000_000_000 + 7_000_000;
        let facts = [
            Given::Text(key::LOG_TARGET, "shop::orders"),
            Given::Text(key::LOG_BODY, "out of\nteapots\x1b[2J"),
            Given::Text(key::CODE_FILE, "src/orders.rs"),
            Given::Named("item", "a\tb"),
            Given::NamedInt("left", 0),
        ];
        let expected = "log 12:34:56.007 WARN  shop::orders: out of teapots [2J  item=a b  left=0  \
                        trace 01010101010101010101010101010101\n";
        assert_eq!(shown(&LogHeader { time, ..LOG }, &facts), expected);
        let outside = LogHeader { trace: [0; 16], severity: 0, time: 0, ..LOG };
        assert_eq!(shown(&outside, &[]), "log 00:00:00.000       log: \n");
        let of_several = line(&made(&outside, &[], &NO_LIMITS), Some("stock"));
        assert!(of_several.contains("stock log:"), "{of_several}");
    }
}

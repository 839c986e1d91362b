//! The report at the end: how much telemetry arrived, what was lost, and the warnings about it.

use crate::bounds::losses::Losses;
use crate::export::destinations::Delivered;
use crate::redact;
use crate::ui::plural;

/// How much of a run's telemetry arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TelemetryReport {
    /// Spans that arrived.
    pub(crate) exported_spans: u64,
    /// Spans that did not.
    pub(crate) lost: u64,
    /// Log records that did not arrive.
    pub(crate) lost_logs: u64,
    /// Measurements that were written and not read in time.
    pub(crate) lost_measurements: u64,
    /// Records that the program had to drop.
    pub(crate) dropped: u64,
    /// Requests that were being served when their process ended.
    pub(crate) open_requests: u64,
    /// Warnings for the user that were not printed yet.
    pub(crate) warnings: Vec<String>,
}

/// An exported item in messages, with its verb.
struct ItemName {
    one: &'static str,
    many: &'static str,
}

const SPANS: ItemName = ItemName { one: "span was", many: "spans were" };
const LOG_RECORDS: ItemName = ItemName { one: "log record was", many: "log records were" };

impl TelemetryReport {
    /// Adds the spans: what was lost `before` the export, and what each destination got.
    pub(super) fn add_spans(&mut self, before: &Losses, delivered: &[Delivered]) {
        self.exported_spans = delivered.iter().map(|to| to.exported).max().unwrap_or(0);
        self.lost = self.warn_of_losses(&SPANS, before, delivered);
    }

    /// Adds the log records, likewise.
    pub(super) fn add_logs(&mut self, before: &Losses, delivered: &[Delivered]) {
        self.lost_logs = self.warn_of_losses(&LOG_RECORDS, before, delivered);
    }

    /// Adds metric points that did not arrive.
    pub(super) fn add_lost_points(&mut self, lost: &Losses) {
        let total = lost.total();
        if total > 0 {
            let points = plural::counted(total, "metric point was", "metric points were");
            self.warnings.push(format!("{points} lost: {lost}"));
        }
    }

    /// Warns of items that were never read.
    pub(super) fn warn_of_unread(&mut self) {
        if self.lost_measurements > 0 {
            let measurements = plural::counted(self.lost_measurements, "measurement was", "measurements were");
            self.warnings.push(format!("{measurements} lost"));
        }
        if self.dropped > 0 {
            let records = plural::counted(self.dropped, "record was", "records were");
            self.warnings.push(format!("{records} dropped by the program, which wrote faster than could be read"));
        }
    }

    /// Warns of the items of one signal that were lost, for each destination. Returns the highest number.
    fn warn_of_losses(&mut self, item: &ItemName, before: &Losses, delivered: &[Delivered]) -> u64 {
        let none = [Delivered::default()];
        let delivered = if delivered.is_empty() { &none } else { delivered };
        let mut most = 0;
        for to in delivered {
            let mut lost = before.clone();
            lost.add_all(&to.lost);
            let total = lost.total();
            most = most.max(total);
            if total == 0 {
                continue;
            }
            let items = plural::counted(total, item.one, item.many);
            let place = match delivered {
                [_] => String::new(),
                _ => format!(" on the way to `{}`", redact::endpoint(&to.target)),
            };
            let (exported, written) = (to.exported, to.exported + total);
            self.warnings.push(format!("{items} lost{place} and {exported} exported, of {written} in all: {lost}"));
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::losses::Reason;

    fn losses(reason: Reason, count: u64) -> Losses {
        let mut losses = Losses::default();
        losses.add(reason, count);
        losses
    }

    #[test]
    fn each_destination_s_losses_are_reported_with_those_before_the_export() {
        let before = losses(Reason::Headless, 1);
        let delivered = ["http://a:1", "http://b:1"].map(|target| Delivered {
            target: target.into(),
            exported: 7,
            lost: if target.contains('a') { losses(Reason::Rejected, 2) } else { Losses::default() },
        });
        let mut report = TelemetryReport::default();
        report.add_spans(&before, &delivered);
        assert_eq!((report.exported_spans, report.lost), (7, 3));
        let expected = [
            "3 spans were lost on the way to `http://a:1` and 7 exported, of 10 in all: 2 rejected, 1 read without a start",
            "1 span was lost on the way to `http://b:1` and 7 exported, of 8 in all: 1 read without a start",
        ];
        assert_eq!(report.warnings, expected);
    }

    #[test]
    fn unread_records_are_reported_and_nothing_without_a_loss() {
        let mut report = TelemetryReport::default();
        report.add_logs(&Losses::default(), &[]);
        report.add_lost_points(&Losses::default());
        report.warn_of_unread();
        assert_eq!(report, TelemetryReport::default());
        report.dropped = 1;
        report.lost_measurements = 2;
        report.add_lost_points(&losses(Reason::Unanswered, 1));
        report.warn_of_unread();
        let expected = [
            "1 metric point was lost: 1 not accepted by any collector before the end",
            "2 measurements were lost",
            "1 record was dropped by the program, which wrote faster than could be read",
        ];
        assert_eq!(report.warnings, expected);
    }
}

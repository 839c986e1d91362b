//! Collectors that are away for a while: what fits arrives afterwards, what does not is the oldest and is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::PROTOCOLS;
use crate::launcher::launch;
use crate::metrics::App;
use crate::support::gate::Gate;
use crate::support::services::free_port;
use crate::support::{Otlp, output, wait_for};

/// One whole export was given up: so many attempts are made for it, and one more for the next.
const ATTEMPTS: usize = 5;

fn app(url: &str, protocol: &str, more: &[(&str, &str)]) -> App {
    let mut settings =
        vec![("TRACES_EXPORTER", "otlp"), ("EXPORTER_OTLP_ENDPOINT", url), ("EXPORTER_OTLP_PROTOCOL", protocol)];
    settings.extend(more);
    App::start(&settings)
}

/// The numbers in `N spans were lost and M exported, of W in all: A for one reason, B for another`, reasons apart.
fn note(printed: &str, what: &str) -> (u64, u64, u64, BTreeMap<String, u64>) {
    let line = printed
        .lines()
        .find(|line| line.contains(&format!("{what} were lost and")))
        .unwrap_or_else(|| panic!("{printed}"));
    let (numbers, reasons) = line.split_once(" in all: ").unwrap();
    let numbers: Vec<u64> =
        numbers.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let [lost, exported, written] = numbers[..] else { panic!("{line}") };
    let reasons = reasons.split(", ").map(|reason| {
        let (count, reason) = reason.split_once(' ').unwrap();
        (reason.to_owned(), count.parse().unwrap())
    });
    (lost, exported, written, reasons.collect())
}

/// Numbers of requests `/N` of which spans of the server have come, in order.
fn served(otlp: &Otlp) -> Vec<usize> {
    let spans = otlp.traces().0;
    let numbers = spans.iter().filter_map(|span| span.name.strip_prefix("GET /")?.parse().ok());
    // An attempt whose response was lost is repeated, so its spans may arrive twice.
    numbers.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_batch_on_its_way_when_a_healthy_collector_vanishes_arrives_later() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        let gate = Gate::before(&otlp.url());
        let often = [("METRICS_EXPORTER", "none"), ("LOGS_EXPORTER", "none"), ("BSP_MAX_EXPORT_BATCH_SIZE", "3")];
        let mut app = app(&gate.url(), protocol, &often);
        app.serve(["/0"]);
        wait_for("the first spans", 10, || (otlp.spans() == 3).then_some(()));
        gate.close();
        app.serve(["/1"]);
        wait_for("a failed export", 20, || (gate.refused() >= ATTEMPTS).then_some(()));
        gate.open();
        app.serve(["/2", "/3"]);
        let printed = app.end();
        assert!(printed.contains("cannot export") && !printed.contains("lost"), "{protocol}: {printed}");
        let spans: BTreeSet<_> = otlp.traces().0.into_iter().map(|span| span.id).collect();
        assert_eq!((served(&otlp), spans.len()), (vec![0, 1, 2, 3], 12), "{protocol}");
    }
}

#[test]
fn changes_of_metrics_that_a_collector_misses_are_exported_later_and_once() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        let gate = Gate::before(&otlp.url());
        let settings = [
            ("METRICS_EXPORTER", "otlp"),
            ("TRACES_EXPORTER", "none"),
            ("LOGS_EXPORTER", "none"),
            ("METRIC_EXPORT_INTERVAL", "50"),
            ("EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ];
        let mut app = app(&gate.url(), protocol, &settings);
        let counted = || otlp.metrics().count("http.server.request.duration", &[]);
        app.serve(["/a"]);
        wait_for("the first points", 10, || (counted() == 1).then_some(()));
        // There is one export at a time: that of the request is over when another has come.
        let so_far = otlp.metric_exports().len();
        wait_for("another export", 10, || (otlp.metric_exports().len() > so_far).then_some(()));
        gate.close();
        app.serve(["/a", "/a"]);
        wait_for("a failed export", 20, || (gate.refused() >= ATTEMPTS).then_some(()));
        app.serve(["/a", "/a", "/a"]);
        gate.open();
        let printed = app.end();
        assert!(!printed.contains("lost"), "{protocol}: {printed}");
        let exports = otlp.metric_exports();
        let orders: u64 = exports.iter().map(|export| export.count("http.server.request.duration", &[])).sum();
        assert_eq!(orders, 6, "{protocol}");
    }
}

#[test]
fn an_outage_longer_than_the_queue_leaves_the_newest_and_an_exact_count() {
    for protocol in PROTOCOLS {
        let address = format!("127.0.0.1:{}", free_port());
        let short = [
            ("METRICS_EXPORTER", "prometheus"),
            ("EXPORTER_PROMETHEUS_PORT", "0"),
            ("LOGS_EXPORTER", "none"),
            ("BSP_MAX_QUEUE_SIZE", "90"),
            ("BSP_MAX_EXPORT_BATCH_SIZE", "9"),
            ("BSP_SCHEDULE_DELAY", "3600000"),
        ];
        let mut app = app(&format!("http://{address}"), protocol, &short);
        app.serve((0..200).map(|number| format!("/{number}")));
        // What the page counts has been queued.
        app.page_with("", 200);
        wait_for("a failed export", 20, || app.printed().contains("cannot export").then_some(()));
        let otlp = wait_for("the port", 10, || Otlp::start_at(&address).ok());
        let printed = app.end();
        let (lost, exported, written, reasons) = note(&printed, "spans");
        assert_eq!((written, exported), (600, otlp.spans() as u64), "{protocol}: {printed}");
        assert_eq!((lost, exported), (written - exported, written - lost), "{printed}");
        assert_eq!(reasons, BTreeMap::from([("dropped from the full queue".to_owned(), lost)]), "{printed}");
        assert!((82..=90).contains(&exported) && lost.is_multiple_of(9), "{printed}");
        let numbers = served(&otlp);
        assert_eq!(numbers, (numbers[0]..200).collect::<Vec<_>>(), "the newest, without a gap");
        assert_eq!(printed.matches("dropping the oldest spans for").count(), 1, "{printed}");
    }
}

/// Records that found no room on a machine that is busy.
fn dropped_by_the_program(printed: &str) -> u64 {
    let line = printed.lines().find(|line| line.contains(" dropped by the program"));
    line.map_or(0, |line| line.split(' ').find_map(|word| word.parse().ok()).unwrap())
}

/// What `writes_load` leaves of `logs` records of 4,000 bytes, and of open spans, at a port without a listener.
fn load(open: &str, logs: &str, more: &[(&str, &str)]) -> String {
    let mut command = launch("writes_load");
    command.args([open, "0", logs, "4000", "1", "end"]).env("OTEL_METRICS_EXPORTER", "none");
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_LOGS_EXPORTER", "otlp");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", free_port()));
    command.envs(more.iter().copied());
    let (is_good, stdout, stderr) = output(&mut command);
    assert!(is_good && stdout.contains("done"), "{stdout}\n{stderr}");
    stderr
}

#[test]
fn one_limit_of_memory_is_for_all_that_waits() {
    let printed = load("0", "2000", &[("OTEL_RS_MEMORY_LIMIT", "2MB")]);
    let (lost, exported, written, reasons) = note(&printed, "log records");
    assert_eq!((lost, exported, written + dropped_by_the_program(&printed)), (written, 0, 2000), "{printed}");
    let waited = reasons["not accepted by any collector before the end"];
    assert_eq!(reasons["dropped at the memory limit"] + waited, lost, "{printed}");
    assert!((300..500).contains(&waited), "2 MB hold less than 500 of them: {printed}");
    assert!(printed.contains("hint: `OTEL_RS_MEMORY_LIMIT` bounds it"), "{printed}");
    assert!(!load("0", "2000", &[]).contains("the memory limit"));
}

#[test]
fn open_spans_are_within_the_limit_too() {
    let otlp = Otlp::start();
    let url = otlp.url();
    let printed = load("3000", "0", &[("OTEL_RS_MEMORY_LIMIT", "1MB"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]);
    let (lost, exported, written, reasons) = note(&printed, "spans");
    assert_eq!((written, exported), (3000, otlp.spans() as u64), "{printed}");
    assert_eq!(reasons, BTreeMap::from([("dropped at the memory limit while open".to_owned(), lost)]), "{printed}");
    assert!(!load("3000", "0", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).contains("lost"));
}

//! A program's own metrics on the page for Prometheus.

use nix::sys::signal::{Signal, kill};

use super::business;
use crate::launcher::Launched;
use crate::support::http::{ClientRequest, Http};
use crate::support::metrics::{Point, Series};
use crate::support::services::free_port;
use crate::support::{Otlp, wait_for};

/// A series' samples: the end of the name, the label of a bucket, and the value.
fn samples(series: &Series) -> Vec<(&'static str, String, f64)> {
    let Point::Histogram { count, sum, bounds, buckets } = &series.point else {
        return vec![("", String::new(), series.value())];
    };
    let mut below = 0;
    let bounds = bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
    let buckets = bounds.zip(buckets).map(|(bound, count)| {
        below += count;
        ("_bucket", format!("le=\"{bound}\""), below as f64)
    });
    buckets.chain([("_sum", String::new(), *sum), ("_count", String::new(), *count as f64)]).collect()
}

#[test]
fn the_page_shows_the_numbers_that_otlp_has() {
    let (otlp, port) = (Otlp::start(), free_port());
    let mut command = business(&otlp, &["all", "wait", "v33"]);
    command.env("OTEL_METRICS_EXPORTER", "otlp,prometheus").env("OTEL_EXPORTER_PROMETHEUS_PORT", port.to_string());
    let mut launched = Launched::start(command);
    let http = Http::new(false);
    let page = wait_for("what callbacks observe", 20, || {
        let url = format!("http://127.0.0.1:{port}/metrics");
        let (status, page) = http.send(ClientRequest { method: "GET", url, headers: Vec::new() });
        (status == 200 && page.contains("shop_light")).then_some(page)
    });
    kill(launched.app, Signal::SIGTERM).unwrap();
    launched.launcher.wait().unwrap();

    let mut lines: Vec<&str> = page.lines().filter(|line| line.starts_with("shop_")).collect();
    let metrics = otlp.metrics();
    assert_eq!(metrics.series().filter(|series| series.name.starts_with("shop.")).count(), 18, "{metrics}");
    for series in metrics.series().filter(|series| series.name.starts_with("shop.")) {
        let name = series.name.replace('.', "_");
        let labels =
            series.attributes.iter().map(|(key, value)| format!("{key}={:?}", value.to_string().replace('"', "")));
        let labels: Vec<String> = labels.collect();
        for (end, bucket, value) in samples(series) {
            let fits = |line: &&str| {
                let Some((head, number)) = line.rsplit_once(' ') else { return false };
                let Some((full, labels_on_page)) = head.split_once('{') else { return false };
                let own = labels_on_page.split(',').filter(|label| !label.starts_with("otel_scope_")).count();
                let unit_or_total = full.strip_prefix(&name).and_then(|rest| rest.strip_suffix(end));
                unit_or_total.is_some_and(|rest| !rest.contains("shop") && rest.matches('_').count() <= 2)
                    && own == labels.len() + usize::from(!bucket.is_empty())
                    && labels.iter().all(|label| labels_on_page.contains(label))
                    && labels_on_page.contains(&bucket)
                    && number.parse() == Ok(value)
            };
            let at = lines.iter().position(fits);
            lines.remove(at.unwrap_or_else(|| panic!("{series} {end} {bucket} {value} is not there:\n{page}")));
        }
    }
    assert_eq!(lines, [""; 0], "the page shows more");
}

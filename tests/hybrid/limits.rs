//! Limits of series, numbers and names, and how readers show them.

use super::{
    Expected, VERSIONS, business, require, require_little_memory, require_names_bounded, run_to_end, series, stderr,
};
use crate::support::Otlp;
use crate::support::metrics::{Point, Series};

#[test]
fn series_beyond_the_limit_are_counted_in_one() {
    let (metrics, _) = run_to_end(&["many", "exit", "v29"]);
    let found = series(&metrics, "v29", "shop.orders");
    let overflow = |series: &&Series| series.attributes.contains_key("otel.metric.overflow");
    let sum = |all: &mut dyn Iterator<Item = &Series>| all.map(Series::value).sum::<f64>();
    assert_eq!((found.len(), sum(&mut found.iter())), (2000, 6000.0));
    assert_eq!(sum(&mut found.iter().filter(overflow)), 1001.0);
}

#[test]
fn a_million_sets_of_attributes_are_counted_in_little_memory() {
    for scope in [VERSIONS[0], VERSIONS[6]] {
        let (metrics, output) = run_to_end(&["million", "exit", scope]);
        let found = series(&metrics, scope, "shop.orders");
        assert_eq!((found.len(), found.iter().map(Series::value).sum::<f64>()), (2000, 1_000_000.0), "{scope}");
        require_little_memory(&output);
    }
}

#[test]
fn unbounded_invalid_names_take_little_memory_with_a_warning() {
    for scope in [VERSIONS[0], VERSIONS[6]] {
        let (metrics, output) = run_to_end(&["names", "exit", scope]);
        assert_eq!(series(&metrics, scope, "shop.visits").len(), 1, "{metrics}");
        require_names_bounded(&output);
    }
}

#[test]
fn the_cardinality_limit_is_configurable() {
    let otlp = Otlp::start();
    business(&otlp, &["many", "exit", "v33"]).env("OTEL_RS_METRICS_CARDINALITY_LIMIT", "20").output().unwrap();
    let found = series(&otlp.metrics(), "v33", "shop.orders");
    assert_eq!((found.len(), found.iter().map(Series::value).sum::<f64>()), (20, 6000.0));
}

#[test]
fn values_that_no_sum_can_hold_are_left_out_with_a_warning() {
    let (metrics, output) = run_to_end(&["wrong", "return", "v28"]);
    let expected: [Expected<'_>; 2] =
        [("shop.amount", "", "counter", &[("", 1.5)]), ("shop.level", "", "up-down", &[("nan=NaN", 1.5)])];
    require(&metrics, "v28", &expected);
    let [spread] = &series(&metrics, "v28", "shop.spread")[..] else { panic!("{metrics}") };
    assert!(matches!(spread.point, Point::Histogram { count: 1, .. }), "{spread}");
    let mut twice: Vec<_> =
        series(&metrics, "v28", "shop.twice").iter().map(|series| (series.unit.clone(), series.value())).collect();
    twice.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(twice, [("g".to_owned(), 1000.0), ("kg".to_owned(), 2.0)]);
    assert!(series(&metrics, "v28", "1st.sale").is_empty() && series(&metrics, "v28", "shop.falling").is_empty());
    for trouble in [
        "some measurements of the program's metrics are left out",
        "the metric `1st.sale` of `v28` is left out",
        "the metric `shop.falling` of `v28` is left out",
        "the metric `shop.twice` of `v28` is made in several ways",
    ] {
        assert_eq!(stderr(&output).matches(trouble).count(), 1, "{trouble}\n{}", stderr(&output));
    }
}

#[test]
fn a_delta_reader_gets_each_change_once() {
    let otlp = Otlp::start();
    let mut command = business(&otlp, &["threads", "exit", "v32"]);
    command.env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "20").output().unwrap();
    let exports = otlp.metric_exports();
    let all = |name: &str| exports.iter().flat_map(|export| series(export, "v32", name)).collect::<Vec<_>>();
    let adds = all("shop.adds");
    assert!(adds.iter().all(|series| series.is_delta));
    assert_eq!(adds.iter().map(Series::value).sum::<f64>(), 4_000_000.0);
    let (mut counts, mut sums) = (0, 0.0);
    for sizes in all("shop.sizes") {
        let Point::Histogram { count, sum, .. } = sizes.point else { panic!("{sizes}") };
        assert!(sizes.is_delta && count > 0, "{sizes}");
        counts += count;
        sums += sum;
    }
    assert_eq!((counts, sums), (4_000_000, 4.0 * 1_000_000.0 * 1_000_001.0 / 2.0));
}

//! Buckets of a program's histograms: configured by readers and views, not only advised by the program.

use super::{VERSIONS, business, series, stderr};
use crate::support::Otlp;
use crate::support::metrics::Point;

#[test]
fn a_variable_makes_them_exponential() {
    let otlp = Otlp::start();
    let mut command = business(&otlp, &["all", "exit"]);
    let variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let output = command.env(variable, "base2_exponential_bucket_histogram").output().unwrap();
    let metrics = otlp.metrics();
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    for scope in VERSIONS {
        let [basket] = &series(&metrics, scope, "shop.basket")[..] else { panic!("{scope}\n{metrics}") };
        let Point::Exponential { count, sum, scale, buckets } = &basket.point else { panic!("{basket}") };
        // 0.5, 1, 2.5 and 11, in eighths of an octave.
        let counted: Vec<usize> = (0..buckets.len()).filter(|index| buckets[*index] > 0).collect();
        assert_eq!((*count, *sum, *scale, &counted[..]), (4, 15.0, 3, &[0, 8, 19, 36][..]), "{basket}");
        let [items] = &series(&metrics, scope, "shop.basket.items")[..] else { panic!("{scope}\n{metrics}") };
        let Point::Exponential { count, buckets, .. } = &items.point else { panic!("{items}") };
        assert_eq!((*count, buckets.iter().sum::<u64>()), (3, 3), "{items}");
    }
}

#[test]
fn a_view_gives_them_bounds_of_its_own_and_others_keep_theirs() {
    let otlp = Otlp::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("otel.yaml");
    let url = otlp.url();
    let text = format!(
        "file_format: '1.0'
meter_provider:
  readers:
    - periodic: {{interval: 3600000, exporter: {{otlp_http: {{endpoint: {url}/v1/metrics}}}}}}
  views:
    - selector: {{instrument_name: shop.basket}}
      stream: {{aggregation: {{explicit_bucket_histogram: {{boundaries: [2.5, 3]}}}}}}
    - selector: {{instrument_name: shop.basket}}
      stream: {{name: basket.fine, aggregation: {{base2_exponential_bucket_histogram: {{max_scale: 0, max_size: 20}}}}}}
"
    );
    std::fs::write(&file, text).unwrap();
    let output = business(&otlp, &["all", "exit", "v30"]).env("OTEL_CONFIG_FILE", &file).output().unwrap();
    let metrics = otlp.metrics();
    let one = |name: &str| {
        let found = series(&metrics, "v30", name);
        assert!(found.len() == 1, "{name}\n{metrics}\n{}", stderr(&output));
        found[0].point.clone()
    };
    let Point::Histogram { bounds, buckets, .. } = one("shop.basket") else { panic!("{metrics}") };
    assert_eq!((&bounds[..], &buckets[..]), (&[2.5, 3.0][..], &[3, 0, 1][..]));
    let Point::Exponential { scale, buckets, .. } = one("basket.fine") else { panic!("{metrics}") };
    // Up to 1/2, 1, 2, 4, 8 and 16.
    assert_eq!((scale, &buckets[..]), (0, &[1, 1, 0, 1, 0, 1][..]));
    let Point::Histogram { bounds, buckets, .. } = one("shop.basket.items") else { panic!("{metrics}") };
    assert_eq!((bounds.len(), buckets.iter().sum::<u64>()), (15, 3), "what no view is about keeps its own");
}

//! Callbacks that panic or block.

use super::{business, run_to_end, series, stderr};
use crate::launcher::Launched;
use crate::support::metrics::Series;
use crate::support::{Otlp, wait_for};

#[test]
fn other_callbacks_are_observed_when_one_panics_or_blocks() {
    let (metrics, output) = run_to_end(&["callbacks", "return", "v31"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let values = |name: &str| series(&metrics, "v31", name).iter().map(Series::value).collect::<Vec<_>>();
    assert_eq!((values("shop.answers"), values("shop.sales")), (vec![7.0], vec![1.0]), "{metrics}");
    assert_eq!((values("shop.blocks"), values("shop.panics")), (vec![1.0], vec![]), "{metrics}");
    for trouble in
        ["a callback of the program's metrics panicked", "a callback of the program's metrics takes too long"]
    {
        assert_eq!(stderr(&output).matches(trouble).count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn exports_go_on_while_a_callback_blocks() {
    let otlp = Otlp::start();
    let mut command = business(&otlp, &["callbacks", "wait", "v31"]);
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "50");
    let _launched = Launched::start(command);
    wait_for("the callback behind it", 20, || series(&otlp.metrics(), "v31", "shop.answers").pop());
    let before = otlp.metric_exports().len();
    wait_for("more exports", 20, || (otlp.metric_exports().len() >= before + 5).then_some(()));
    assert_eq!(series(&otlp.metrics(), "v31", "shop.blocks")[0].value(), 1.0);
}

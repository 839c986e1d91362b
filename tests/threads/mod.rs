//! Jobs of pools: whose span is whose child. The program is the example of `rayon-core`.

use std::collections::BTreeMap;

use crate::launcher::launch_file;
use crate::support::model::{Kind, Span};
use crate::support::{Fixture, Otlp};

const REQUESTS: usize = 1_000;

/// While a thread waits for a half of its job, it executes jobs of other requests.
#[test]
fn jobs_of_a_thousand_requests_keep_their_parents() {
    let example = Fixture::newest_example("rayon-core");
    let otlp = Otlp::start();
    let mut command = launch_file(&example.program);
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    let output = command.arg(REQUESTS.to_string()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let traces = otlp.traces();

    let mut below = BTreeMap::<_, Vec<_>>::new();
    for span in &traces.0 {
        below.entry((&*span.trace, &*span.parent)).or_default().push(&*span.name);
    }
    let is_request = |span: &&Span| span.kind == Kind::Server && span.text("url.path") != "/kinds";
    let requests: Vec<_> = traces.0.iter().filter(is_request).collect();
    assert_eq!(requests.len(), REQUESTS);
    for request in requests {
        let number = request.text("url.path").trim_start_matches('/');
        let jobs = ["last", "left", "left", "right", "right"].map(|job| format!("CREATE TABLE {job}_{number}"));
        let mut children = below.remove(&(&*request.trace, &*request.id)).unwrap_or_default();
        children.sort_unstable();
        assert_eq!(children, jobs, "{request}");
    }
}

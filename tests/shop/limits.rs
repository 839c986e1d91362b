//! tower's middleware, seen on the request's span and in counters.

use super::received;
use crate::support::Launched;
use crate::support::definition::Definition;
use crate::support::expect::{Traces, client, server};
use crate::support::http::{Answer, ClientRequest};
use crate::support::metrics::{Metrics, Series};

/// The sets with tower's two generations.
const GENERATIONS: [&str; 2] = ["newest", "axum07"];

/// The same question several times at once.
fn together(shop: &Launched, path: &str, count: usize) -> Vec<Answer> {
    let ask = ClientRequest { method: "GET", url: shop.url(path), headers: Vec::new() };
    shop.http().send_all(vec![ask; count])
}

/// The value of a counter, which has one series; 0 where there is none.
fn counter(metrics: &Metrics, name: &str) -> f64 {
    let series = metrics.all(name, &[]);
    assert!(series.len() <= 1, "{metrics}");
    series.first().map_or(0.0, Series::value)
}

fn events(traces: &Traces, event: &str) -> usize {
    traces.all(&server().event(event)).len()
}

#[test]
fn a_timeout_is_an_event_of_the_request() {
    for versions in GENERATIONS {
        let (_, traces, metrics) = received(versions, |shop| assert_eq!(shop.get("/limits/timeout").0, 503));
        let request = traces
            .require(server().named("GET /limits/timeout").event("timeout").attr("error.type", "timeout").failed());
        assert_eq!(request.get("http.response.status_code"), Some(&503.into()));
        assert_eq!(counter(&metrics, "tower.timeout.count"), 1.0, "{metrics}");
    }
}

#[test]
fn shed_requests_are_seen_and_counted_and_the_served_one_is_not() {
    for versions in GENERATIONS {
        let mut refused = 0;
        let (_, traces, metrics) = received(versions, |shop| {
            let answers = together(shop, "/limits/shed", 5);
            refused = answers.iter().filter(|(status, _)| *status == 503).count();
        });
        assert!((1..5).contains(&refused), "one at a time is served: {refused} of 5 refused");
        traces.require_count(
            refused,
            server().named("GET /limits/shed").event("load_shed").attr("error.type", "overloaded"),
        );
        traces.require_count(
            5 - refused,
            server().named("GET /limits/shed").attr("http.response.status_code", 200).not_failed(),
        );
        assert_eq!(counter(&metrics, "tower.load_shed.count"), refused as f64, "{metrics}");
    }
}

#[test]
fn a_wait_in_a_buffer_is_seen_on_the_request_that_waits() {
    for versions in GENERATIONS {
        let (_, traces, metrics) = received(versions, |shop| {
            assert!(together(shop, "/limits/waiting", 4).iter().all(|(status, _)| *status == 200));
        });
        // One is served at once, one waits where only one may be served at a time, the others wait behind it.
        let waits = events(&traces, "buffer.wait").max(events(&traces, "concurrency_limit.wait"));
        assert!((2..=4).contains(&waits), "{waits} of 4 waited:\n{traces}");
        let counted =
            counter(&metrics, "tower.buffer.wait.count") + counter(&metrics, "tower.concurrency_limit.wait.count");
        assert!(counted >= 2.0, "{metrics}");
        traces.require_count(4, server().named("GET /limits/waiting").not_failed().without("error.type"));
    }
}

#[test]
fn a_wait_for_the_next_period_is_seen() {
    for versions in GENERATIONS {
        let (_, traces, metrics) = received(versions, |shop| {
            assert!(together(shop, "/limits/paced", 3).iter().all(|(status, _)| *status == 200));
        });
        let waits = events(&traces, "rate_limit.wait").max(events(&traces, "buffer.wait"));
        assert!((1..=3).contains(&waits), "{waits} of 3 waited:\n{traces}");
        assert!(counter(&metrics, "tower.rate_limit.wait.count") >= 1.0, "{metrics}");
    }
}

#[test]
fn a_retry_is_seen_on_the_request() {
    for versions in GENERATIONS {
        let (_, traces, metrics) =
            received(versions, |shop| assert_eq!(shop.get("/limits/retried"), (200, "well".to_owned())));
        let request = traces.require(server().named("GET /limits/retried").not_failed());
        let attempts: Vec<_> = request
            .events
            .iter()
            .map(|(name, attributes)| (name.as_str(), attributes.get("tower.retry.attempt")))
            .collect();
        assert_eq!(attempts, [("retry", Some(&1.into())), ("retry", Some(&2.into()))], "{request}");
        assert_eq!(counter(&metrics, "tower.retry.count"), 2.0, "{metrics}");
        traces.require_count(3, client().named("GET").child_of(&request));
    }
}

#[test]
fn a_wait_for_room_in_a_buffer_is_seen() {
    for versions in GENERATIONS {
        let (_, traces, metrics) = received(versions, |shop| {
            assert!(together(shop, "/limits/full", 5).iter().all(|(status, _)| *status == 200));
        });
        // One is served and the buffer holds another one or two.
        let waits = events(&traces, "buffer.full");
        assert!((2..5).contains(&waits), "{waits} of 5 waited:\n{traces}");
        assert_eq!(counter(&metrics, "tower.buffer.full.count"), waits as f64, "{metrics}");
    }
}

#[test]
fn the_metrics_of_middleware_are_as_the_docs_define_them() {
    for versions in GENERATIONS {
        let (_, _, metrics) = received(versions, |shop| {
            shop.get("/limits/timeout");
            shop.get("/limits/retried");
            for path in ["/limits/shed", "/limits/waiting", "/limits/full", "/limits/paced"] {
                together(shop, path, 5);
            }
        });
        Definition::of("tower").check(&metrics, &[]);
    }
}

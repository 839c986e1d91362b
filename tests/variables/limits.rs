//! Variables that limit what one span or log record holds. `records_everything` has a span `work` of three attributes, the
//! `long` one of 26 characters, and two events of two attributes each, of which `one` has 10 characters.

use super::run::{Outcome, Run, by_default, refused, with};
use super::variables;
use crate::support::expect::{server, span};
use crate::support::model::Span;

fn work(outcome: &Outcome) -> Span {
    outcome.traces.require(span().named("work"))
}

fn length(outcome: &Outcome) -> usize {
    work(outcome).text("long").chars().count()
}

fn event_attributes(outcome: &Outcome) -> Vec<usize> {
    work(outcome).events.iter().map(|(_, attributes)| attributes.len()).collect()
}

/// No span has links: a limit of them is warned of.
fn limit_without_effect(name: &str) {
    assert!(!by_default().stderr.contains(name));
    let outcome = with(name, "0");
    let warning = format!("warning: `{name}` has no effect: otel-rs never records span links");
    assert!(outcome.stderr.contains(&warning), "{}", outcome.stderr);
    outcome.is_as(by_default(), name);
    refused(name, "many");
}

variables! {
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT => {
        assert_eq!(length(by_default()), 26, "no limit");
        let outcome = with("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5");
        assert_eq!((work(&outcome).text("long"), work(&outcome).get("second")), ("abcde", Some(&2.into())));
        assert_eq!(work(&outcome).events[0].1["one"], "abcde".into());
        refused("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1");
    }

    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT => {
        assert_eq!(length(&with("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7")), 7);
        let both = Run::new().env("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5");
        assert_eq!(length(&both.env("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7").outcome()), 7, "it counts more");
        refused("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "long");
    }

    OTEL_ATTRIBUTE_COUNT_LIMIT => {
        assert_eq!(work(by_default()).attributes.len(), 3, "128 is more");
        assert_eq!(work(&with("OTEL_ATTRIBUTE_COUNT_LIMIT", "2")).attributes.len(), 2);
        refused("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1");
    }

    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT => {
        let outcome = with("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1");
        assert_eq!((work(&outcome).attributes.len(), event_attributes(&outcome)), (1, vec![2, 2]));
        refused("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "one");
    }

    OTEL_SPAN_EVENT_COUNT_LIMIT => {
        assert_eq!(event_attributes(by_default()), [2, 2]);
        assert_eq!(event_attributes(&with("OTEL_SPAN_EVENT_COUNT_LIMIT", "1")), [2]);
        refused("OTEL_SPAN_EVENT_COUNT_LIMIT", "1.5");
    }

    OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT => {
        let outcome = with("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1");
        assert_eq!((event_attributes(&outcome), work(&outcome).attributes.len()), (vec![1, 1], 3));
        outcome.traces.require(server());
        refused("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "x");
    }

    OTEL_SPAN_LINK_COUNT_LIMIT => { limit_without_effect("OTEL_SPAN_LINK_COUNT_LIMIT"); }
    OTEL_LINK_ATTRIBUTE_COUNT_LIMIT => { limit_without_effect("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"); }

    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT => {
        assert_eq!(by_default().logs[0].attributes["long"], "abcdefghijklmnopqrstuvwxyz".into());
        let outcome = with("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3");
        assert_eq!((&outcome.logs[0].attributes["long"], length(&outcome)), (&"abc".into(), 26));
        refused("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "x");
    }

    OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT => {
        let outcome = with("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1");
        assert_eq!((outcome.logs[0].attributes.len(), work(&outcome).attributes.len()), (1, 3));
        assert_eq!(by_default().logs[0].attributes.len(), 2);
        refused("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "x");
    }
}

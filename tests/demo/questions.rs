//! `docs/guide/questions.md`: each metric that it names exists.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::exported;
use crate::metrics::prometheus;
use crate::support::launched::Launch;
use crate::support::{Fixture, Otlp, source, wait_for};

/// A question of the page.
struct Question {
    text: String,
    metrics: Vec<String>,
    /// Metrics that its queries name.
    queried: Vec<String>,
}

fn questions() -> Vec<Question> {
    let page = std::fs::read_to_string(source("docs/guide/questions.md")).unwrap();
    let sections = page.split("\n### ").skip(1);
    let question = |section: &str| {
        let text = section.lines().next().unwrap().to_owned();
        let named = section.lines().find_map(|line| line.strip_prefix("Metric: ")).unwrap_or_default();
        let metrics: Vec<_> = named.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let (_, query) = section.split_once("```promql\n").unwrap_or_else(|| panic!("{text}: no query"));
        let queried = queried(query.split_once("```").unwrap().0);
        assert!(!metrics.is_empty() && !queried.is_empty(), "{text}");
        Question { text, metrics, queried }
    };
    sections.map(question).collect()
}

/// Names of metrics in PromQL: what is no remark, no label, no function, no number.
fn queried(query: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in query.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut line = line.to_owned();
        for (from, to) in [("{", '}'), ("[", ']'), ("by (", ')')] {
            while let Some(start) = line.find(from) {
                // A value in quotes may hold the sign that ends the list.
                let mut in_quotes = false;
                let rest = &line[start + from.len()..];
                let end = rest.find(|c| {
                    in_quotes ^= c == '"';
                    c == to && !in_quotes
                });
                line.replace_range(start..start + from.len() + end.expect("an end") + 1, " ");
            }
        }
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let functions = ["histogram_quantile", "last_over_time"];
        names.extend(words.filter(|word| word.contains('_') && !functions.contains(word)).map(str::to_owned));
    }
    names
}

/// The demo is no function in a cloud, and counts nothing itself: whose these are.
const ELSEWHERE: [(&str, &str); 2] = [("faas.", "docs/reference/metrics-faas.md"), ("shop.", "docs/guide/hybrid.md")];

#[test]
fn the_demo_answers_every_question() {
    let known: BTreeSet<&str> = exported().series().map(|series| series.name.as_str()).collect();
    let has_swap = std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1);
    let all = questions();
    assert!(all.len() >= 24, "{}", all.len());
    for Question { text, metrics, queried } in all {
        for metric in metrics.iter().filter(|name| has_swap || *name != "system.paging.usage") {
            match ELSEWHERE.iter().find(|(start, _)| metric.starts_with(start)) {
                Some((_, page)) => {
                    let page_text = std::fs::read_to_string(source(page)).unwrap();
                    assert!(page_text.contains(metric.as_str()), "{text} `{metric}` is not in {page}");
                }
                None => assert!(known.contains(metric.as_str()), "{text} `{metric}` is not exported: {known:?}"),
            }
            let queried_name = metric.replace('.', "_");
            assert!(queried.iter().any(|name| name.starts_with(&queried_name)), "{text} no query has `{metric}`");
        }
    }
}

#[test]
fn every_query_finds_its_metric_on_the_page() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let otlp = Otlp::start();
    let launch = Launch::of(&Fixture::with("shop", "newest")).to(&otlp).env("OTEL_METRICS_EXPORTER", "prometheus");
    let launch = launch.env("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1").env("OTEL_EXPORTER_PROMETHEUS_PORT", port);
    let shop = launch.env("OTEL_RS_HOST_METRICS", "process,system").start();
    assert_eq!(shop.get("/orders/1").0, 200);
    let page = wait_for("the request on the page", 10, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        page.contains("http_server_request_duration_seconds_count{").then_some(page)
    });
    shop.stop();
    if prometheus::is_installed("promtool").is_ok() {
        prometheus::check(page.split_once("\r\n\r\n").unwrap().1);
    }
    let on_page: BTreeSet<&str> = page.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let has_swap = std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1);
    // A run is recorded at its end, when the page is no longer served; its name is made like that of other durations.
    let is_elsewhere = |name: &str| {
        ["faas_", "shop_", "otel_rs_process_run_duration_seconds_"].iter().any(|start| name.starts_with(start))
    };
    for Question { text, queried, .. } in questions() {
        for name in queried.iter().filter(|name| has_swap || *name != "system_paging_usage_bytes") {
            assert!(
                is_elsewhere(name) || on_page.contains(name.as_str()),
                "{text} `{name}` is not on the page:\n{page}"
            );
        }
    }
}

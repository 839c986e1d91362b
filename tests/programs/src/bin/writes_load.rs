//! Begins OPEN spans that stay open, then writes SPANS spans and LOGS log records of BODY bytes a second, for SECONDS;
//! ends the open ones if END is `end`.

use std::time::{Duration, Instant};

use otel_rs_hooks::{Domain, Key, Scope, Severity, Span, key, log};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|load|1.0.0|0.1.0|\n");

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [open, spans, logs, body, seconds, end] = &args[..] else {
        panic!("writes_load OPEN SPANS LOGS BODY SECONDS end|leave")
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    // While one thread attaches the others do not wait for it; there are no others, but every record counts.
    otel_rs_hooks::active();
    let mut held = Vec::new();
    for _ in 0..number(open) {
        held.push(begin());
        if held.len() % 100 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    println!("ready {}", std::process::id());
    let (spans, logs, body) = (number(spans), number(logs), "x".repeat(number(body) as usize));
    let start = Instant::now();
    let (mut spans_written, mut logs_written) = (0, 0);
    for step in 1..=number(seconds) * 100 {
        while spans_written < spans * step / 100 {
            begin().end(&[(key::HTTP_STATUS, 200.into())]);
            spans_written += 1;
        }
        while logs_written < logs * step / 100 {
            log(&SCOPE, Severity::Info, |attributes| {
                attributes.set(key::LOG_BODY, body.as_str().into());
                attributes.set(Key::Named("number"), (logs_written as i64).into());
                attributes.set(Key::Named("share"), (1.0 - 1.0 / (logs_written as f64)).into());
            });
            logs_written += 1;
        }
        std::thread::sleep((start + Duration::from_millis(10 * step)).saturating_duration_since(Instant::now()));
    }
    if end == "end" {
        held.into_iter().for_each(|span| span.end(&[(key::HTTP_STATUS, 200.into())]));
    }
    println!("done {spans_written} {logs_written}");
}

fn begin() -> Span {
    let attributes = [
        (key::HTTP_METHOD, "GET".into()),
        (key::URL_SCHEME, "http".into()),
        (key::URL_PATH, "/orders/7".into()),
        (key::HTTP_ROUTE, "/orders/{id}".into()),
        (key::HTTP_HOST, "shop.test:3000".into()),
    ];
    Span::start(&SCOPE, Domain::HttpServer, &attributes)
}

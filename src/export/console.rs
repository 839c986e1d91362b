//! Traces as trees, for people.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use anstyle::{AnsiColor, Style};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as name;

use super::destinations::{Accepts, Backend, Delivered};
use crate::bounds::losses::{Losses, Reason};
use crate::signals::sourced::Sourced;
use crate::ui::{self, plural};

/// A trace is shown when none of its spans is open and none has come for this long.
const QUIET: Duration = Duration::from_millis(300);
/// Spans that may wait for their trace's end.
const MAX_WAITING: usize = 20_000;
/// Lines shown of one trace.
const MAX_LINES: usize = 400;
/// Columns a span's place and name may take.
const MAX_LABEL: usize = 76;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();

/// Shows traces on stderr.
#[derive(Debug, Default)]
pub(crate) struct Console {
    traces: HashMap<[u8; 16], Waiting>,
    waiting: usize,
    flushing: bool,
    shown: u64,
}

#[derive(Debug)]
struct Waiting {
    spans: Vec<Sourced<SpanData>>,
    last: Instant,
}

impl Waiting {
    fn start(&self) -> Option<SystemTime> {
        self.spans.iter().map(|span| span.item.start_time).min()
    }
}

impl Accepts<Sourced<SpanData>> for Console {
    fn push(&mut self, span: Sourced<SpanData>) {
        let now = Instant::now();
        let trace = span.item.span_context.trace_id().to_bytes();
        let waiting = self.traces.entry(trace).or_insert_with(|| Waiting { spans: Vec::new(), last: now });
        waiting.last = now;
        waiting.spans.push(span);
        self.waiting += 1;
    }
}

impl Backend for Console {
    fn export_due(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool) {
        let crowded = self.waiting > MAX_WAITING;
        let due = |id: &[u8; 16], waiting: &Waiting| {
            self.flushing || crowded || (now.duration_since(waiting.last) >= QUIET && !is_open(*id))
        };
        let mut ids: Vec<_> =
            self.traces.iter().filter(|(id, trace)| due(id, trace)).map(|(id, trace)| (trace.start(), *id)).collect();
        ids.sort();
        for (_, id) in ids {
            if let Some(trace) = self.traces.remove(&id) {
                self.waiting -= trace.spans.len();
                self.shown += trace.spans.len() as u64;
                ui::err_raw(tree(trace.spans));
            }
        }
    }

    fn flush(&mut self) {
        self.flushing = true;
    }

    fn is_done(&self) -> bool {
        self.traces.is_empty()
    }

    fn finish(&mut self) -> Delivered {
        let mut lost = Losses::default();
        lost.add(Reason::Unanswered, self.waiting as u64);
        Delivered { target: "console".into(), exported: self.shown, lost }
    }
}

/// One line of the tree.
#[derive(Debug, Default)]
struct Line {
    branch: String,
    label: String,
    kind: String,
    outcome: String,
    duration: String,
    scope: String,
    /// The program, where there are several.
    program: String,
    failed: bool,
    /// Below the line: events and the messages of errors.
    remarks: Vec<String>,
    /// What stands left of the remarks.
    trunk: String,
}

/// A trace as a tree, its lines aligned.
fn tree(mut sourced: Vec<Sourced<SpanData>>) -> String {
    sourced.sort_by_key(|span| span.item.start_time);
    let programs: Vec<_> = sourced.iter().map(|span| span.source.label()).collect();
    let spans: Vec<SpanData> = sourced.into_iter().map(|span| span.item).collect();
    let total = spans.len();
    let lines = lines(&spans, &programs);
    let width = |of: &dyn Fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let label = width(&|line| chars(&line.branch) + chars(&line.label)).min(MAX_LABEL);
    let kind = width(&|line| chars(&line.kind));
    let outcome = width(&|line| chars(&line.outcome));
    let duration = width(&|line| chars(&line.duration));
    let scope = width(&|line| if line.program.is_empty() { 0 } else { chars(&line.scope) });
    let mut text = String::new();
    let trace = spans.first().map(|span| span.span_context.trace_id().to_string()).unwrap_or_default();
    let count = plural::counted(total as u64, "span", "spans");
    let _ = writeln!(text, "{BOLD}trace {trace}{BOLD:#}  {count}  {}", show_duration(extent(&spans)));
    for line in lines.iter().take(MAX_LINES) {
        let room = label.saturating_sub(chars(&line.branch));
        let style = if line.failed { RED } else { Style::new() };
        let _ = writeln!(
            text,
            "{DIM}{}{DIM:#}{style}{}{style:#}  {DIM}{}{DIM:#}  {style}{}{style:#}  {:>duration$}  {DIM}{:<scope$}{}{DIM:#}",
            line.branch,
            fit(&line.label, room),
            fit(&line.kind, kind),
            fit(&line.outcome, outcome),
            line.duration,
            line.scope,
            line.program,
        );
        for remark in &line.remarks {
            let _ = writeln!(text, "{DIM}{}{DIM:#}{remark}", line.trunk);
        }
    }
    if lines.len() > MAX_LINES {
        let _ = writeln!(text, "{DIM}… and {} more{DIM:#}", lines.len() - MAX_LINES);
    }
    text.push('\n');
    text
}

fn lines(spans: &[SpanData], programs: &[Option<String>]) -> Vec<Line> {
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    let known: HashMap<SpanId, usize> =
        spans.iter().enumerate().map(|(index, span)| (span.span_context.span_id(), index)).collect();
    let mut roots = Vec::new();
    for (index, span) in spans.iter().enumerate() {
        match known.get(&span.parent_span_id) {
            Some(parent) if *parent != index => children.entry(span.parent_span_id).or_default().push(index),
            _ => roots.push(index),
        }
    }
    let mut lines = Vec::new();
    let mut shown = vec![false; spans.len()];
    // Spans that are each other's parents have no root; they are invalid, and shown all the same.
    let last_root = roots.last().copied();
    for root in roots.into_iter().chain(0..spans.len()) {
        let mut stack = vec![(root, String::new(), last_root.is_none_or(|last| last == root))];
        while let Some((index, trunk, last)) = stack.pop() {
            let Some(span) = spans.get(index) else { continue };
            if std::mem::replace(&mut shown[index], true) {
                continue;
            }
            let below = children.get(&span.span_context.span_id()).map_or(&[][..], Vec::as_slice);
            let next = format!("{trunk}{}", if last { "   " } else { "│  " });
            let mut line = line(span);
            let program = programs.get(index).and_then(Option::as_ref);
            line.program = program.map(|program| format!("  {}", plain(program))).unwrap_or_default();
            line.branch = format!("{trunk}{}", if last { "└─ " } else { "├─ " });
            line.trunk = format!("{next}{}", if below.is_empty() { "   " } else { "│  " });
            lines.push(line);
            // Deeper than the eye can follow it is not indented any further.
            let next = if chars(&next) > 45 { trunk } else { next };
            for (position, child) in below.iter().enumerate().rev() {
                stack.push((*child, next.clone(), position + 1 == below.len()));
            }
        }
    }
    lines
}

fn line(span: &SpanData) -> Line {
    let get = |key: &str| span.attributes.iter().find(|kv| kv.key.as_str() == key).map(|kv| kv.value.to_string());
    let database = get(name::DB_SYSTEM_NAME);
    let failed = matches!(span.status, Status::Error { .. });
    let label = match (&database, &span.span_kind) {
        (None, SpanKind::Client) => {
            get(name::URL_FULL).map_or(span.name.to_string(), |url| format!("{} {url}", span.name))
        }
        (None, SpanKind::Server) if get(name::HTTP_ROUTE).is_none() => {
            get(name::URL_PATH).map_or(span.name.to_string(), |path| format!("{} {path}", span.name))
        }
        _ => span.name.to_string(),
    };
    let kind = match (database, &span.span_kind) {
        (Some(system), _) => system,
        (None, SpanKind::Internal) => String::new(),
        (None, kind) => format!("{kind:?}").to_lowercase(),
    };
    let reads = get(name::DB_OPERATION_NAME).is_some_and(|operation| operation == "SELECT");
    let returned = get(name::DB_RESPONSE_RETURNED_ROWS).filter(|rows| reads || rows != "0").map(rows);
    let code = get(name::HTTP_RESPONSE_STATUS_CODE).or(returned);
    let error = get(name::ERROR_TYPE).filter(|error| Some(error) != code.as_ref());
    let outcome = [code, error].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let scope = &span.instrumentation_scope;
    let scope = [Some(scope.name()), scope.version()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let mut remarks = Vec::new();
    if let Status::Error { description } = &span.status
        && !description.is_empty()
    {
        remarks.push(format!("{RED}! {}{RED:#}", plain(description)));
    }
    for event in span.events.iter() {
        let after = event.timestamp.duration_since(span.start_time).unwrap_or_default();
        let attributes: String =
            event.attributes.iter().map(|kv| format!("  {}={}", kv.key, plain(&kv.value.to_string()))).collect();
        remarks.push(format!(
            "{DIM}•{DIM:#} {}{attributes}  {DIM}+{}{DIM:#}",
            plain(&event.name),
            show_duration(after)
        ));
    }
    let duration = show_duration(span.end_time.duration_since(span.start_time).unwrap_or_default());
    Line { label: plain(&label), kind, outcome: plain(&outcome), duration, scope, failed, remarks, ..Line::default() }
}

fn rows(count: String) -> String {
    if count == "1" { "1 row".into() } else { format!("{count} rows") }
}

/// Replaces control characters: text from requests must not move the cursor or colour the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn extent(spans: &[SpanData]) -> Duration {
    let start = spans.iter().map(|span| span.start_time).min();
    let end = spans.iter().map(|span| span.end_time).max();
    start.zip(end).and_then(|(start, end)| end.duration_since(start).ok()).unwrap_or_default()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// Exactly `width` columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    if chars(text) <= width {
        return format!("{text:<width$}");
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Three digits and a unit.
pub(super) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (number, unit) = match duration.as_nanos() {
        0..1_000_000 => (seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    match number {
        n if n < 9.995 => format!("{n:.2} {unit}"),
        n if n < 99.95 => format!("{n:.1} {unit}"),
        n => format!("{n:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::{source, sources};
    use crate::signals::traces::data::testing::span;
    use opentelemetry::KeyValue;
    use opentelemetry::trace::Event;

    fn without_colour(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn of_one(spans: Vec<SpanData>) -> Vec<Sourced<SpanData>> {
        let source = source(0, "shop");
        spans.into_iter().map(|item| Sourced { source: source.clone(), item }).collect()
    }

    #[test]
    fn lines_of_several_programs_name_their_program() {
        let [shop, stock] = sources(["shop", "stock"]);
        let mut server = span(2, 1, "GET /stock");
        server.instrumentation_scope = opentelemetry::InstrumentationScope::builder("hyper").build();
        let spans = [(shop, span(1, 0, "GET /orders")), (stock, server)];
        let spans = spans.map(|(source, item)| Sourced { source, item });
        let text = without_colour(&tree(spans.into()));
        let expected = "\
trace abababababababababababababababab  2 spans  2.00 ms
└─ GET /orders        1.00 ms  test   shop
   └─ GET /stock      1.00 ms  hyper  stock

";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn a_trace_is_a_tree() {
        let mut server = span(1, 9, "GET /orders/{id}");
        server.span_kind = SpanKind::Server;
        server.end_time += Duration::from_micros(11_400);
        server.attributes =
            vec![KeyValue::new("http.route", "/orders/{id}"), KeyValue::new("http.response.status_code", 200)];
        let mut query = span(2, 1, "SELECT orders");
        query.span_kind = SpanKind::Client;
        query.attributes =
            vec![KeyValue::new("db.system.name", "sqlite"), KeyValue::new("db.response.returned_rows", 1)];
        let mut client = span(3, 1, "GET");
        client.span_kind = SpanKind::Client;
        client.attributes =
            vec![KeyValue::new("url.full", "http://b/"), KeyValue::new("http.response.status_code", 503)];
        client.status = Status::error("too\nbusy");
        client.events.events = vec![Event::new("retry", client.start_time, vec![KeyValue::new("attempt", 2)], 0)];
        let mut stock = span(4, 3, "GET /stock/{id}");
        stock.span_kind = SpanKind::Server;
        let text = without_colour(&tree(of_one(vec![stock, client, query, server])));
        let expected = "\
trace abababababababababababababababab  4 spans  12.4 ms
└─ GET /orders/{id}       server  200    12.4 ms  test
   ├─ SELECT orders       sqlite  1 row  1.00 ms  test
   └─ GET http://b/       client  503    1.00 ms  test
      │  ! too busy
      │  • retry  attempt=2  +0.00 µs
      └─ GET /stock/{id}  server         1.00 ms  test

";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn circles_and_deep_chains_are_shown() {
        let text = without_colour(&tree(of_one(vec![span(1, 2, "a"), span(2, 1, "b")])));
        assert!(text.contains("a ") && text.contains("b "), "{text}");
        let chain: Vec<_> = (1..=250).map(|id| span(id, id - 1, "x")).collect();
        let text = without_colour(&tree(of_one(chain)));
        assert!(text.lines().all(|line| line.chars().count() < 120));
        assert_eq!(text.lines().count(), 252);
    }

    #[test]
    fn a_trace_waits_until_it_is_over() {
        let mut console = Console::default();
        console.push(of_one(vec![span(1, 0, "a")]).remove(0));
        let now = Instant::now();
        console.export_due(now, &|_| false);
        assert!(!console.is_done(), "too soon");
        console.export_due(now + QUIET * 2, &|_| true);
        assert!(!console.is_done(), "still open");
        console.export_due(now + QUIET * 2, &|_| false);
        let Delivered { exported, lost, .. } = console.finish();
        assert_eq!((exported, lost.total()), (1, 0));
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = |ns| show_duration(Duration::from_nanos(ns));
        assert_eq!(shown(850), "0.85 µs");
        assert_eq!(shown(123_456), "123 µs");
        assert_eq!(shown(12_400_000), "12.4 ms");
        assert_eq!(shown(2_346_000_000), "2.35 s");
    }
}

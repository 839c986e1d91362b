//! Runs one kind of hook COUNT times: `costs KIND COUNT`.

use otel_rs_hooks::kit::served::{Exchange, Request, Server};
use otel_rs_hooks::{Cell, CellKind, Domain, Headers, Key, Places, Scope, Severity, SharedSpan, Span, key, log};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|costs|1.0.0|0.1.0|\n");
static SERVER: Server = Server::new(&SCOPE);
static PLACES: Places = Places::new();
static PLACE: u64 = 0;
static COUNTED: Cell = Cell::new(&SCOPE, CellKind::Counter, "costs.counted", "1", "", &[]);

struct List(&'static [(&'static str, &'static str)]);

impl Headers for List {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|(known, _)| *known == name).for_each(|(_, value)| visit(value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count] = &arguments[..] else { panic!("costs KIND COUNT") };
    let hook = match kind.as_str() {
        "request" => request,
        "span" => span,
        "own span" => own_span,
        "log record" => log_record,
        "count" => || COUNTED.add(1),
        other => panic!("{other} is no kind of hook"),
    };
    (0..count.parse().expect("a number")).for_each(|_: u32| hook());
}

/// A request of a server, with a route, that is answered.
fn request() {
    let headers = List(&[
        ("host", "shop.test:8080"),
        ("user-agent", "costs/1.0"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]);
    let head = Request {
        method: "GET",
        scheme: Some("http"),
        path: "/orders/7",
        query: Some("full=true"),
        version: "1.1",
        peer: Some((b"192.0.2.7", 40000)),
        ..Request::default()
    };
    let mut exchange = Exchange::start(&SERVER, &head, &headers);
    {
        let _entered = exchange.enter();
        otel_rs_hooks::kit::route::matched(&SCOPE, "/orders/{id}");
    }
    exchange.head(200, &List(&[("content-length", "5")]));
    exchange.transfer.sent(5);
    exchange.sent();
}

/// A span with two attributes.
fn span() {
    let name = (key::SPAN_NAME, "cook".into());
    let span = Span::start(&SCOPE, Domain::Internal, &[name, (Key::Named("dish"), "soup".into())]);
    span.end(&[]);
}

/// A span of the program's own, as `tracing` has them.
fn own_span() {
    let place = PLACES.written(&PLACE, || [(key::SPAN_NAME, "cook".into())]);
    if let Some((span, start)) = SharedSpan::begin(&SCOPE, None, place, None) {
        span.record_start(&start);
        span.enter();
        span.leave();
    }
}

fn log_record() {
    log(&SCOPE, Severity::Info, |attributes| attributes.set(key::LOG_BODY, "the soup is ready".into()));
}

//! Records one of everything, once at the start and once for each line on stdin: a request served with a query, a call to
//! another service, work of its own, a log record and counters. The request's headers are the arguments, `name=value`.
//! Prints which headers the call would have taken along, `sent name value`, and `recorded` after each round. Ends when
//! stdin does.

use std::io::{BufRead, Write};

use otel_rs_hooks::http::{Message, capture_headers, is_excluded};
use otel_rs_hooks::{Cell, CellKind, Context, Domain, Key, Scope, Severity, Span, key, log};
use otel_rs_test_programs::HeaderList;

static SERVER: Scope = Scope::new("otel-rs:layer:5|server|1.0.0|0.1.0|\n");
static CLIENT: Scope = Scope::new("otel-rs:layer:5|client|1.0.0|0.1.0|\n");
static DATABASE: Scope = Scope::new("otel-rs:layer:5|database|1.0.0|0.1.0|\n");
static WORK: Scope = Scope::new("otel-rs:layer:5|work|1.0.0|0.1.0|\n");

fn main() {
    let headers = std::env::args()
        .skip(1)
        .map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("name=value"))
        .collect();
    let headers = HeaderList(headers);
    // While one thread attaches the others do not wait for it; there are no others, but a test may count on all records.
    otel_rs_hooks::active();
    let lines = std::io::stdin().lock().lines();
    for line in std::iter::once(Ok(String::new())).chain(lines) {
        let Ok(_) = line else { return };
        serve(&headers);
        println!("recorded");
        let _ = std::io::stdout().flush();
    }
}

fn serve(headers: &HeaderList) {
    let parent = Context::extract(headers);
    let method = headers.0.iter().find(|(name, _)| name == ":method").map_or("GET", |(_, value)| value);
    let server = if is_excluded("http", b"shop.test:3000", "/orders/7") {
        Span::non_recording(&SERVER, parent)
    } else {
        request(parent, method)
    };
    capture_headers(server.context(), Message::ServerRequest, headers);
    {
        let _entered = server.context().enter();
        query();
        call();
        work();
        log(&WORK, Severity::Info, |attributes| {
            attributes.set(key::LOG_BODY, "an order".into());
            attributes.set(Key::Named("long"), "abcdefghijklmnopqrstuvwxyz".into());
            attributes.set(Key::Named("second"), 2.into());
        });
    }
    static SERVED: Cell = Cell::new(&SERVER, CellKind::Counter, "orders.served", "{order}", "Orders served.", &[]);
    SERVED.add(1);
    static DRAWERS: [Cell; 3] =
        [drawers(&[("drawer", "upper")]), drawers(&[("drawer", "middle")]), drawers(&[("drawer", "lower")])];
    DRAWERS.iter().for_each(|cell| cell.add(1));
    capture_headers(
        server.context(),
        Message::ServerResponse,
        &message(&[("x-served-by", "shop"), ("set-cookie", "hunter2")]),
    );
    server.end(&[(key::HTTP_STATUS, 200.into())]);
}

fn message(headers: &[(&str, &str)]) -> HeaderList {
    HeaderList(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn request(parent: Context, method: &str) -> Span {
    Span::start_with_parent(
        &SERVER,
        Domain::HttpServer,
        parent,
        &[
            (key::HTTP_METHOD, method.into()),
            (key::URL_SCHEME, "http".into()),
            (key::URL_PATH, "/orders/7".into()),
            (key::URL_QUERY, "token=hunter2&page=2".into()),
            (key::HTTP_ROUTE, "/orders/{id}".into()),
            (key::HTTP_HOST, "shop.test:3000".into()),
        ],
    )
}

const fn drawers(attributes: &'static [(&'static str, &'static str)]) -> Cell {
    Cell::new(&WORK, CellKind::Counter, "drawers.opened", "{drawer}", "Drawers opened.", attributes)
}

fn query() {
    let query = Span::start(
        &DATABASE,
        Domain::Database,
        &[(key::DB_SYSTEM, "postgresql".into()), (key::DB_QUERY, "SELECT item FROM orders WHERE id = 7".into())],
    );
    query.end(&[(key::DB_ROWS, 1.into())]);
}

fn call() {
    if is_excluded("http", b"stock.test:3001", "/stock/teapot") {
        return;
    }
    let url = "http://stock.test:3001/stock/teapot";
    let call =
        Span::start(&CLIENT, Domain::HttpClient, &[(key::HTTP_METHOD, "GET".into()), (key::URL_FULL, url.into())]);
    let mut sent = HeaderList::default();
    call.context().inject(&mut sent);
    sent.0.iter().for_each(|(name, value)| println!("sent {name} {value}"));
    capture_headers(call.context(), Message::ClientRequest, &message(&[("x-asked-by", "shop")]));
    capture_headers(call.context(), Message::ClientResponse, &message(&[("x-stock", "plenty"), ("x-stock", "of it")]));
    call.end(&[(key::HTTP_STATUS, 200.into())]);
}

/// A span with three attributes, of which one is long, and two events with two attributes each.
fn work() {
    let work = Span::start(&WORK, Domain::Internal, &[(key::SPAN_NAME, "work".into())]);
    work.set(&[
        (Key::Named("long"), "abcdefghijklmnopqrstuvwxyz".into()),
        (Key::Named("second"), 2.into()),
        (Key::Named("third"), 3.into()),
    ]);
    for event in ["first", "second"] {
        work.context().event(event, &[(Key::Named("one"), "abcdefghij".into()), (Key::Named("two"), 2.into())]);
    }
    work.end(&[]);
}

//! For each line on stdin, `ROUTE` or `ROUTE STATUS`, serves a request that queries a database and calls another service,
//! and counts it. Prints `done` after each. Begins with `ready PID`, ends when stdin does.

use std::io::{BufRead, Write};

use otel_rs_hooks::{Cell, CellKind, Domain, Scope, Span, key};

static SERVER: Scope = Scope::new("otel-rs:layer:5|server|1.0.0|0.1.0|\n");
static CLIENT: Scope = Scope::new("otel-rs:layer:5|client|2.0.0|0.1.0|\n");
static DATABASE: Scope = Scope::new("otel-rs:layer:5|database|3.0.0|0.1.0|\n");

static ORDERS: Cell =
    Cell::new(&SERVER, CellKind::Counter, "orders.served", "{order}", "Orders that were served.", &[]);
static OPEN: Cell = Cell::new(
    &SERVER,
    CellKind::UpDownCounter,
    "http.server.active_requests",
    "{request}",
    "Number of active HTTP server requests.",
    &[("http.request.method", "GET"), ("url.scheme", "http")],
);

fn main() {
    // While one thread attaches the others do not wait for it; there are no others, but every record counts.
    otel_rs_hooks::active();
    print(&format!("ready {}", std::process::id()));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let mut words = line.split_whitespace();
        let route = words.next().unwrap_or("/");
        serve(route, words.next().and_then(|status| status.parse().ok()).unwrap_or(200));
        print("done");
    }
}

fn print(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

fn serve(route: &str, status: i64) {
    OPEN.add(1);
    let attributes =
        [(key::HTTP_METHOD, "GET".into()), (key::URL_SCHEME, "http".into()), (key::HTTP_ROUTE, route.into())];
    let request = Span::start(&SERVER, Domain::HttpServer, &attributes);
    {
        let _entered = request.context().enter();
        let attributes = [(key::DB_SYSTEM, "sqlite".into()), (key::DB_QUERY, "SELECT item FROM orders".into())];
        Span::start(&DATABASE, Domain::Database, &attributes).end(&[(key::DB_ROWS, 1.into())]);
        let attributes = [(key::HTTP_METHOD, "GET".into()), (key::URL_FULL, "http://stock.test:3001/stock/7".into())];
        Span::start(&CLIENT, Domain::HttpClient, &attributes).end(&[(key::HTTP_STATUS, 200.into())]);
    }
    request.end(&[(key::HTTP_STATUS, status.into())]);
    ORDERS.add(1);
    OPEN.add(-1);
}

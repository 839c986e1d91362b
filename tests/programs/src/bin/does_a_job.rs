//! A batch job without a request: work of its own with a call to another service, a log record, and a request that it
//! serves by the way. Prints which headers the call took along, `sent name value`. Then it runs the command in its
//! arguments, if there is one, and ends as that did.

use std::process::Command;

use otel_rs_hooks::{Context, Domain, Scope, Severity, Span, key, log};
use otel_rs_test_programs::HeaderList;

static SCOPE: Scope = Scope::new("otel-rs:layer:5|job|1.0.0|0.1.0|\n");

fn main() {
    let work = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "work".into())]);
    {
        let _entered = work.context().enter();
        call("http://within.test/");
    }
    work.end(&[]);
    call("http://alone.test/");
    log(&SCOPE, Severity::Info, |attributes| attributes.set(key::LOG_BODY, "working".into()));
    let request = Span::start_with_parent(
        &SCOPE,
        Domain::HttpServer,
        Context::extract(&HeaderList::default()),
        &[(key::HTTP_METHOD, "GET".into()), (key::HTTP_ROUTE, "/health".into())],
    );
    request.end(&[(key::HTTP_STATUS, 200.into())]);

    let mut words = std::env::args_os().skip(1);
    let status = words.next().map(|command| Command::new(command).args(words).status().expect("a command"));
    std::process::exit(status.map_or(0, |status| status.code().unwrap_or(1)));
}

fn call(url: &str) {
    let call =
        Span::start(&SCOPE, Domain::HttpClient, &[(key::HTTP_METHOD, "GET".into()), (key::URL_FULL, url.into())]);
    let mut sent = HeaderList::default();
    call.context().inject(&mut sent);
    sent.0.iter().for_each(|(name, value)| println!("sent {name} {value}"));
    call.end(&[(key::HTTP_STATUS, 200.into())]);
}

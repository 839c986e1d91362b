//! Begins two requests and waits for the end.

use otel_rs_hooks::{Domain, Scope, Span, key};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|counted|1.0.0|0.1.0|\n");

fn main() {
    let begin = |path: &'static str| {
        let attributes =
            [(key::HTTP_METHOD, "GET".into()), (key::URL_PATH, path.into()), (key::URL_SCHEME, "http".into())];
        Span::start(&SCOPE, Domain::HttpServer, &attributes)
    };
    let _open = (begin("/one"), begin("/two"));
    begin("/done").end(&[(key::HTTP_STATUS, 200.into())]);
    println!("ready {}", std::process::id());
    std::thread::sleep(std::time::Duration::from_secs(60));
}

//! A server whose answer takes threads of a scope: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;

use crossbeam_utils::thread;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;

/// Sends a request to a server that answers it with `work`.
async fn request<W: Future<Output = ()>>(path: &str, work: impl Fn() -> W) {
    let (near, far) = tokio::io::duplex(4096);
    let service = service_fn(|_: Request<Incoming>| {
        let work = work();
        async {
            work.await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let server = server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(near)).await.expect("a connection");
    let call = async move {
        let request = Request::get(format!("http://shop{path}")).header("host", "shop").body(String::new());
        sender.send_request(request.expect("a request")).await.expect("an answer");
    };
    let (served, connected, ()) = tokio::join!(server, connection, call);
    served.and(connected).expect("no error");
}

/// Makes a table in a database of its own.
fn table(name: &str) {
    let database = Connection::open_in_memory().expect("a database");
    database.execute(&format!("CREATE TABLE {name} (id INTEGER)"), []).expect("a table");
}

/// Threads of all kinds.
fn threads() {
    let joined = thread::scope(|scope| {
        scope.spawn(|scope| {
            table("spawned");
            // A thread of a thread.
            scope.spawn(|_| table("nested"));
        });
        scope.builder().name("built".to_owned()).spawn(|_| table("built")).expect("a thread");
        scope.spawn(|_| panic!("no room")).join()
    });
    // The panic comes where the thread is joined.
    let panicked = joined.expect("all others return").expect_err("one panics");
    println!("panicked: {:?}", panicked.downcast_ref::<&str>());
    table("after_panic");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    request("/", || async { threads() }).await;
    thread::scope(|scope| drop(scope.spawn(|_| table("outside")))).expect("no panic");
}

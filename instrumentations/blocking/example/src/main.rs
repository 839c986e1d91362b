//! A server whose answer takes blocking work: each piece makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use blocking::{unblock, Unblock};
use futures_lite::{FutureExt, StreamExt};
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

/// Work of all kinds.
async fn work() {
    unblock(|| table("unblock")).await;
    let mut shelf = Unblock::new(["iterator"].into_iter().inspect(|name| table(name)));
    shelf.with_mut(|_| table("with_mut")).await;
    println!("{} items", shelf.count().await);
    // The panic comes where the work is awaited.
    let panicked = AssertUnwindSafe(unblock(|| panic!("no room"))).catch_unwind().await.is_err();
    println!("panicked: {panicked}");
    unblock(|| table("after_panic")).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    request("/", work).await;
    unblock(|| table("outside")).await;
}

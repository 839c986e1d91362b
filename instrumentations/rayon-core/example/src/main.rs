//! A server whose answers take jobs of a pool. Each job makes a table, whose span is a child of the server's.
//!
//! The argument is how many requests are answered at the same time.

use std::convert::Infallible;
use std::future::Future;
use std::panic;
use std::sync::mpsc;

use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use rusqlite::Connection;
use tokio::sync::oneshot;

/// Sends a request to a server that answers it with `work`.
async fn request<W: Future<Output = ()>>(path: String, work: impl Fn() -> W) {
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

/// A pool of two threads, which are started here.
fn pool() -> ThreadPool {
    let pool = ThreadPoolBuilder::new().num_threads(2).start_handler(|_| table("start")).build().expect("a pool");
    pool.broadcast(|_| ());
    pool
}

/// Jobs of all kinds, for the pool that this thread works for.
fn jobs() {
    rayon::join(|| table("joined"), || table("joined"));
    rayon::scope(|scope| {
        scope.spawn(|scope| {
            table("scope");
            scope.spawn_broadcast(|_, _| table("scope"));
        })
    });
    rayon::scope_fifo(|scope| scope.spawn_fifo(|_| table("scope")));
    rayon::broadcast(|_| table("broadcast"));
    ["par_iter"; 8].par_iter().for_each(|name| table(name));
    let (sender, spawned) = mpsc::channel();
    let again = sender.clone();
    rayon::spawn(move || sender.send(table("spawn")).expect("a receiver"));
    rayon::spawn_fifo(move || again.send(table("spawn")).expect("a receiver"));
    assert_eq!(spawned.into_iter().count(), 2);
    // The other half is done nevertheless, and the panic comes here.
    let panicked = panic::catch_unwind(|| rayon::join(|| panic!("no room"), || table("beside_panic")));
    println!("panicked: {:?}", panicked.err().and_then(|payload| payload.downcast_ref::<&str>().copied()));
    table("after_panic");
}

/// A job that others of other requests are executed in: each half of its `join` waits for the other one.
async fn nested(pool: &ThreadPool, number: usize) {
    let (sender, done) = oneshot::channel();
    pool.spawn(move || {
        let half =
            |name: &str| rayon::join(|| table(&format!("{name}_{number}")), || table(&format!("{name}_{number}")));
        rayon::join(|| half("left"), || half("right"));
        table(&format!("last_{number}"));
        let _ = sender.send(());
    });
    done.await.expect("a job");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let requests = std::env::args().nth(1).map_or(2, |argument| argument.parse().expect("a number"));
    request("/kinds".to_owned(), || async {
        let pool = pool();
        pool.install(jobs);
    })
    .await;
    let pool = ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
    let pool = &pool;
    join_all((0..requests).map(|number| request(format!("/{number}"), move || nested(pool, number)))).await;
    pool.install(|| table("outside"));
    println!("{requests} requests");
}

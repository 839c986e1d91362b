//! A server whose answer takes tasks of executors: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::thread;

use async_executor::{Executor, LocalExecutor};
use futures_lite::future::{block_on, yield_now};
use futures_lite::FutureExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::sync::oneshot;

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

/// A task that is polled twice.
async fn task(name: &'static str) {
    yield_now().await;
    table(name);
}

/// Another thread executes its tasks.
static EXECUTOR: Executor<'_> = Executor::new();

/// Tasks of both executors.
async fn tasks(local: &LocalExecutor<'_>) {
    let spawned = EXECUTOR.spawn(async {
        // A task of a task.
        EXECUTOR.spawn(task("nested")).await;
        task("spawned").await;
    });
    spawned.await;
    local.spawn(task("local_task")).await;
    // The panic comes where the task is executed, or where it is awaited.
    let panicking = local.spawn(async { panic!("no room") });
    let panicked = AssertUnwindSafe(local.run(panicking)).catch_unwind().await.is_err();
    println!("panicked: {panicked}");
    table("after_panic");
}

fn main() {
    let local = LocalExecutor::new();
    let (stop, stopped) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| block_on(EXECUTOR.run(stopped)));
        block_on(local.run(request("/", || tasks(&local))));
        // A request is answered by the thread that executes a task of none.
        local.spawn(task("outside")).detach();
        block_on(request("/other", || async {
            while local.try_tick() {}
            table("other");
        }));
        drop(stop);
    });
}

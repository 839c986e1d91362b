//! A server whose answer takes tasks of pools: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;

use futures_executor::{LocalPool, ThreadPool};
use futures_task::FutureObj;
use futures_util::task::{LocalSpawnExt, SpawnExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::yield_now;

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

/// A task that is waited for.
fn awaited(name: &'static str) -> (impl Future<Output = ()>, oneshot::Receiver<()>) {
    let (sender, done) = oneshot::channel();
    let future = async move {
        task(name).await;
        let _ = sender.send(());
    };
    (future, done)
}

/// Tasks of a pool of threads.
async fn tasks(pool: &ThreadPool) {
    let (future, done) = awaited("spawn_ok");
    pool.spawn_ok(future);
    done.await.expect("a task");
    let (future, done) = awaited("spawn_obj_ok");
    pool.spawn_obj_ok(FutureObj::new(Box::new(future)));
    done.await.expect("a task");
    let again = pool.clone();
    // A task of a task.
    let nested = async move { again.spawn_with_handle(task("spawn")).expect("a pool").await };
    pool.spawn_with_handle(nested).expect("a pool").await;
    // It ends its thread.
    let (sender, done) = oneshot::channel::<()>();
    pool.spawn_ok(async {
        let _sender = sender;
        panic!("no room")
    });
    println!("panicked: {}", done.await.is_err());
    pool.spawn_with_handle(task("after_panic")).expect("a pool").await;
}

fn main() {
    // Its threads are started outside of any request.
    let pool = ThreadPool::builder().pool_size(2).create().expect("a pool");
    let mut local = LocalPool::new();
    let spawner = local.spawner();
    local.run_until(request("/", || tasks(&pool)));
    // The pool executes them, and not the request.
    local.run_until(request("/local", || async {
        spawner.spawn(task("local_task")).expect("a pool");
        spawner.spawn_local(task("local_task")).expect("a pool");
    }));
    spawner.spawn_local(task("outside")).expect("a pool");
    local.run();
    println!("answered");
}

//! A server whose answer takes pinned tasks of a pool: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::task::{spawn_local, yield_now};
use tokio_util::task::LocalPoolHandle;

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

/// Tasks of all kinds.
async fn tasks(pool: &LocalPoolHandle) {
    let pinned = pool.spawn_pinned(|| {
        table("made");
        let name = Rc::new("pinned");
        async move {
            yield_now().await;
            table(&name);
            // A task of a task, on the same thread.
            spawn_local(async { table("nested") }).await
        }
    });
    pinned.await.expect("a task").expect("a task");
    // The panic comes where the task is awaited.
    let panicked = pool.spawn_pinned(|| async { panic!("no room") }).await.expect_err("it panics");
    println!("panicked: {}", panicked.is_panic());
    pool.spawn_pinned(|| async { table("after_panic") }).await.expect("a task");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let pool = LocalPoolHandle::new(1);
    request("/", || tasks(&pool)).await;
    pool.spawn_pinned(|| async { table("outside") }).await.expect("a task");
}

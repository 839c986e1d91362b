//! A server whose answer gives tasks to the threads of arbiters: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;

use actix_rt::{Arbiter, System};
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

/// A task that is polled twice, and waited for.
fn awaited(name: &'static str) -> (impl Future<Output = ()>, oneshot::Receiver<()>) {
    let (sender, done) = oneshot::channel();
    let future = async move {
        yield_now().await;
        table(name);
        let _ = sender.send(());
    };
    (future, done)
}

/// Tasks of all kinds.
async fn tasks(arbiter: &Arbiter) {
    let (future, done) = awaited("spawn");
    assert!(arbiter.spawn(future));
    done.await.expect("a task");
    let (sender, handle) = oneshot::channel();
    arbiter.spawn_fn(move || drop(sender.send(Arbiter::current())));
    let (future, done) = awaited("handle");
    assert!(handle.await.expect("a task").spawn(future));
    done.await.expect("a task");
    let (sender, done) = oneshot::channel();
    arbiter.spawn_fn(move || {
        table("function");
        // A task of a task, on the same thread.
        let (future, nested) = awaited("nested");
        let _ = sender.send((nested, actix_rt::spawn(future)));
    });
    done.await.expect("a task").0.await.expect("a task");
    // The panic ends the task.
    let (sender, done) = oneshot::channel::<()>();
    arbiter.spawn(async {
        let _sender = sender;
        panic!("no room")
    });
    println!("panicked: {}", done.await.is_err());
    let (future, done) = awaited("after_panic");
    assert!(arbiter.spawn(future));
    done.await.expect("a task");
}

fn main() {
    System::new().block_on(async {
        let arbiter = Arbiter::new();
        request("/", || tasks(&arbiter)).await;
        let (future, done) = awaited("outside");
        arbiter.spawn(future);
        done.await.expect("a task");
        println!("stopped: {}", arbiter.stop());
        arbiter.join().expect("no panic");
    });
}

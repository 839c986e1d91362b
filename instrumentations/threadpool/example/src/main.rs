//! A server whose answers take jobs of a pool of threads: each makes a table, whose span is a child of the server's.

use std::convert::Infallible;
use std::future::Future;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use threadpool::ThreadPool;

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

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // The threads are started while the first request is answered, and serve the second one as well.
    let pool = ThreadPool::new(1);
    let execute = |name: &'static str| pool.execute(move || table(name));
    request("/one", || async {
        execute("one");
        // The pool replaces the thread.
        pool.execute(|| panic!("no room"));
        execute("after_panic");
        pool.join();
    })
    .await;
    request("/two", || async {
        let again = pool.clone();
        // A job of a job.
        pool.execute(move || again.execute(|| table("nested")));
        while pool.queued_count() + pool.active_count() > 0 {
            pool.join();
        }
    })
    .await;
    execute("outside");
    pool.join();
    println!("{} panicked", pool.panic_count());
}

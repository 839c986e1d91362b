//! Books in databases in memory, over a pool of two connections: requests that wait for one, one that does not get one in
//! time, a connection that is no longer good, and one that is taken out of the pool. Then a pool of something else.

use std::sync::OnceLock;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use deadpool::Runtime;
use rusqlite::Connection;
use tracing::{info_span, Instrument};

static POOL: OnceLock<Pool<Books>> = OnceLock::new();

struct Books;

impl Manager for Books {
    type Type = Connection;
    type Error = rusqlite::Error;

    async fn create(&self) -> rusqlite::Result<Connection> {
        let books = Connection::open_in_memory()?;
        books.execute_batch("CREATE TABLE books (title TEXT)")?;
        // A task of the connection's own, which goes on after the request.
        tokio::spawn(async {
            tokio::task::yield_now().await;
            Connection::open_in_memory()?.execute_batch("VACUUM")
        });
        Ok(books)
    }

    async fn recycle(&self, books: &mut Connection, _: &Metrics) -> RecycleResult<rusqlite::Error> {
        books.query_row("SELECT 1", [], |_| Ok(())).map_err(RecycleError::Backend)?;
        match books.execute("DELETE FROM books", [])? {
            0 => Ok(()),
            _ => Err(RecycleError::message("something was left on it")),
        }
    }
}

struct Buffers;

impl Manager for Buffers {
    type Type = Vec<u8>;
    type Error = ();

    async fn create(&self) -> Result<Vec<u8>, ()> {
        Ok(Vec::new())
    }

    async fn recycle(&self, _: &mut Vec<u8>, _: &Metrics) -> RecycleResult<()> {
        Ok(())
    }
}

async fn count(pool: &Pool<Books>, number: i64) -> i64 {
    let request = async {
        let books = pool.get().await.expect("a connection");
        let count = books.query_row("SELECT count(*) FROM books", [], |row| row.get(0)).expect("a number");
        tokio::time::sleep(Duration::from_millis(20)).await;
        count
    };
    request.instrument(info_span!("request", number)).await
}

#[tokio::main]
async fn main() {
    let pool = POOL.get_or_init(|| Pool::builder(Books).max_size(2).runtime(Runtime::Tokio1).build().expect("a pool"));
    let counts = tokio::join!(count(pool, 1), count(pool, 2), count(pool, 3));
    println!("counts: {counts:?}, size: {}", pool.status().size);

    let (one, other) = (pool.get().await.expect("a connection"), pool.get().await.expect("another"));
    let timeouts = deadpool::managed::Timeouts { wait: Some(Duration::from_millis(20)), ..pool.timeouts() };
    println!("in time: {}", pool.timeout_get(&timeouts).await.is_ok());
    one.execute("INSERT INTO books VALUES ('Emma')", []).expect("a book");
    drop(one);
    println!("not given out again: {}", count(pool, 4).await);
    drop(Object::take(other));
    println!("size: {}", pool.status().size);

    let buffers: Pool<Buffers> = Pool::builder(Buffers).max_size(7).build().expect("a pool");
    println!("empty: {}", buffers.get().await.expect("a buffer").is_empty());
    // The tasks of the connections end.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

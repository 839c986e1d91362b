//! Books in databases in memory, over a pool of two connections: requests that wait for one, one that does not get one in
//! time, and a connection that is no longer good. Then a pool of something else.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use r2d2::{ManageConnection, Pool};
use rusqlite::Connection;

static POOL: OnceLock<Pool<Books>> = OnceLock::new();

struct Books;

impl ManageConnection for Books {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let books = Connection::open_in_memory()?;
        books.execute_batch("CREATE TABLE books (title TEXT)")?;
        Ok(books)
    }

    fn is_valid(&self, books: &mut Connection) -> rusqlite::Result<()> {
        books.query_row("SELECT 1", [], |_| Ok(()))
    }

    fn has_broken(&self, books: &mut Connection) -> bool {
        !books.is_autocommit()
    }
}

struct Buffers;

impl ManageConnection for Buffers {
    type Connection = Vec<u8>;
    type Error = Infallible;

    fn connect(&self) -> Result<Vec<u8>, Infallible> {
        Ok(Vec::new())
    }

    fn is_valid(&self, _: &mut Vec<u8>) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn count(pool: &Pool<Books>, number: i64) -> i64 {
    tracing::info_span!("request", number).in_scope(|| {
        let books = pool.get().expect("a connection");
        let count = books.query_row("SELECT count(*) FROM books", [], |row| row.get(0)).expect("a number");
        thread::sleep(Duration::from_millis(20));
        count
    })
}

fn main() {
    let opened = Pool::builder().max_size(2).min_idle(Some(1)).build(Books).expect("a pool");
    let pool = POOL.get_or_init(|| opened);
    thread::scope(|scope| {
        let requests = [1, 2, 3].map(|number| scope.spawn(move || count(pool, number)));
        println!("counts: {:?}", requests.map(|request| request.join().expect("a count")));
    });
    // The pool keeps one connection more than it gives out, if it may.
    let (one, other) = (pool.get().expect("a connection"), pool.get().expect("another"));
    println!("size: {}", pool.state().connections);
    println!("in time: {}", pool.get_timeout(Duration::from_millis(20)).is_ok());
    println!("at once: {}", pool.try_get().is_some());
    one.execute_batch("BEGIN").expect("a transaction");
    drop((one, other));
    println!("at once: {}", pool.try_get().is_some());

    let buffers = Pool::builder().max_size(1).build(Buffers).expect("a pool");
    println!("empty: {}", buffers.get().expect("a buffer").is_empty());
    thread::sleep(Duration::from_millis(300));
}

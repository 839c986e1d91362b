//! Books in PostgreSQL, at DATABASE_URL, over a pool of two connections: requests that wait for one, and one that does not
//! get one in time.

use std::sync::OnceLock;
use std::time::Duration;

use bb8::Pool;
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::NoTls;
use tracing::{info_span, Instrument};

type Books = Pool<PostgresConnectionManager<NoTls>>;

static POOL: OnceLock<Books> = OnceLock::new();

async fn count(pool: &Books, number: i64) -> i64 {
    let request = async {
        let books = pool.get().await.expect("a connection");
        let row = books.query_one("SELECT count(*) FROM (VALUES ('Emma')) AS books", &[]).await.expect("a row");
        tokio::time::sleep(Duration::from_millis(20)).await;
        row.get(0)
    };
    request.instrument(info_span!("request", number)).await
}

#[tokio::main]
async fn main() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as postgres://user@localhost/database");
    let manager = PostgresConnectionManager::new_from_stringlike(&url, NoTls).expect("a URL");
    let options = Pool::builder().max_size(2).min_idle(Some(1)).connection_timeout(Duration::from_secs(1));
    let opened = options.build(manager).await.expect("a pool");
    let pool = POOL.get_or_init(|| opened);
    let counts = tokio::join!(count(pool, 1), count(pool, 2), count(pool, 3));
    println!("counts: {counts:?}, size: {}", pool.state().connections);

    let (one, other) = (pool.get().await.expect("a connection"), pool.get_owned().await.expect("another"));
    println!("in time: {}", pool.get().await.is_ok());
    drop((one, other));
    let dedicated = pool.dedicated_connection().await.expect("a connection");
    println!("open: {}, idle: {}", !dedicated.is_closed(), pool.state().idle_connections);
}

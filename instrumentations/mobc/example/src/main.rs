//! Books in PostgreSQL, at DATABASE_URL, over a pool of two connections: requests that wait for one, and one that does not
//! get one in time.

use std::sync::OnceLock;
use std::time::Duration;

use mobc::{async_trait, Manager, Pool};
use tokio_postgres::{Client, Error, NoTls};
use tracing::{info_span, Instrument};

struct Books(String);

#[async_trait]
impl Manager for Books {
    type Connection = Client;
    type Error = Error;

    async fn connect(&self) -> Result<Client, Error> {
        let (client, connection) = tokio_postgres::connect(&self.0, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn check(&self, client: Client) -> Result<Client, Error> {
        client.simple_query("SELECT 1").await?;
        Ok(client)
    }
}

static POOL: OnceLock<Pool<Books>> = OnceLock::new();

async fn count(pool: &Pool<Books>, number: i64) -> i64 {
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
    let options = Pool::builder().max_open(2).max_idle(2).get_timeout(Some(Duration::from_secs(1)));
    let pool = POOL.get_or_init(|| options.build(Books(url)));
    let counts = tokio::join!(count(pool, 1), count(pool, 2), count(pool, 3));
    println!("counts: {counts:?}, size: {}", pool.state().await.connections);

    let (one, other) = (pool.get().await.expect("a connection"), pool.get().await.expect("another"));
    println!("in time: {}", pool.get_timeout(Duration::from_millis(50)).await.is_ok());
    drop(one.into_inner());
    drop(other);
    // A connection is given back by a task.
    while pool.state().await.idle < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("idle: {}", pool.state().await.idle);
}

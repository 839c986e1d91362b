//! A shelf of books in PostgreSQL, at POSTGRESQL_URL, and in MariaDB, at MARIADB_URL: a transaction, a query, and a statement
//! that fails. Each statement is recorded by the client below, and once.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

diesel::table! {
    books (title) {
        title -> Text,
    }
}

macro_rules! shelf {
    ($connection:ident, $variable:literal) => {{
        let url = std::env::var($variable).expect($variable);
        let mut conn = $connection::establish(&url).await?;
        conn.batch_execute("DROP TABLE IF EXISTS books").await?;
        conn.batch_execute("CREATE TABLE books (title VARCHAR(50) PRIMARY KEY)").await?;
        conn.batch_execute("BEGIN").await?;
        for title in ["Emma", "Dune"] {
            diesel::insert_into(books::table).values(books::title.eq(title)).execute(&mut conn).await?;
        }
        conn.batch_execute("COMMIT").await?;
        let emma: Vec<String> =
            books::table.select(books::title).filter(books::title.eq("Emma")).load(&mut conn).await?;
        let twice = diesel::insert_into(books::table).values(books::title.eq("Emma")).execute(&mut conn).await;
        println!("{}: {emma:?}, twice: {}", stringify!($connection), twice.is_ok());
    }};
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    shelf!(AsyncPgConnection, "POSTGRESQL_URL");
    shelf!(AsyncMysqlConnection, "MARIADB_URL");
    Ok(())
}

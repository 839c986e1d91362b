//! A shelf of books in PostgreSQL, at DATABASE_URL: two transactions, one of them dropped, queries, copied data, and
//! statements that fail.

use futures_util::TryStreamExt;
use sqlx::postgres::PgPoolOptions;
use sqlx::Row;

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as postgres://user@localhost/database");
    let pool = PgPoolOptions::new().connect(&url).await?;
    sqlx::query("DROP TABLE IF EXISTS books").execute(&pool).await?;
    sqlx::query("CREATE TABLE books (id SERIAL PRIMARY KEY, title TEXT NOT NULL UNIQUE)").execute(&pool).await?;

    let mut transaction = pool.begin().await?;
    for title in ["Emma", "Dune"] {
        sqlx::query("INSERT INTO books (title) VALUES ($1)").bind(title).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;

    let mut transaction = pool.begin().await?;
    sqlx::query("DELETE FROM books").execute(&mut *transaction).await?;
    drop(transaction);

    let books = sqlx::query("SELECT title FROM books ORDER BY title").fetch_all(&pool).await?;
    let first: String = books[0].get("title");
    let twice = sqlx::query("INSERT INTO books (title) VALUES ('Emma')").execute(&pool).await;
    println!("{} books, {first} first, twice: {}", books.len(), twice.is_ok());

    let mut connection = pool.acquire().await?;
    let mut copy = connection.copy_in_raw("COPY books (title) FROM STDIN").await?;
    copy.send(&b"Persuasion\nWalden\n"[..]).await?;
    let copied = copy.finish().await?;
    let mut copy = connection.copy_in_raw("COPY books (title) FROM STDIN").await?;
    copy.send(&b"Emma\n"[..]).await?;
    let twice = copy.finish().await;
    let mut copy = connection.copy_out_raw("COPY books TO STDOUT").await?;
    let mut lines = 0;
    while let Some(data) = copy.try_next().await? {
        lines += data.iter().filter(|byte| **byte == b'\n').count();
    }
    drop(copy);
    drop(connection);
    println!("{copied} books copied in, {lines} out, twice: {}", twice.is_ok());
    pool.close().await;
    Ok(())
}

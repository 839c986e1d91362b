//! A shelf of books in SQLite: two transactions, one of them dropped, queries, and one statement that fails.

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::Row;

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    // One connection: each has an in-memory database of its own.
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE)").execute(&pool).await?;

    let mut transaction = pool.begin().await?;
    for title in ["Emma", "Dune"] {
        sqlx::query("INSERT INTO books (title) VALUES (?)").bind(title).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;

    let mut transaction = pool.begin().await?;
    sqlx::query("DELETE FROM books").execute(&mut *transaction).await?;
    drop(transaction);

    let books = sqlx::query("SELECT title FROM books ORDER BY title").fetch_all(&pool).await?;
    let first: String = books[0].get("title");
    let twice = sqlx::query("INSERT INTO books (title) VALUES ('Emma')").execute(&pool).await;
    println!("{} books, {first} first, twice: {}", books.len(), twice.is_ok());
    pool.close().await;
    Ok(())
}

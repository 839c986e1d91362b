//! A shelf of books in MySQL or MariaDB, at DATABASE_URL: two transactions, one of them dropped, queries,
//! and one statement that fails.

use sqlx::mysql::MySqlPoolOptions;
use sqlx::Row;

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as mysql://user@localhost/database");
    let pool = MySqlPoolOptions::new().connect(&url).await?;
    sqlx::query("DROP TABLE IF EXISTS books").execute(&pool).await?;
    sqlx::query("CREATE TABLE books (id INTEGER PRIMARY KEY AUTO_INCREMENT, title VARCHAR(50) NOT NULL UNIQUE)")
        .execute(&pool)
        .await?;

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

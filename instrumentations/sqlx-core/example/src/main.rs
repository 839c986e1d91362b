//! A pool that is opened by the first task that needs it, and used by others after that task is gone.

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::OnceCell;

static POOL: OnceCell<SqlitePool> = OnceCell::const_new();

async fn answer(question: i64) -> Result<i64, sqlx::Error> {
    let open = || SqlitePoolOptions::new().max_connections(2).connect("sqlite::memory:");
    let pool = POOL.get_or_try_init(open).await?;
    sqlx::query_scalar("SELECT ? * 2").bind(question).fetch_one(pool).await
}

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    for question in 1..=3 {
        let answer = tokio::spawn(answer(question)).await.expect("the task does not panic")?;
        println!("{question} -> {answer}");
    }
    Ok(())
}

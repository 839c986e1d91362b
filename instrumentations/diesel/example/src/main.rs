//! A shelf of books in SQLite: two transactions, one of them rolled back, a nested one, queries that the program builds or
//! writes, and statements that fail. Smaller ones in PostgreSQL, at POSTGRESQL_URL, and in MariaDB, at MARIADB_URL.

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::result::Error;

diesel::table! {
    books (title) {
        title -> Text,
    }
}

/// A shelf in a database that has a server.
macro_rules! served {
    ($connection:ident, $variable:literal) => {{
        let url = std::env::var($variable).expect($variable);
        let mut conn = $connection::establish(&url)?;
        conn.batch_execute("DROP TABLE IF EXISTS books")?;
        conn.batch_execute("CREATE TABLE books (title VARCHAR(50) PRIMARY KEY)")?;
        let titles = ["Emma", "Dune"].map(|title| books::title.eq(title));
        conn.transaction(|conn| diesel::insert_into(books::table).values(&titles).execute(conn))?;
        conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
        let emma: Vec<String> = books::table.select(books::title).filter(books::title.eq("Emma")).load(&mut conn)?;
        let twice = diesel::insert_into(books::table).values(books::title.eq("Emma")).execute(&mut conn);
        println!("{}: {emma:?}, twice: {}", stringify!($connection), twice.is_ok());
    }};
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut conn = SqliteConnection::establish(":memory:")?;
    conn.batch_execute("CREATE TABLE books (title TEXT PRIMARY KEY NOT NULL)")?;
    conn.transaction(|conn| {
        for title in ["Emma", "Dune"] {
            diesel::insert_into(books::table).values(books::title.eq(title)).execute(conn)?;
        }
        let twice =
            |conn: &mut SqliteConnection| diesel::update(books::table).set(books::title.eq("Ulysses")).execute(conn);
        println!("nested: {}", conn.transaction::<_, Error, _>(twice).is_ok());
        Ok::<_, Error>(())
    })?;
    let all: Vec<String> = books::table.select(books::title).order(books::title).load(&mut conn)?;

    // The program's own observer sees what it would see without ours.
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let observer = seen.clone();
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            observer.lock().expect("a list").push(query.to_string());
        }
    });
    let emma: Option<String> =
        books::table.select(books::title).filter(books::title.eq("Emma")).first(&mut conn).optional()?;
    let twice = diesel::insert_into(books::table).values(books::title.eq("Emma")).execute(&mut conn);
    let typo = diesel::sql_query("SELEC title FROM books WHERE title = 'Dune'").execute(&mut conn);
    let one = books::table.select(books::title).load_iter::<String, _>(&mut conn)?.next().transpose()?;
    println!("{} books, Emma: {}, one: {}", all.len(), emma.is_some(), one.is_some());
    println!("twice: {}, typo: {}", twice.is_ok(), typo.is_ok());
    println!("{}", seen.lock().expect("a list").join("\n"));
    served!(PgConnection, "POSTGRESQL_URL");
    served!(MysqlConnection, "MARIADB_URL");
    Ok(())
}

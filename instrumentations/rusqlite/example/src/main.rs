//! A shelf of books in SQLite: transactions, queries, a batch, and two statements that fail.

use rusqlite::{Connection, OpenFlags, Result};

fn main() -> Result<()> {
    let mut shelf = Connection::open_in_memory()?;
    shelf.execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE)", [])?;

    let transaction = shelf.transaction()?;
    for title in ["Emma", "Dune"] {
        transaction.prepare_cached("INSERT INTO books (title) VALUES (?1)")?.execute([title])?;
    }
    transaction.commit()?;
    // Dropped, a transaction rolls back.
    drop(shelf.transaction()?);

    // Rows are read while other statements run.
    let mut select = shelf.prepare("SELECT id FROM books ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut books = 0;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        books += shelf.execute("UPDATE books SET title = title || '!' WHERE id = ?1", [id])?;
    }
    let first: String = shelf.query_row("SELECT title FROM books ORDER BY title", [], |row| row.get(0))?;

    let twice = shelf.execute("INSERT INTO books (title) VALUES ('Emma!')", []);
    let nowhere = shelf.prepare("SELECT title FROM films WHERE director = 'Lynch'").map(drop);
    let batch = shelf.execute_batch("DELETE FROM books WHERE title = 'Emma!'; DROP TABLE films");
    println!("{books} books, {first} first, {} {} {}", twice.is_ok(), nowhere.is_ok(), batch.is_ok());

    let file = std::env::temp_dir().join(format!("otel-rs-example-{}.db", std::process::id()));
    let uri = format!("file:{}?mode=rwc", file.display());
    let stored = Connection::open_with_flags_and_vfs(uri, OpenFlags::default(), "unix")?;
    stored.execute_batch("CREATE TABLE authors (name TEXT)")?;
    // SAFETY: `stored` outlives the connection that borrows its handle.
    let borrowed = unsafe { Connection::from_handle(stored.handle())? };
    let authors = borrowed.prepare("SELECT name FROM authors")?.exists([])?;
    println!("authors: {authors}");
    std::fs::remove_file(file).expect("the file of the database");
    Ok(())
}

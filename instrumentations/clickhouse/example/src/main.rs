//! Queries and inserts of ClickHouse: answered, refused, broken off, given up. What stands in for a server speaks its HTTP
//! interface, and knows its queries by their words.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::insert::Insert;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

#[derive(Debug, Row, Deserialize, Serialize)]
struct Book {
    title: String,
}

/// Reads a request: its first line and its body.
fn request(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut is_chunked, mut body) = (String::new(), 0, false, Vec::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
        is_chunked |= line == "transfer-encoding: chunked";
    }
    while is_chunked {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..length]);
        is_chunked = length > 0;
    }
    body.resize(body.len() + length, 0);
    let read = body.len() - length;
    reader.read_exact(&mut body[read..])?;
    Ok((first, body))
}

/// A text of `RowBinary`.
fn string(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// Answers a request. One of a table that is silent is left without an answer.
fn answer(mut stream: &TcpStream, silent: &mut Vec<TcpStream>) -> io::Result<()> {
    let (first, body) = request(stream)?;
    let text = first + &String::from_utf8_lossy(&body);
    let exception =
        |code: u32| format!("Code: {code}. DB::Exception: Of 'Emma'. (WORD) (version 25.8.1 (official build))\n");
    if text.contains("silent") {
        silent.push(stream.try_clone()?);
        return Ok(());
    }
    if text.contains("nowhere") {
        let body = exception(60);
        let head = "HTTP/1.1 404 Not Found\r\nX-ClickHouse-Exception-Code: 60\r\nconnection: close\r\n";
        return write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
    }
    let mut rows = Vec::new();
    if text.contains("SELECT") {
        if text.contains("RowBinaryWithNamesAndTypes") {
            rows.extend([vec![1], string("title"), string("String")].concat());
        }
        rows.extend([string("Emma"), string("Dune")].concat());
    }
    if text.contains("broken") {
        rows.extend(exception(159).as_bytes());
    }
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", rows.len())?;
    stream.write_all(&rows)
}

#[cfg(clickhouse_0_13)]
async fn insert(client: &Client, table: &str) -> Result<Insert<Book>, Error> {
    client.insert(table)
}

#[cfg(not(clickhouse_0_13))]
async fn insert(client: &Client, table: &str) -> Result<Insert<Book>, Error> {
    client.clone().with_validation(false).insert(table).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| Error::Network(error.into()))?;
    let address = listener.local_addr().map_err(|error| Error::Network(error.into()))?;
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming().flatten() {
            let _ = answer(&stream, &mut silent);
        }
    });
    let client = Client::default().with_url(format!("http://{address}")).with_database("shop").with_user("ada");
    let client = client.with_password("hunter2");

    client.query("CREATE TABLE books (title String) ENGINE = Memory").execute().await?;
    let mut books = insert(&client, "books").await?;
    for title in ["Emma", "Dune"] {
        books.write(&Book { title: title.into() }).await?;
    }
    books.end().await?;
    let all = client.query("SELECT ?fields FROM books WHERE title != ?").bind("hunter2").fetch_all::<Book>().await?;
    println!("{all:?}");
    println!("one: {:?}", client.query("SELECT ?fields FROM books LIMIT 7").fetch_one::<Book>().await?);
    let nowhere = client.query("SELECT ?fields FROM nowhere").fetch_one::<Book>().await;
    println!("nowhere: {}", nowhere.is_ok());
    let broken = client.query("SELECT ?fields FROM broken").fetch_all::<Book>().await;
    println!("broken: {}", broken.is_ok());

    let silent = client.query("SELECT ?fields FROM silent").fetch_all::<Book>();
    println!("given up: {}", tokio::time::timeout(Duration::from_millis(100), silent).await.is_err());
    let mut dropped = insert(&client, "papers").await?;
    dropped.write(&Book { title: "Emma".into() }).await?;
    drop(dropped);
    let mut late = insert(&client, "silent").await?.with_timeouts(None, Some(Duration::from_millis(100)));
    late.write(&Book { title: "Emma".into() }).await?;
    println!("late: {}", matches!(late.end().await, Err(Error::TimedOut)));
    let nobody = Client::default().with_url("http://127.0.0.1:1").query("SELECT 1").execute().await;
    println!("refused: {}", nobody.is_err());
    Ok(())
}

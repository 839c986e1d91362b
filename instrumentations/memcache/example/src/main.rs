//! A shelf of books in memcached, at MEMCACHE_URL, by both of its protocols; commands that fail, and a server that is not
//! there.

use std::collections::HashMap;

use memcache::{Client, MemcacheError};

fn shelf(url: &str) -> Result<(), MemcacheError> {
    let shelf = Client::connect(url)?;
    shelf.flush()?;
    shelf.set("book:1", "Emma", 60)?;
    let title: Option<String> = shelf.get("book:1")?;
    let none: Option<String> = shelf.get("book:2")?;
    let books: HashMap<String, String> = shelf.gets(&["book:1", "book:2"])?;
    println!("{title:?}, {none:?}, {} of 2", books.len());

    shelf.set("visits", 7, 60)?;
    let visits = (shelf.increment("visits", 2)?, shelf.decrement("visits", 1)?);
    let there = (shelf.delete("book:1")?, shelf.touch("visits", 60)?);
    let refused = shelf.increment("book:2", 1).is_err();
    println!("{visits:?}, {there:?}, refused: {refused}");
    Ok(())
}

fn main() -> Result<(), MemcacheError> {
    let url = std::env::var("MEMCACHE_URL").expect("MEMCACHE_URL, such as memcache://localhost:11211");
    shelf(&url)?;
    shelf(&format!("{url}?protocol=ascii"))?;

    let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let gone = Client::with_pool(
        r2d2::Pool::builder()
            .max_size(1)
            .min_idle(Some(0))
            .connection_timeout(std::time::Duration::from_millis(50))
            .build_unchecked(memcache::ConnectionManager::new(format!("memcache://{closed}").parse().expect("a URL"))),
    )?;
    println!("gone: {}", gone.get::<String>("book:1").is_err());
    Ok(())
}

//! A shelf of books in what stands in for MongoDB: cursors, a transaction, operations that fail, that are sent again and
//! that are given up.

mod stand_in;

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{doc, Document};
use mongodb::error::Result;
use mongodb::{Client, Collection, Database};
use tracing::{info_span, Instrument};

/// An operation; before mongodb 3 it takes options.
#[cfg(mongodb_2)]
macro_rules! run {
    ($of:ident.$name:ident($($argument:expr),*)) => {
        $of.$name($($argument,)* None).await
    };
}

#[cfg(not(mongodb_2))]
macro_rules! run {
    ($of:ident.$name:ident($($argument:expr),*)) => {
        $of.$name($($argument),*).await
    };
}

#[cfg(mongodb_2)]
async fn transaction(client: &Client, books: &Collection<Document>) -> Result<()> {
    let mut session = client.start_session(None).await?;
    session.start_transaction(None).await?;
    books.insert_one_with_session(doc! { "_id": 4 }, None, &mut session).await?;
    session.commit_transaction().await
}

#[cfg(not(mongodb_2))]
async fn transaction(client: &Client, books: &Collection<Document>) -> Result<()> {
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    books.insert_one(doc! { "_id": 4 }).session(&mut session).await?;
    session.commit_transaction().await
}

#[cfg(mongodb_2)]
async fn two_by_two(books: &Collection<Document>) -> Result<mongodb::Cursor<Document>> {
    books.find(None, mongodb::options::FindOptions::builder().batch_size(2).build()).await
}

#[cfg(not(mongodb_2))]
async fn two_by_two(books: &Collection<Document>) -> Result<mongodb::Cursor<Document>> {
    books.find(doc! {}).batch_size(2).await
}

async fn shelf(client: &Client, shop: &Database) -> Result<()> {
    let books = shop.collection::<Document>("books");
    let ids = (1..=3).map(|id| doc! { "_id": id, "title": "hunter2" }).collect::<Vec<_>>();
    run!(books.insert_many(ids))?;
    let all: Vec<_> = two_by_two(&books).await?.try_collect().await?;
    let twice = run!(books.insert_one(doc! { "_id": 1, "title": "hunter2" }));
    run!(books.update_one(doc! { "_id": 2 }, doc! { "$set": { "title": "hunter2" } }))?;
    transaction(client, &books).await?;
    println!("{} books, twice: {}", all.len(), twice.is_ok());

    let unknown = run!(books.aggregate([doc! { "$shelve": "hunter2" }]));
    run!(shop.run_command(doc! { "ping": 1 }))?;
    println!("unknown stage: {}", unknown.is_ok());

    // What ends the cursor is none of the request's work.
    drop(two_by_two(&books).instrument(info_span!("request")).await?);
    tokio::time::sleep(Duration::from_millis(50)).await;

    let slow = shop.collection::<Document>("slow");
    let waited = tokio::time::timeout(Duration::from_millis(50), async { run!(slow.find_one(doc! {})) }).await;
    let lost = shop.collection::<Document>("lost");
    let again = run!(lost.find_one(doc! {}))?;
    let gone = shop.collection::<Document>("gone");
    let closed = run!(gone.delete_many(doc! {}));
    println!("slow: {}, lost: {}, gone: {}", waited.is_ok(), again.is_some(), closed.is_ok());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = stand_in::start().await?;
    let client = Client::with_uri_str(format!("mongodb://{address}/?replicaSet=shelf")).await?;
    shelf(&client, &client.database("shop")).await?;

    let nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50";
    let nowhere = Client::with_uri_str(nowhere).await?.database("shop");
    println!("nowhere: {}", run!(nowhere.run_command(doc! { "ping": 1 })).is_ok());
    Ok(())
}

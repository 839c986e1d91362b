//! What stands in for a server: it speaks the protocol (`OP_MSG`), and keeps documents without reading filters. One of its
//! collections is slow, and one loses its first connection.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::bson::{doc, Bson, Document};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Server {
    address: String,
    collections: Mutex<HashMap<String, Vec<Document>>>,
    lost: Mutex<bool>,
}

/// Starts it, and returns its address.
pub async fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server = Arc::new(Server { address: address.clone(), ..Server::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve(stream));
        }
    });
    Ok(address)
}

fn number(bytes: &[u8]) -> usize {
    bytes.get(..4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
}

/// The command of a message: a document, and lists of documents beside it.
fn command(mut body: &[u8]) -> Option<Document> {
    let mut command = Document::new();
    body = body.get(4..)?;
    while let Some((kind, rest)) = body.split_first() {
        let length = number(rest);
        let (mut section, next) = (rest.get(..length)?, rest.get(length..)?);
        if *kind == 0 {
            command.extend(Document::from_reader(&mut section).ok()?);
        } else {
            let (name, mut documents) = section[4..].split_at(section[4..].iter().position(|byte| *byte == 0)?);
            documents = &documents[1..];
            let mut list = Vec::new();
            while !documents.is_empty() {
                list.push(Bson::Document(Document::from_reader(&mut documents).ok()?));
            }
            command.insert(String::from_utf8_lossy(name), list);
        }
        body = next;
    }
    Some(command)
}

impl Server {
    async fn serve(self: Arc<Server>, mut stream: TcpStream) -> Option<()> {
        loop {
            let mut head = [0; 16];
            stream.read_exact(&mut head).await.ok()?;
            let mut body = vec![0; number(&head).checked_sub(16)?];
            stream.read_exact(&mut body).await.ok()?;
            // The first message of a connection may be an old one (`OP_QUERY`), which always asks who this is.
            let is_old = number(&head[12..]) == 2004;
            let command = if is_old {
                doc! { "hello": 1 }
            } else {
                command(&body)?
            };
            let mut answer = Vec::new();
            self.answer(&command).await?.to_writer(&mut answer).ok()?;
            let prefix =
                if is_old { &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0][..] } else { &[0; 5] };
            let length = (16 + prefix.len() + answer.len()) as u32;
            let kind: u32 = if is_old { 1 } else { 2013 };
            let mut message = Vec::new();
            message.extend(length.to_le_bytes());
            message.extend(1_u32.to_le_bytes());
            message.extend(&head[4..8]);
            message.extend(kind.to_le_bytes());
            message.extend(prefix);
            message.extend(answer);
            stream.write_all(&message).await.ok()?;
        }
    }

    /// The answer to a command; without one, the connection is closed.
    async fn answer(&self, command: &Document) -> Option<Document> {
        let (name, about) = command.iter().next()?;
        let collection = about.as_str().or(command.get_str("collection").ok()).unwrap_or_default().to_string();
        match collection.as_str() {
            "slow" => tokio::time::sleep(Duration::from_secs(60)).await,
            "gone" => return None,
            "lost" if !std::mem::replace(&mut *self.lost.lock().ok()?, true) => return None,
            _ => {}
        }
        let mut collections = self.collections.lock().ok()?;
        let documents = collections.entry(collection.clone()).or_default();
        let cursor = |id: i64, batch: &str, documents: &[Document]| {
            let ns = format!("shop.{collection}");
            let mut cursor = doc! { "id": id, "ns": ns };
            cursor.insert(batch, documents.iter().cloned().map(Bson::Document).collect::<Vec<_>>());
            doc! { "cursor": cursor, "ok": 1 }
        };
        Some(match name.to_lowercase().as_str() {
            "hello" | "ismaster" => doc! {
                "helloOk": true, "isWritablePrimary": true, "ismaster": true, "setName": "shelf", "setVersion": 1,
                "hosts": [&self.address], "me": &self.address, "primary": &self.address,
                "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
                "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0, "maxWireVersion": 21, "ok": 1,
            },
            "insert" => {
                let id = |document: &Document| document.get("_id").cloned();
                let inserted = command.get_array("documents").ok()?;
                for document in inserted.iter().filter_map(Bson::as_document) {
                    if documents.iter().any(|other| id(other) == id(document)) {
                        let error = doc! { "index": 0, "code": 11000, "errmsg": format!("there is a {document}") };
                        return Some(doc! { "n": 0, "writeErrors": [error], "ok": 1 });
                    }
                    documents.push(document.clone());
                }
                doc! { "n": inserted.len() as i32, "ok": 1 }
            }
            "find" => {
                let size = command.get_i32("batchSize").unwrap_or(100) as usize;
                let (first, more) = documents.split_at(size.min(documents.len()));
                cursor(i64::from(!more.is_empty()), "firstBatch", first)
            }
            "getmore" => cursor(0, "nextBatch", &documents[documents.len().min(2)..]),
            "update" => doc! { "n": 1, "nModified": 1, "ok": 1 },
            "aggregate" => doc! { "ok": 0, "code": 40324, "codeName": "Location40324", "errmsg": "no stage '$shelve'" },
            _ => doc! { "ok": 1 },
        })
    }
}

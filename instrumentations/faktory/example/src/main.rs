//! Jobs for tailors: a coat that fails once, two hats at once, silk that tears, and one that nobody can do. The server is a
//! stand-in for Faktory: it has what of its protocol (version 2) clients and workers use.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faktory::{Client, Job, Worker};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;

/// Jobs that wait, and those at work.
#[derive(Default)]
struct Shop {
    waiting: VecDeque<Value>,
    at_work: Vec<Value>,
}

fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

impl Shop {
    fn push(&mut self, mut job: Value) {
        job["enqueued_at"] = now().into();
        self.waiting.push_back(job);
    }

    /// A job is done, or has failed and will be tried again.
    fn settle(&mut self, report: &Value, has_failed: bool) {
        let Some(index) = self.at_work.iter().position(|job| job["jid"] == report["jid"]) else { return };
        let mut job = self.at_work.remove(index);
        if has_failed && job["retry"] != 0 {
            let failure = json!({ "retry_count": 0, "remaining": 0, "failed_at": now(), "errtype": report["errtype"] });
            (job["retry"], job["failure"]) = (0.into(), failure);
            self.push(job);
        }
    }

    fn answer(&mut self, line: &str) -> Option<String> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let body = || serde_json::from_str::<Value>(rest).expect("JSON");
        match command {
            "HELLO" | "BEAT" => {}
            "PUSH" => self.push(body()),
            "PUSHB" => {
                body().as_array().expect("jobs").iter().for_each(|job| self.push(job.clone()));
                return Some("$2\r\n{}\r\n".to_owned());
            }
            "FETCH" => {
                let Some(job) = self.waiting.pop_front() else { return Some("$-1\r\n".to_owned()) };
                let text = job.to_string();
                self.at_work.push(job);
                return Some(format!("${}\r\n{text}\r\n", text.len()));
            }
            "ACK" => self.settle(&body(), false),
            "FAIL" => self.settle(&body(), true),
            _ => return None,
        }
        Some("+OK\r\n".to_owned())
    }
}

async fn serve(mut client: TcpStream, shop: Arc<Mutex<Shop>>) -> io::Result<()> {
    let (reader, mut writer) = client.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"+HI {\"v\":2}\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let Some(answer) = shop.lock().expect("a shop").answer(&line) else { break };
        if answer == "$-1\r\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("tcp://{}", listener.local_addr()?);
    let shop = Arc::new(Mutex::new(Shop::default()));
    let opened = shop.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, opened.clone()));
        }
    });

    let mut client = Client::connect_to(&url).await?;
    client.enqueue(Job::new("coat", vec!["for hunter2"])).await?;
    let (hats, refused) = client.enqueue_many(["hat", "cap"].map(|kind| Job::new(kind, vec!["red"]))).await?;
    let once = |kind: &str| Job::builder(kind).retry(0).build();
    client.enqueue(once("silk")).await?;
    client.enqueue(once("shoe")).await?;

    let (reports, mut reported) = unbounded_channel::<String>();
    let (coats, silks) = (reports.clone(), reports.clone());
    let hat = move |job: Job| {
        reports.send(job.kind().to_owned()).expect("a reader");
        Ok(())
    };
    let mut tailor = Worker::builder()
        .workers(1)
        .register_fn("coat", move |job| {
            let coats = coats.clone();
            async move {
                tokio::task::yield_now().await;
                let is_second = job.failure().is_some();
                coats.send(format!("coat, second try: {is_second}")).expect("a reader");
                is_second.then_some(()).ok_or_else(|| io::Error::other("no cloth for hunter2"))
            }
        })
        .register_blocking_fn("hat", hat.clone())
        .register_blocking_fn("cap", hat)
        .register_fn("silk", move |_| {
            let silks = silks.clone();
            async move {
                silks.send("silk".to_owned()).expect("a reader");
                panic!("the silk tears")
            }
        })
        .connect_to(&url)
        .await?;
    tokio::spawn(async move { tailor.run(&["default"]).await.is_ok() });
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(reported.recv().await.expect("a report"));
    }
    // What is done is done in a moment.
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("{hats} hats, refused: {}; {}", refused.is_some(), seen.join(", "));
    Ok(())
}

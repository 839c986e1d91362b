//! Orders over NATS, at NATS_URL: published to a group, asked for, refused, given up, sent after the connection has broken, and
//! kept in a stream.

use std::time::Duration;

use async_nats::jetstream::consumer::{pull, push};
use async_nats::jetstream::{self, stream, AckKind};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Request};
use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Outcome<T> = Result<T, async_nats::Error>;

fn with(name: &str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    headers
}

/// Stands between the program and the server, until it is told to drop the connection.
async fn relay(listener: TcpListener, server: String, mut broken: mpsc::Receiver<()>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut far = TcpStream::connect(&server).await.expect("the server");
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = broken.recv() => {}
        }
    }
}

async fn orders(client: &Client) -> Outcome<()> {
    let mut orders = client.queue_subscribe("orders.*", "clerks".to_owned()).await?;
    client.publish("orders.new", "a book".into()).await?;
    let order = orders.next().await.expect("an order");
    println!("{}: {}", order.subject.as_str(), String::from_utf8_lossy(&order.payload));
    // A message with the headers of another one, a context included, belongs to that one's trace.
    let headers = order.headers.clone().unwrap_or_default();
    client.publish_with_headers("orders.again", headers, "one more".into()).await?;
    println!("{}", orders.next().await.expect("an order").subject.as_str());
    client.publish_with_reply_and_headers("orders.red", "bills", with("colour", "red"), "a red one".into()).await?;
    let order = orders.next().await.expect("an order");
    let colour =
        order.headers.as_ref().and_then(|headers| headers.get("colour")).map(|value| value.as_str().to_owned());
    println!("{}: {colour:?}, to {:?}", order.subject.as_str(), order.reply.as_ref().map(|reply| reply.as_str()));
    Ok(())
}

async fn stock(client: &Client) -> Outcome<()> {
    let mut questions = client.subscribe("stock.*").await?;
    let answering = client.clone();
    let answers = tokio::spawn(async move {
        for _ in 0..2 {
            let question = questions.next().await.expect("a question");
            let reply = question.reply.expect("where to answer");
            answering.publish(reply, "7".into()).await.expect("an answer");
        }
    });
    let answer = client.request("stock.books", "how many?".into()).await?;
    println!("stock: {}", String::from_utf8_lossy(&answer.payload));
    // The same with an inbox of the program's own.
    let request = Request::new().payload("and now?".into()).inbox(client.new_inbox());
    println!("stock: {}", String::from_utf8_lossy(&client.send_request("stock.pens", request).await?.payload));
    answers.await?;

    println!("nobody: {:?}", client.request("nobody", "hello?".into()).await.map_err(|error| error.kind()).err());
    let _silent = client.subscribe("silent").await?;
    let request = client.request("silent", "hello?".into());
    println!("silent: {}", tokio::time::timeout(Duration::from_millis(50), request).await.is_ok());
    let large = client.publish("orders.large", vec![0; client.server_info().max_payload + 1].into()).await;
    println!("large: {:?}", large.map_err(|error| error.kind()).err());
    // One that has room for itself alone.
    let full = client.publish("full", vec![0; client.server_info().max_payload].into()).await;
    println!("full: {}", full.is_ok());
    Ok(())
}

async fn bills(client: &Client) -> Outcome<()> {
    let streams = jetstream::new(client.clone());
    let config =
        stream::Config { name: "BILLS".to_owned(), subjects: vec!["bills.*".to_owned()], ..Default::default() };
    let bills = streams.create_stream(config).await?;
    let confirmed = streams.publish_with_headers("bills.1", with("Nats-Msg-Id", "b1"), "12 EUR".into()).await?.await?;
    println!("{}: {}", confirmed.stream, confirmed.sequence);
    drop(streams.publish("bills.2", "7 EUR".into()).await?);
    let lost = streams.publish("lost", "9 EUR".into()).await?.await;
    println!("lost: {:?}", lost.map_err(|error| error.kind()).err());

    let config = pull::Config { durable_name: Some("clerk".to_owned()), ..Default::default() };
    let clerk = bills.create_consumer(config).await?;
    let mut batch = clerk.fetch().max_messages(2).messages().await?;
    let bill = batch.next().await.expect("a bill")?;
    println!("{}: {}", bill.subject.as_str(), String::from_utf8_lossy(&bill.payload));
    bill.double_ack().await?;
    let (bill, acker) = batch.next().await.expect("a bill")?.split();
    println!("{}: {}", bill.subject.as_str(), String::from_utf8_lossy(&bill.payload));
    acker.ack_with(AckKind::Nak(None)).await?;
    println!("more: {}", batch.next().await.is_some());

    // Refused bills come again.
    let mut all = clerk.messages().await?;
    let bill = all.next().await.expect("a bill")?;
    println!("again: {}", bill.subject.as_str());
    bill.ack().await?;

    let config = push::Config { deliver_subject: client.new_inbox(), ..Default::default() };
    let mut pushed = bills.create_consumer(config).await?.messages().await?;
    pushed.next().await.expect("a bill")?.ack_with(AckKind::Term).await?;
    let config = push::OrderedConfig { deliver_subject: client.new_inbox(), ..Default::default() };
    let mut in_order = bills.create_consumer(config).await?.messages().await?;
    println!("in order: {}", in_order.next().await.expect("a bill")?.subject.as_str());
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let url = std::env::var("NATS_URL").expect("NATS_URL, such as nats://127.0.0.1:4222");
    let server = url.strip_prefix("nats://").unwrap_or(&url).to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (breaks, broken) = mpsc::channel(1);
    tokio::spawn(relay(listener, server, broken));

    let (tell, mut events) = mpsc::unbounded_channel();
    let options = ConnectOptions::new().event_callback(move |event| {
        let _ = tell.send(event);
        async {}
    });
    let client = options.connect(address).await?;
    orders(&client).await?;
    stock(&client).await?;

    let mut late = client.subscribe("late").await?;
    client.flush().await?;
    while events.try_recv().is_ok() {}
    breaks.send(()).await?;
    while !matches!(events.recv().await, Some(Event::Connected)) {}
    client.publish("late", "a book".into()).await?;
    println!("{}", late.next().await.expect("an order").subject.as_str());

    bills(&client).await?;
    Ok(())
}

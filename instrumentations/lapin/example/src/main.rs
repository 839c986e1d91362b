//! Orders in RabbitMQ, at AMQP_URL: published, taken from a stream, handed to a delegate, fetched one by one, refused, and
//! asked of a queue that does not exist.

use futures_util::StreamExt;
use lapin::message::DeliveryResult;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

async fn publish(channel: &Channel, exchange: &str, routing_key: &str, properties: BasicProperties) -> bool {
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), routing_key.into(), options, b"a book", properties).await;
    match sent {
        Ok(confirm) => confirm.await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::main]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").expect("AMQP_URL, such as amqp://127.0.0.1:5672");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in ["orders", "bills"] {
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    }
    let options = QueueBindOptions::default();
    channel.queue_bind("orders".into(), "amq.topic".into(), "books.*".into(), options, FieldTable::default()).await?;

    // To a stream.
    let properties = BasicProperties::default().with_message_id("m1".into()).with_priority(1);
    publish(&channel, "amq.topic", "books.new", properties).await;
    let options = BasicConsumeOptions::default();
    let mut orders = channel.basic_consume("orders".into(), "reader".into(), options, FieldTable::default()).await?;
    let order = orders.next().await.expect("an order")?;
    println!("{} {}", order.routing_key.as_str(), String::from_utf8_lossy(&order.data));
    order.ack(BasicAckOptions::default()).await?;
    let forwarded = order.properties.clone();
    drop(order);
    channel.basic_cancel("reader".into(), BasicCancelOptions::default()).await?;

    // To a delegate. The message has a header of the program's own.
    let (done, mut bills_done) = tokio::sync::mpsc::channel(1);
    let options = BasicConsumeOptions::default();
    let bills = channel.basic_consume("bills".into(), "clerk".into(), options, FieldTable::default()).await?;
    bills.set_delegate(move |delivery: DeliveryResult| {
        let done = done.clone();
        async move {
            if let Ok(Some(bill)) = delivery {
                let headers = bill.properties.headers().as_ref().map(|headers| headers.contains_key("colour"));
                bill.nack(BasicNackOptions::default()).await.expect("a message is refused");
                let _ = done.send(headers).await;
            }
        }
    });
    let mut headers = FieldTable::default();
    headers.insert("colour".into(), AMQPValue::LongString("red".into()));
    publish(&channel, "", "bills", BasicProperties::default().with_headers(headers)).await;
    println!("own header: {:?}", bills_done.recv().await.flatten());
    channel.basic_cancel("clerk".into(), BasicCancelOptions::default()).await?;

    // Fetched. The message has the headers of another one, a context included, and belongs to that one's trace.
    publish(&channel, "", "orders", forwarded).await;
    let order = channel.basic_get("orders".into(), BasicGetOptions::default()).await?.expect("an order");
    println!("fetched: {:?}", order.properties.message_id().as_ref().map(|id| id.as_str().to_owned()));
    order.reject(BasicRejectOptions::default()).await?;
    let none = channel.basic_get("orders".into(), BasicGetOptions::default()).await?;
    println!("more: {}", none.is_some());

    // The broker closes the channel.
    let missing = channel.basic_get("missing".into(), BasicGetOptions::default()).await;
    println!("missing: {}, published: {}", missing.is_ok(), publish(&channel, "", "orders", Default::default()).await);
    connection.close(200, "bye".into()).await?;
    tokio::task::block_in_place(|| connection.run())
}

//! Orders in RabbitMQ, at AMQP_URL: published, handed to consumers of both kinds, fetched one by one, and refused.

use std::time::Duration;

use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicGetArguments, BasicNackArguments, BasicPublishArguments,
    BasicRejectArguments, Channel, QueueBindArguments, QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::consumer::{AsyncConsumer, BlockingConsumer};
use amqprs::{BasicProperties, Deliver, FieldTable};
use async_trait::async_trait;
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

struct Reader(UnboundedSender<BasicProperties>);

#[async_trait]
impl AsyncConsumer for Reader {
    async fn consume(&mut self, channel: &Channel, order: Deliver, properties: BasicProperties, _: Vec<u8>) {
        tokio::task::yield_now().await;
        channel
            .basic_ack(BasicAckArguments::new(order.delivery_tag(), false))
            .await
            .expect("a message is acknowledged");
        self.0.send(properties).expect("a reader");
    }
}

struct Clerk(UnboundedSender<BasicProperties>);

impl BlockingConsumer for Clerk {
    fn consume(&mut self, channel: &Channel, bill: Deliver, properties: BasicProperties, _: Vec<u8>) {
        let refused = BasicNackArguments::new(bill.delivery_tag(), false, false);
        channel.basic_nack_blocking(refused).expect("a message is refused");
        self.0.send(properties).expect("a reader");
    }
}

async fn publish(channel: &Channel, exchange: &str, routing_key: &str, properties: BasicProperties) -> bool {
    let sent = BasicPublishArguments::new(exchange, routing_key);
    channel.basic_publish(properties, b"a book".to_vec(), sent).await.is_ok()
}

#[tokio::main]
async fn main() -> Result<(), amqprs::error::Error> {
    let url = std::env::var("AMQP_URL").expect("AMQP_URL, such as amqp://127.0.0.1:5672");
    let address = url.trim_start_matches("amqp://").rsplit('@').next().expect("an address");
    let (host, port) = address.trim_end_matches('/').split_once(':').expect("a port");
    let arguments = OpenConnectionArguments::new(host, port.parse().expect("a port"), "guest", "guest");
    let connection = Connection::open(&arguments).await?;
    let channel = connection.open_channel(None).await?;
    for queue in ["orders", "bills"] {
        channel.queue_declare(QueueDeclareArguments::new(queue).exclusive(true).finish()).await?;
    }
    channel.queue_bind(QueueBindArguments::new("orders", "amq.topic", "books.*")).await?;

    let (reports, mut reported) = unbounded_channel();
    let reader = BasicConsumeArguments::new("orders", "reader");
    channel.basic_consume(Reader(reports.clone()), reader).await?;
    publish(&channel, "amq.topic", "books.new", BasicProperties::default().with_message_id("m1").finish()).await;
    let order = reported.recv().await.expect("an order");
    println!("{:?}", order.message_id());

    // The message has a header of the program's own.
    let clerk = BasicConsumeArguments::new("bills", "clerk");
    channel.basic_consume_blocking(Clerk(reports), clerk).await?;
    let mut headers = FieldTable::new();
    headers.insert("colour".try_into().expect("a name"), true.into());
    publish(&channel, "", "bills", BasicProperties::default().with_headers(headers).finish()).await;
    let bill = reported.recv().await.expect("a bill");
    println!("own header: {}", bill.headers().is_some_and(|headers| headers.to_string().contains("colour: true")));

    // Fetched. The message has the headers of another one, a context included, and belongs to that one's trace.
    channel.basic_cancel(amqprs::channel::BasicCancelArguments::new("reader")).await?;
    publish(&channel, "", "orders", order).await;
    let (order, ..) = channel.basic_get(BasicGetArguments::new("orders")).await?.expect("an order");
    println!("fetched: {}", order.routing_key());
    channel.basic_reject(BasicRejectArguments::new(order.delivery_tag(), false)).await?;
    let none = channel.basic_get(BasicGetArguments::new("orders")).await?;
    println!("more: {}", none.is_some());
    channel.clone().close().await?;
    connection.close().await?;
    // Its tasks end in a moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("published: {}", publish(&channel, "", "orders", BasicProperties::default()).await);
    Ok(())
}

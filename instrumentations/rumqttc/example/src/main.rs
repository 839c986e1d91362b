//! Orders by MQTT 5 and MQTT 3.1.1, at MQTT_URL: published, received, acknowledged, and some that cannot be sent.

use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::{v5, AsyncClient, Client, Event, Incoming, MqttOptions, QoS};

const QOS: QoS = QoS::AtLeastOnce;
const QOS_5: v5::mqttbytes::QoS = v5::mqttbytes::QoS::AtLeastOnce;

fn with(name: &str, value: &str) -> PublishProperties {
    PublishProperties { user_properties: vec![(name.to_owned(), value.to_owned())], ..Default::default() }
}

async fn with_mqtt_5(host: &str, port: u16) {
    let mut options = v5::MqttOptions::new("shop-5", host, port);
    options.set_manual_acks(true);
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    client.subscribe("orders/#", QOS_5).await.expect("a subscription");
    while !matches!(events.poll().await.expect("an event"), v5::Event::Incoming(v5::Incoming::SubAck(_))) {}

    client.publish("orders/new", QOS_5, false, "a book").await.expect("an order");
    client
        .publish_with_properties("orders/red", QOS_5, false, "a red one", with("colour", "red"))
        .await
        .expect("one more");
    let mut came = 0;
    while came < 3 {
        if let v5::Event::Incoming(v5::Incoming::Publish(order)) = events.poll().await.expect("an event") {
            came += 1;
            let properties = order.properties.clone().unwrap_or_default();
            let own: Vec<_> = properties.user_properties.iter().filter(|(name, _)| name == "colour").collect();
            println!("{}: {own:?}", String::from_utf8_lossy(&order.topic));
            if came == 1 {
                client.ack(&order).await.expect("an acknowledgement");
                // A message with the properties of another one, a context included, belongs to that one's trace.
                let properties = order.properties.unwrap_or_default();
                client
                    .try_publish_with_properties("orders/again", QOS_5, false, "one more", properties)
                    .expect("a copy");
            }
        }
    }
    println!("to all: {}", client.publish("orders/#", QOS_5, false, "nothing").await.is_ok());
    drop(events);
    println!("too late: {}", client.publish("orders/late", QOS_5, false, "a book").await.is_ok());
}

async fn with_mqtt_3(host: &str, port: u16) {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("shop-3", host, port), 10);
    client.subscribe("bills/#", QOS).await.expect("a subscription");
    while !matches!(events.poll().await.expect("an event"), Event::Incoming(Incoming::SubAck(_))) {}

    client.publish("bills/new", QOS, false, "a bill").await.expect("a bill");
    loop {
        if let Event::Incoming(Incoming::Publish(bill)) = events.poll().await.expect("an event") {
            println!("{}: {} bytes", bill.topic, bill.payload.len());
            break;
        }
    }
}

#[tokio::main]
async fn main() {
    let url = std::env::var("MQTT_URL").expect("MQTT_URL, such as mqtt://127.0.0.1:1883");
    let address = url.strip_prefix("mqtt://").unwrap_or(&url);
    let (host, port) = address.split_once(':').unwrap_or((address, "1883"));
    let port = port.parse().expect("a port");
    with_mqtt_5(host, port).await;
    with_mqtt_3(host, port).await;

    // Nobody sends these.
    let (client, _events) = AsyncClient::new(MqttOptions::new("idle", host, port), 1);
    let fits = client.try_publish("bills/one", QOS, false, "a bill").is_ok();
    println!("{fits} {}", client.try_publish("bills/two", QOS, false, "a bill").is_ok());
    #[allow(unused_mut)]
    let (mut client, _connection) = tokio::task::spawn_blocking({
        let options = MqttOptions::new("blocking", host, port);
        move || Client::new(options, 1)
    })
    .await
    .expect("a client");
    println!("{}", client.publish("bills/three", QOS, false, "a bill").is_ok());
    std::process::exit(0);
}

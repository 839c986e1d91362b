//! Names of RabbitMQ's destinations, for all clients of it.

/// The parts of a destination's name that say something: `{exchange}:{routing key}:{queue}`. A producer knows no queue.
pub fn name(exchange: &str, routing_key: &str, queue: &str) -> String {
    let queue = if queue == routing_key { "" } else { queue };
    let mut name = String::new();
    for part in [exchange, routing_key, queue].iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push(':');
        }
        name.push_str(part);
    }
    if name.is_empty() {
        name.push_str("amq.default");
    }
    name
}

/// Whether the broker made the name, such as that of a queue for replies.
pub fn is_generated(name: &str) -> bool {
    name.starts_with("amq.gen-") || name.starts_with("amq.rabbitmq.reply-to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_parts_that_are_there_and_differ() {
        assert_eq!(name("amq.topic", "books.new", "orders"), "amq.topic:books.new:orders");
        assert_eq!(name("amq.topic", "books.new", ""), "amq.topic:books.new");
        assert_eq!(name("", "orders", "orders"), "orders");
        assert_eq!(name("", "", ""), "amq.default");
    }

    #[test]
    fn names_that_the_broker_made_are_recognised() {
        assert!(is_generated("amq.gen-JzTY20BRgKO") && is_generated("amq.rabbitmq.reply-to.g1h2"));
        assert!(!is_generated("orders") && !is_generated("amq.topic"));
    }
}

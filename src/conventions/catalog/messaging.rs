//! Messages sent, received and processed.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice, in seconds.
const OPERATIONS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

metrics! { MESSAGING
    MESSAGING_CLIENT_OPERATION_DURATION Development Histogram(OPERATIONS) "s"
        [MESSAGING_SYSTEM MESSAGING_OPERATION_NAME MESSAGING_OPERATION_TYPE MESSAGING_DESTINATION_NAME
            MESSAGING_DESTINATION_TEMPLATE MESSAGING_DESTINATION_PARTITION_ID MESSAGING_DESTINATION_SUBSCRIPTION_NAME
            MESSAGING_CONSUMER_GROUP_NAME SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Duration of messaging operation initiated by a producer or consumer client."
        "How long does it take to hand over or to fetch messages? How often does it fail?";
    MESSAGING_CLIENT_SENT_MESSAGES Development Counter "{message}"
        [MESSAGING_SYSTEM MESSAGING_OPERATION_NAME MESSAGING_DESTINATION_NAME MESSAGING_DESTINATION_TEMPLATE
            MESSAGING_DESTINATION_PARTITION_ID SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Number of messages producer attempted to send to the broker."
        "How many messages are sent, and where to?";
    MESSAGING_CLIENT_CONSUMED_MESSAGES Development Counter "{message}"
        [MESSAGING_SYSTEM MESSAGING_OPERATION_NAME MESSAGING_DESTINATION_NAME MESSAGING_DESTINATION_TEMPLATE
            MESSAGING_DESTINATION_PARTITION_ID MESSAGING_DESTINATION_SUBSCRIPTION_NAME MESSAGING_CONSUMER_GROUP_NAME
            SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Number of messages that were delivered to the application."
        "How many messages arrive? Do consumers keep up with producers?";
    MESSAGING_PROCESS_DURATION Development Histogram(OPERATIONS) "s"
        [MESSAGING_SYSTEM MESSAGING_OPERATION_NAME MESSAGING_DESTINATION_NAME MESSAGING_DESTINATION_TEMPLATE
            MESSAGING_DESTINATION_PARTITION_ID MESSAGING_DESTINATION_SUBSCRIPTION_NAME MESSAGING_CONSUMER_GROUP_NAME
            SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Duration of processing operation."
        "How long does the program work on a message? How often does it fail?";
}

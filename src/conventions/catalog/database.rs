//! Database operations, and the pools of connections that they take theirs from.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice, in seconds.
const OPERATIONS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The conventions' own advice, in rows.
const ROWS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0];

metrics! { DATABASE
    DB_CLIENT_OPERATION_DURATION Stable Histogram(OPERATIONS) "s"
        [DB_SYSTEM_NAME DB_NAMESPACE DB_OPERATION_NAME DB_COLLECTION_NAME DB_QUERY_SUMMARY DB_RESPONSE_STATUS_CODE
            SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Duration of database client operations."
        "How often is the database asked? How long does it take? How often does it fail?";
    DB_CLIENT_RESPONSE_RETURNED_ROWS Development Histogram(ROWS) "{row}"
        [DB_SYSTEM_NAME DB_NAMESPACE DB_OPERATION_NAME DB_COLLECTION_NAME DB_QUERY_SUMMARY DB_RESPONSE_STATUS_CODE
            SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "The actual number of records returned by the database operation."
        "Which query fetches more than it should?";
    DB_CLIENT_CONNECTION_COUNT Development UpDownCounter "{connection}"
        [DB_CLIENT_CONNECTION_POOL_NAME DB_CLIENT_CONNECTION_STATE]
        "The number of connections that are currently in state described by the `state` attribute."
        "How many connections are open, and how many of them for nothing?";
    DB_CLIENT_CONNECTION_IDLE_MAX Development UpDownCounter "{connection}"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The maximum number of idle open connections allowed."
        "How many connections may be kept for nothing?";
    DB_CLIENT_CONNECTION_IDLE_MIN Development UpDownCounter "{connection}"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The minimum number of idle open connections allowed."
        "How many connections are kept ready?";
    DB_CLIENT_CONNECTION_MAX Development UpDownCounter "{connection}"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The maximum number of open connections allowed."
        "How far is the pool from its limit?";
    DB_CLIENT_CONNECTION_PENDING_REQUESTS Development UpDownCounter "{request}"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The number of current pending requests for an open connection."
        "How many wait for a connection right now? Is the pool too small?";
    DB_CLIENT_CONNECTION_TIMEOUTS Development Counter "{timeout}"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The number of connection timeouts that have occurred trying to obtain a connection from the pool."
        "How often did somebody wait in vain?";
    DB_CLIENT_CONNECTION_CREATE_TIME Development Histogram(OPERATIONS) "s"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The time it took to create a new connection."
        "How many connections were opened? How long does that take?";
    DB_CLIENT_CONNECTION_WAIT_TIME Development Histogram(OPERATIONS) "s"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The time it took to obtain an open connection from the pool."
        "How much of a request's time goes into waiting for a connection?";
    DB_CLIENT_CONNECTION_USE_TIME Development Histogram(OPERATIONS) "s"
        [DB_CLIENT_CONNECTION_POOL_NAME]
        "The time between borrowing a connection and returning it to the pool."
        "Who holds connections too long?";
}

//! Database operations.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// The conventions' own advice, in seconds.
const OPERATIONS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The conventions' own advice, in rows.
const ROWS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0];

metrics! { DATABASE
    DB_CLIENT_OPERATION_DURATION Stable Histogram(OPERATIONS) "s"
        [DB_SYSTEM_NAME DB_NAMESPACE DB_OPERATION_NAME DB_COLLECTION_NAME DB_STORED_PROCEDURE_NAME DB_QUERY_SUMMARY
            DB_RESPONSE_STATUS_CODE SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "Duration of database client operations."
        "How often is the database queried? How long does it take? How often does it fail?";
    DB_CLIENT_RESPONSE_RETURNED_ROWS Development Histogram(ROWS) "{row}"
        [DB_SYSTEM_NAME DB_NAMESPACE DB_OPERATION_NAME DB_COLLECTION_NAME DB_QUERY_SUMMARY DB_RESPONSE_STATUS_CODE
            SERVER_ADDRESS SERVER_PORT ERROR_TYPE]
        "The actual number of records returned by the database operation."
        "Which query fetches more than it should?";
}

//! Keys of attributes: one table, from which both ends make what they need.

/// Passes the table to the macro `$define`. A row is the key's meaning, its name and number, and, if its value may be
/// exported as the app wrote it, but for secrets that are found in any text, the attribute that it becomes.
macro_rules! attribute_keys {
    ($define:ident) => {
        $define! {
            /// Marker text of the scope, when it has no string id yet.
            SCOPE = 1;
            /// Name of a span of the internal domain.
            SPAN_NAME = 2;
            /// Name of a span event.
            EVENT_NAME = 3;
            /// A low-cardinality class of error: the value of `error.type`. Makes the span's status Error.
            ERROR_TYPE = 4, "error.type";
            /// A human-readable account of the error: the span status's description.
            ERROR_MESSAGE = 5;
            /// W3C tracestate that came with the trace, as a list in one piece.
            TRACE_STATE = 6;
            /// Int: the `SpanKind` of a span of the internal domain; absent, internal.
            SPAN_KIND = 7;
            /// Int: the `SpanStatus`, where the program has set one. It counts more than `ERROR_TYPE`; `ERROR_MESSAGE` is its
            /// description.
            SPAN_STATUS = 8;
            /// The span that a link is to: `[u8; 16]` trace id, `[u8; 8]` span id, `u8` W3C trace flags, `u8` 1 if it is
            /// remote. `TRACE_STATE` may follow, and attributes of the link.
            LINKED = 9;
            /// The request's method as sent.
            HTTP_METHOD = 10;
            /// Path of the request's target, raw.
            URL_PATH = 11;
            /// Query of the request's target without the `?`, raw.
            URL_QUERY = 12;
            /// `http` or `https`, as the client sent it if proxies pass that on.
            URL_SCHEME = 13, "url.scheme";
            /// The whole URL of a client request, raw: may hold credentials.
            URL_FULL = 14;
            /// Template of the matched route.
            HTTP_ROUTE = 15, "http.route";
            /// Int: status code of the response.
            HTTP_STATUS = 16, "http.response.status_code";
            /// `1.0`, `1.1`, `2` or `3`.
            HTTP_VERSION = 17;
            /// The `Host` header or `:authority`, with or without a port.
            HTTP_HOST = 18;
            /// The `User-Agent` header.
            USER_AGENT = 19;
            /// `Forwarded` header.
            HTTP_FORWARDED = 20;
            /// `X-Forwarded-For` header.
            HTTP_FORWARDED_FOR = 21;
            /// Int: which resend of the request this is; absent or 0 for the first.
            HTTP_RESEND = 22, "http.request.resend_count";
            /// Int: bytes of the request's body that have passed, as transferred.
            HTTP_REQUEST_BODY_SIZE = 25;
            /// The same for the response.
            HTTP_RESPONSE_BODY_SIZE = 26;
            /// `X-Forwarded-Host` header.
            HTTP_FORWARDED_HOST = 27;
            /// `X-Forwarded-Port` header.
            HTTP_FORWARDED_PORT = 28;
            /// Address of the connection's other end, without a port.
            PEER_ADDRESS = 30, "network.peer.address";
            /// Int: port of the connection's other end.
            PEER_PORT = 31, "network.peer.port";
            /// Name or address of the server a client talks to.
            SERVER_ADDRESS = 32, "server.address";
            /// Int: port of the server a client talks to.
            SERVER_PORT = 33, "server.port";
            /// A value of `db.system.name`: `postgresql`, `mysql`, `mariadb`, `sqlite`, …
            DB_SYSTEM = 40, "db.system.name";
            /// Name of the database (for SQLite, the file).
            DB_NAMESPACE = 41, "db.namespace";
            /// The statement, raw: may hold literals.
            DB_QUERY = 42;
            /// The database's own error code.
            DB_STATUS = 43;
            /// Int: rows returned.
            DB_ROWS = 44;
            /// Operation name where there is no statement (`BEGIN`, `COMMIT`, `ROLLBACK`).
            DB_OPERATION = 45;
            /// Int: the `Language` of `DB_QUERY`; absent, SQL of an unknown dialect.
            DB_LANGUAGE = 46;
            /// The table or collection, where the query's text does not show it.
            DB_COLLECTION = 47;
            /// Int: how many operations are sent at once, where the query's text does not show it.
            DB_BATCH_SIZE = 48;
            /// Name of the stored procedure that is called.
            DB_PROCEDURE = 49, "db.stored_procedure.name";
            /// Name of the instrument a cell belongs to.
            METRIC_NAME = 60;
            /// Unit of the instrument (UCUM).
            METRIC_UNIT = 61;
            /// Description of the instrument.
            METRIC_DESCRIPTION = 62;
            /// Name of an instrument's scope, where the program named it.
            SCOPE_NAME = 63;
            /// Version of that scope.
            SCOPE_VERSION = 64;
            /// Schema URL of that scope.
            SCOPE_SCHEMA_URL = 65;
            /// What was measured, in the metric's unit.
            METRIC_VALUE = 66;
            /// Which bounds of a histogram its maker advises, a bit for each, the lowest bit of the first byte first; the others
            /// are there since a reader needs them. Absent where all are advised.
            METRIC_ADVISED = 67;
            /// Message of a log record.
            LOG_BODY = 70;
            /// Which logger a log record was written to; by default the module that wrote it.
            LOG_TARGET = 71;
            /// Source file.
            CODE_FILE = 72;
            /// Int: line in the source file.
            CODE_LINE = 73;
            /// The cloud's id of the invocation.
            FAAS_INVOCATION = 80;
            /// Bool: whether the process was started for this invocation.
            FAAS_COLDSTART = 81;
            /// The function as it was invoked: an ARN, maybe with an alias.
            FAAS_INVOKED = 82;
            /// The function's version that runs.
            FAAS_VERSION = 83;
            /// How long the invocation may take, in milliseconds.
            FAAS_TIMEOUT_MS = 84;
            /// A value of `rpc.system.name`: `grpc`, `jsonrpc`, … On a span of HTTP, it makes a remote procedure call of it.
            RPC_SYSTEM = 90, "rpc.system.name";
            /// The method with its service, as the framework knows it: `shop.Orders/Place`.
            RPC_METHOD = 91;
            /// The method as the client named it, where the server has none of that name.
            RPC_METHOD_ORIGINAL = 92;
            /// The call's status, as the system writes or numbers it: `NOT_FOUND`, 5.
            RPC_STATUS = 93;
            /// Int: the `RpcStatuses` of `RPC_STATUS`; absent, no status is an error by itself.
            RPC_STATUSES = 94;
            /// A value of `messaging.system`: `kafka`, `rabbitmq`, …
            MESSAGING_SYSTEM = 100, "messaging.system";
            /// Int: a `MessagingOperation`.
            MESSAGING_OPERATION = 101;
            /// The library's word for the operation: `publish`, `poll`, `ack`.
            MESSAGING_OPERATION_NAME = 102, "messaging.operation.name";
            /// Bool: whether the message that is sent carries this very span's context.
            MESSAGING_INJECTED = 103;
            /// Name of the queue or topic.
            MESSAGING_DESTINATION = 104, "messaging.destination.name";
            /// Template of the destination's name, where names are made per user or entity.
            MESSAGING_TEMPLATE = 105, "messaging.destination.template";
            /// Bool: whether the destination is temporary, that is, deleted when it is no longer used.
            MESSAGING_TEMPORARY = 106, "messaging.destination.temporary";
            /// Bool: whether the destination's name was generated.
            MESSAGING_ANONYMOUS = 107, "messaging.destination.anonymous";
            /// The partition, as text.
            MESSAGING_PARTITION = 108, "messaging.destination.partition.id";
            /// Name of the subscription that a message is received by.
            MESSAGING_SUBSCRIPTION = 109, "messaging.destination.subscription.name";
            /// Name of the group of consumers.
            MESSAGING_GROUP = 110, "messaging.consumer.group.name";
            /// The client's own name at the broker.
            MESSAGING_CLIENT = 111, "messaging.client.id";
            /// The message's id.
            MESSAGING_MESSAGE = 112, "messaging.message.id";
            /// The id that relates a message to others.
            MESSAGING_CONVERSATION = 113, "messaging.message.conversation_id";
            /// Int: how many messages, where the interface takes or gives several at once.
            MESSAGING_BATCH_SIZE = 114, "messaging.batch.message_count";
            /// Int: bytes of the message's body.
            MESSAGING_BODY_SIZE = 115, "messaging.message.body.size";
            /// Int: bytes of the message's body and metadata.
            MESSAGING_ENVELOPE_SIZE = 116, "messaging.message.envelope.size";
            /// Bool: whether the message that is processed was fetched by an operation that has counted it.
            MESSAGING_PULLED = 117;
            /// The baggage that travelled with the work when a span or a log record began, in the form of W3C's header: only
            /// where the user wants entries of it as attributes.
            BAGGAGE = 118;
            /// Int: the id of an entry in the string table that stands for attributes, which are the same each time the program
            /// passes a place of its own: `u16` how many, then they. First among the attributes of a record.
            PLACE = 119;
        }
    };
}
pub(crate) use attribute_keys;

/// Well-known keys: what the app saw, raw. The launcher redacts, sanitises and turns them into semantic conventions.
pub mod key {
    /// The attribute carries its own name.
    pub const NAMED: u16 = 0;
    /// A value of a header of the request. The attribute carries the header's name in small letters; each value is an
    /// attribute of its own.
    pub const HTTP_REQUEST_HEADER: u16 = 23;
    /// The same for the response.
    pub const HTTP_RESPONSE_HEADER: u16 = 24;

    macro_rules! numbers {
        ($($(#[$doc:meta])* $name:ident = $number:literal $(, $attribute:literal)?;)*) => {
            $($(#[$doc])* pub const $name: u16 = $number;)*

            /// The attribute that a key's value becomes, redacted as any other. `None` for values that must first be
            /// looked at: they hold secrets of a kind of their own, or are no attribute by themselves.
            pub fn attribute(key: u16) -> Option<&'static str> {
                match key {
                    $($($number => Some($attribute),)?)*
                    _ => None,
                }
            }

            #[cfg(test)]
            pub(super) const ALL: &[u16] = &[NAMED, HTTP_REQUEST_HEADER, HTTP_RESPONSE_HEADER, $($number),*];
        };
    }
    super::attribute_keys!(numbers);
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn each_key_has_a_number_of_its_own() {
        let mut numbers = key::ALL.to_vec();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
    }

    #[test]
    fn attributes_of_raw_values_have_no_name() {
        assert_eq!(key::attribute(key::HTTP_ROUTE), Some("http.route"));
        assert_eq!(key::attribute(key::URL_FULL), None);
        assert_eq!(key::attribute(key::NAMED), None);
    }
}

//! Facts that are one of a few: how the launcher treats a span or a text.

macro_rules! numbered {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $type {
            $($(#[$doc])* $variant = $number,)*
        }

        impl $type {
            /// The one of that number.
            pub fn of(number: i64) -> Option<$type> {
                match number {
                    $($number => Some($type::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What a span is about: which semantic conventions the launcher applies to it.
    Domain {
        /// Internal work; named by `key::SPAN_NAME`.
        Internal = 0,
        /// An HTTP request served.
        HttpServer = 1,
        /// An HTTP request sent.
        HttpClient = 2,
        /// A database operation.
        Database = 3,
        /// A remote procedure call served.
        RpcServer = 4,
        /// A remote procedure call sent.
        RpcClient = 5,
        /// Messages sent, received or processed.
        Messaging = 6,
        /// An invocation of a function that a cloud runs (FaaS); named by `key::SPAN_NAME`, the function's name.
        Faas = 9,
    }
}

numbered! {
    /// How a span relates to others (OpenTelemetry's trace API, `SpanKind`).
    SpanKind {
        /// Work inside the program.
        Internal = 1,
        /// A request that is served.
        Server = 2,
        /// A request that is sent, and answered.
        Client = 3,
        /// A message or a job that is handed over.
        Producer = 4,
        /// The work on one.
        Consumer = 5,
    }
}

numbered! {
    /// The status that the program has given a span (OpenTelemetry's trace API, `Set Status`).
    SpanStatus {
        /// It has succeeded, whatever was recorded before.
        Ok = 1,
        /// It has failed.
        Error = 2,
    }
}

numbered! {
    /// The language of a query's text: how its values are taken out, and how it is summed up.
    Language {
        /// SQL of an unknown dialect. More is taken out of it than of any other.
        Sql = 1,
        /// PostgreSQL's, and that of databases that are compatible with it.
        PostgreSql = 2,
        /// That of MySQL and MariaDB.
        MySql = 3,
        /// SQLite's.
        Sqlite = 4,
        /// Transact-SQL, of Microsoft SQL Server.
        TransactSql = 5,
        /// Oracle's.
        OracleSql = 6,
        /// A command and its arguments, separated by blanks, as one types them: `SET key value`. Only the command stays.
        Command = 20,
        /// Any text that holds no values: it stays as it is.
        Plain = 21,
    }
}

numbered! {
    /// What is done with messages: the values of `messaging.operation.type`.
    MessagingOperation {
        /// A message is made, which is sent later or together with others.
        Create = 1,
        /// Messages are handed over to the broker.
        Send = 2,
        /// The program fetches messages.
        Receive = 3,
        /// The program works on messages that it was handed.
        Process = 4,
        /// Messages are acknowledged, refused or committed.
        Settle = 5,
    }
}

numbered! {
    /// The statuses that a remote procedure call ends with: how they are written, and which of them are errors.
    RpcStatuses {
        /// gRPC's, by number or by name.
        Grpc = 1,
        /// Connect's codes of errors, by number or by name.
        Connect = 2,
        /// Those of both protocols of Dubbo, by number or by name.
        Dubbo = 3,
        /// All are errors but `OK`.
        AllButOk = 4,
        /// All are errors: a call that succeeds has none, as in JSON-RPC.
        Errors = 5,
    }
}

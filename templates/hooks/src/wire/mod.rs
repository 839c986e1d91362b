//! The wire format between the hooks and the launcher: one definition, compiled at both ends.
//!
//! The app creates one sealed memfd, the *region*, and sends it to the launcher together with *Hello*:
//!
//! ```text
//! 0          header            HEADER_SIZE bytes, see `header`
//! …          string table      append-only, see `Header::strings_*`
//! …          cells             CELL_COUNT × CELL_SIZE, see `cell`
//! …          series            SERIES_SLOTS × u32, then entries, see `series`
//! …          ring controls     nrings × RING_CONTROL_SIZE, see `ring`
//! …          ring data         nrings × (1 << ring_shift) bytes
//! ```
//!
//! Everything is little endian. A record never wraps: a `kind::PAD` record fills the end of a ring. A record starts at a
//! multiple of 8 and its `head` is published last (release), so a reader sees whole records or none.

mod facts;
mod keys;

pub use facts::{Domain, Language, MessagingOperation, RpcStatuses, SpanKind, SpanStatus};
pub(crate) use keys::attribute_keys;
pub use keys::key;

/// Changes whenever a field of this file does; a launcher refuses other versions.
pub const VERSION: u32 = 5;
/// First bytes of a region and of *Hello*.
pub const MAGIC: [u8; 8] = *b"OTEL-RS\0";

/// The variable that names where an app's launcher listens; its value is a [`SETTINGS_PREFIX`]ed list, see `settings`.
pub const CHANNEL_VARIABLE: &str = "OTEL_RS_CHANNEL";
/// `v1;key=value;…;socket=<path>`; `socket` comes last since a path may hold any character.
pub const SETTINGS_PREFIX: &str = "v1;";

/// Keys of the settings text in [`CHANNEL_VARIABLE`].
pub mod settings {
    /// Path of the launcher's Unix stream socket. It listens at the abstract address of the same bytes, too: the path is
    /// there in every network namespace, the abstract address in every root directory and for every user.
    pub const SOCKET: &str = "socket";
    /// What a process shows in *Hello* to be let in, as `TOKEN_SIZE` bytes in hexadecimal digits: a process that has the
    /// launcher's environment was started below it, as whatever user.
    pub const TOKEN: &str = "token";
    /// The launcher's effective user. At the abstract address another user might listen.
    pub const LAUNCHER_USER: &str = "launcher-user";
    /// A value of OTEL_TRACES_SAMPLER, already validated.
    pub const SAMPLER: &str = "sampler";
    /// OTEL_TRACES_SAMPLER_ARG as a decimal fraction between 0 and 1.
    pub const RATIO: &str = "ratio";
    /// A value of OTEL_PROPAGATORS: comma-separated names.
    pub const PROPAGATORS: &str = "propagators";
    /// `on` when each poll of an asynchronous runtime's tasks is to be timed.
    pub const POLL_TIMES: &str = "poll-times";
    /// The value of OTEL_RS_SPANS, already validated: which spans of the program's own are recorded. Absent where it is not
    /// set. It is percent-encoded as the items of lists are, and so are the next.
    pub const SPAN_DIRECTIVES: &str = "spans";
    /// The same of OTEL_RS_LOGS, for log records.
    pub const LOG_DIRECTIVES: &str = "log-records";
    /// `on` or `off`: whether the program's own log lines show the ids of spans.
    pub const LOG_IDS: &str = "log-ids";
    /// `on` when spans and log records are written with the baggage that travels with the work.
    pub const BAGGAGE: &str = "baggage";
    /// The levels of directives, and the least severity number of log records that each accepts.
    pub const LEVELS: [(&str, u8); 6] =
        [("off", u8::MAX), ("error", 17), ("warn", 13), ("info", 9), ("debug", 5), ("trace", 1)];
    /// Whether callbacks of metrics have a thread of their own: `always` or `never`; otherwise, once the program has several.
    pub const OBSERVER_THREAD: &str = "observer-thread";
    /// How long after a request's end a task spawned by it still counts as its work, in milliseconds.
    pub const DETACH_AFTER_MS: &str = "detach-after-ms";
    /// `off` when log records are disabled.
    pub const LOGS: &str = "logs";
    /// `on` when work that has no parent in this process has one in its environment: TRACEPARENT, as the specification's
    /// environment carriers have it. Requests served have their own parents.
    pub const ENVIRONMENT_PARENT: &str = "environment-parent";
    /// `on` when nothing is recorded and there is no socket: contexts are only passed on, from requests served to requests
    /// sent.
    pub const PASS_ON: &str = "pass-on";
    /// How many series one instrument may have before others are counted together, 0 when metrics are disabled.
    pub const SERIES_LIMIT: &str = "series-limit";
    /// Upper bounds of buckets that histograms have besides those that they advise, as decimal fractions separated by
    /// commas; `exponential` among them stands for those from which exponential buckets can be made.
    pub const BOUNDS: &str = "bounds";
    /// What stands for many in [`BOUNDS`].
    pub const EXPONENTIAL: &str = "exponential";
    /// Names of instrumentations that are enabled, `*` for all. This list and those below separate their items by commas;
    /// `%`, `;` and commas in them are percent-encoded.
    pub const ENABLED: &str = "enabled";
    /// Names of instrumentations that do not; outranks [`ENABLED`].
    pub const DISABLED: &str = "disabled";
    /// Patterns of requests that are not recorded. One with `://` is for whole URLs, any other for paths.
    pub const EXCLUDED_URLS: &str = "excluded-urls";
    /// Names of headers, in small letters, to be recorded of requests served.
    pub const SERVER_REQUEST_HEADERS: &str = "server-request-headers";
    /// The same for their responses.
    pub const SERVER_RESPONSE_HEADERS: &str = "server-response-headers";
    /// The same for requests sent.
    pub const CLIENT_REQUEST_HEADERS: &str = "client-request-headers";
    /// The same for their responses.
    pub const CLIENT_RESPONSE_HEADERS: &str = "client-response-headers";
}

/// How a layer's marker text starts: `otel-rs:layer:<wire version>|<crate>|<version>|<hooks version>|\n`. Every layer
/// holds one as the name of its scope, so that a binary shows which layers it carries.
pub const LAYER_MARKER: &str = "otel-rs:layer:";

/// The only message on the socket besides one-byte doorbells: `MAGIC`, `VERSION`, an errno (0: the region's memfd is
/// attached as SCM_RIGHTS; otherwise no region could be made, and why), and the token. SO_PEERCRED names
/// the app's pid.
pub const HELLO_SIZE: usize = 16 + TOKEN_SIZE;
/// Bytes of the token.
pub const TOKEN_SIZE: usize = 16;

/// Size of the region header in bytes.
pub const HEADER_SIZE: usize = 4096;
/// Upper bound for a region, in bytes; the launcher refuses larger ones.
pub const MAX_REGION_SIZE: usize = 64 << 20;

/// Byte offsets in the region header. Those up to `RESOURCE_ATTRIBUTES` never change once the region was sent.
pub mod header {
    /// `[u8; 8]`: [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// `u32`: [`super::VERSION`].
    pub const VERSION: usize = 8;
    /// `u32`: number of rings.
    pub const RINGS: usize = 12;
    /// `u32`: a ring holds `1 << RING_SHIFT` bytes of data.
    pub const RING_SHIFT: usize = 16;
    /// `u32`: process id as the app sees it (its own PID namespace).
    pub const PID: usize = 20;
    /// `u64`: size of the whole region in bytes.
    pub const REGION_SIZE: usize = 24;
    /// `u64`: offset of the string table.
    pub const STRINGS_OFFSET: usize = 32;
    /// `u64`: capacity of the string table in bytes.
    pub const STRINGS_SIZE: usize = 40;
    /// `u64`: offset of the first cell.
    pub const CELLS_OFFSET: usize = 48;
    /// `u64`: number of cells.
    pub const CELLS: usize = 56;
    /// `u64`: offset of the first ring control.
    pub const CONTROLS_OFFSET: usize = 64;
    /// `u64`: offset of the first ring's data.
    pub const DATA_OFFSET: usize = 72;
    /// `u64`: offset of the series' slots, which the entries follow.
    pub const SERIES_OFFSET: usize = 80;
    /// `u64`: size of slots and entries in bytes.
    pub const SERIES_SIZE: usize = 88;
    /// `u32`: id of the string that holds the path of the program's executable; 0 where it is not known.
    pub const EXECUTABLE: usize = 96;
    /// `u32`: the same for OTEL_SERVICE_NAME in the program's environment; 0 where it is not set.
    pub const SERVICE_NAME: usize = 100;
    /// `u32`: the same for OTEL_RESOURCE_ATTRIBUTES.
    pub const RESOURCE_ATTRIBUTES: usize = 104;
    /// `u32`: the launcher sets 1 (SeqCst) before it sleeps and drains once more after; the first writer that finds a ring
    /// half full swaps it to 0 and rings the doorbell.
    pub const SLEEPING: usize = 128;
    /// `u32`: the launcher sets 1 once it has seen that the process filters system calls (seccomp): one that the process
    /// does not make by itself may be its end.
    pub const FILTERED: usize = 132;
    /// `u32`: bytes of the string table in use; stored with release after an entry is complete.
    pub const STRINGS_LEN: usize = 192;
    /// `u64`: records dropped because every ring was locked by another thread, or the record was too long.
    pub const DROPPED: usize = 256;
    /// `u32`: slots of the series' part that were given away.
    pub const SERIES_COUNT: usize = 328;
    /// `u64`: instruments that found no room.
    pub const WITHOUT_ROOM: usize = 336;
    /// `u64`: measurements that no sum can take: negative ones of a counter, NaN and infinities.
    pub const REFUSED: usize = 344;
    /// `u32`: the launcher counts this up, and wakes those who wait by futex, when it is about to read: a round of callbacks.
    pub const REQUESTED_ROUND: usize = 384;
    /// `u32`: the value of `REQUESTED_ROUND` whose callbacks have run. The app wakes those who wait.
    pub const FINISHED_ROUND: usize = 448;
    /// `u32`: 1 once there are callbacks and a thread that runs them.
    pub const HAS_OBSERVER: usize = 452;
    /// `u32`: callbacks that were given up since they did not return in time.
    pub const STUCK: usize = 456;
    /// `u32`: callbacks that panicked, and are not called again.
    pub const PANICKED: usize = 460;
    /// `u32`: forked children of this process that could not attach.
    pub const UNATTACHED: usize = 512;
    /// `u32`: the errno of the last of them.
    pub const UNATTACHED_ERRNO: usize = 516;
}

/// An entry of the string table is a `u32` length, the bytes, and padding to a multiple of 4. Its id is its offset in the
/// table; offset 0 is never used, the first entry stands at 4.
pub const FIRST_STRING: u32 = 4;

/// Byte offsets in a ring control; each group has a cache line of its own.
pub mod ring {
    /// `u64`: records dropped because the ring was full.
    pub const DROPPED: usize = 8;
    /// `u64`: bytes ever written; stored with release by the writer.
    pub const HEAD: usize = 64;
    /// `u64`: bytes ever read; stored with release by the launcher, which keeps the true value to itself.
    pub const TAIL: usize = 128;
}
/// Size of a ring control in bytes.
pub const RING_CONTROL_SIZE: usize = 256;

/// Byte offsets in a cell: one time series of a counter or up-down counter.
pub mod cell {
    /// `i64`: the sum so far.
    pub const VALUE: usize = 0;
    /// `u32`: 2 once it is described (stored with release).
    pub const STATE: usize = 8;
    /// `u8`: a `cell_kind`.
    pub const KIND: usize = 12;
    /// `u8`: number of attributes in the description.
    pub const ATTRIBUTES: usize = 13;
    /// `u16`: length of the description in bytes.
    pub const LEN: usize = 14;
    /// The description: attributes as in a record; `key::METRIC_*` describe the instrument, the others the series.
    pub const DESCRIPTION: usize = 16;
}
/// Size of a cell in bytes.
pub const CELL_SIZE: usize = 512;
/// Number of cells in a region.
pub const CELL_COUNT: usize = 1024;
/// Values of `cell::KIND`.
pub mod cell_kind {
    /// A monotonic sum.
    pub const COUNTER: u8 = 1;
    /// A sum that may fall.
    pub const UP_DOWN_COUNTER: u8 = 2;
}

/// An instrument or one of its time series: an entry of any length, found by its slot.
///
/// A slot holds 0 until its entry is complete, and then the entry's place for ever: its offset in the series' part in
/// units of [`SERIES_UNIT`]. Slots are given away in rising order.
pub mod series {
    /// `u32`: length of the entry in bytes, a multiple of the unit.
    pub const LEN: usize = 0;
    /// `u8`: a `what`.
    pub const WHAT: usize = 4;
    /// `u8`: an instrument's `instrument_kind`; a note's `note`.
    pub const KIND: usize = 5;
    /// `u8`: a `number`.
    pub const NUMBER: usize = 6;
    /// `u8`: 1 for the series of what is beyond the limit.
    pub const OVERFLOW: usize = 7;
    /// `u32`: slot of a series' instrument.
    pub const INSTRUMENT: usize = 8;
    /// `u16`: number of `BUCKETS`.
    pub const BUCKET_COUNT: usize = 12;
    /// `u16`: number of attributes.
    pub const ATTRIBUTES: usize = 14;
    /// `u32`: where in the entry the attributes stand, as in a record; `key::METRIC_*` and `key::SCOPE*` describe an
    /// instrument, names the attributes of its scope, or of a series.
    pub const ATTRIBUTES_AT: usize = 16;
    /// `u32`: their length in bytes.
    pub const ATTRIBUTES_LEN: usize = 20;
    /// A `number`: the sum, or a gauge's last value.
    pub const VALUE: usize = 24;
    /// `u64`: how often the value of a gauge, or what a callback observes, was set.
    pub const TIMES: usize = 32;
    /// `f64`: a histogram's smallest value, infinity when there is none.
    pub const MIN: usize = 40;
    /// `f64`: a histogram's largest value, negative infinity when there is none.
    pub const MAX: usize = 48;
    /// `u64`: of a counter of whole numbers ([`number::U64`]), which thread adds to `OWN`; of no use to the reader.
    pub const OWNER: usize = TIMES;
    /// `u64`: of a counter of whole numbers, what its owner has added. The sum is this and `VALUE`.
    pub const OWN: usize = 56;
    /// `u64` each: how many values are in which bucket. In an instrument, `f64` each: their bounds, and one word more.
    pub const BUCKETS: usize = 64;

    /// Values of `WHAT`.
    pub mod what {
        /// An instrument.
        pub const INSTRUMENT: u8 = 1;
        /// One of its time series.
        pub const SERIES: u8 = 2;
        /// Something of which the launcher warns the user.
        pub const NOTE: u8 = 3;
    }
    /// Values of a note's `KIND`.
    pub mod note {
        /// An instrument has a name or a unit that the specification forbids, or bounds that do not rise.
        pub const INVALID: u8 = 1;
        /// The program has set a meter provider of its own.
        pub const OWN_PROVIDER: u8 = 2;
        /// The program has installed a recorder of its own.
        pub const OWN_RECORDER: u8 = 3;
        /// The program has set a tracer provider of its own.
        pub const OWN_TRACER_PROVIDER: u8 = 4;
    }
    /// Values of an instrument's `KIND`.
    pub mod instrument_kind {
        /// Adds; never falls.
        pub const COUNTER: u8 = 1;
        /// Adds.
        pub const UP_DOWN_COUNTER: u8 = 2;
        /// Counts values by their size.
        pub const HISTOGRAM: u8 = 3;
        /// Keeps the last value.
        pub const GAUGE: u8 = 4;
        /// A sum that a callback observes; never falls.
        pub const OBSERVABLE_COUNTER: u8 = 5;
        /// A sum that a callback observes.
        pub const OBSERVABLE_UP_DOWN_COUNTER: u8 = 6;
        /// A value that a callback observes.
        pub const OBSERVABLE_GAUGE: u8 = 7;
    }
    /// Values of `NUMBER`: what kind of number `VALUE` holds.
    pub mod number {
        /// `u64`
        pub const U64: u8 = 1;
        /// `i64`
        pub const I64: u8 = 2;
        /// `f64`
        pub const F64: u8 = 3;
    }
}
/// Bytes that an entry's place and length are multiples of: no two entries share a cache line.
pub const SERIES_UNIT: usize = 64;
/// Number of slots.
pub const SERIES_SLOTS: usize = 16384;
/// Size of slots and entries. Memory that is not used is not there: the file has holes.
pub const SERIES_SIZE: usize = 16 << 20;
/// Most bounds that a histogram may have.
pub const MAX_BOUNDS: usize = 1000;

/// A record: header, fixed part by kind, then attributes.
///
/// header: `u32` total length (a multiple of 8, this header included), `u8` kind, `u8` zero, `u16` number of attributes.
pub mod record {
    /// Size of the header in bytes.
    pub const HEADER: usize = 8;
    /// `[u8; 16]` trace id, `[u8; 8]` span id, `[u8; 8]` parent span id (zeros: none), `u64` time, `u32` scope (string id
    /// of a layer marker, 0: given as `key::SCOPE`), `u8` domain, `u8` W3C trace flags, `u8` 1 if the parent is remote, `u8` zero.
    pub const START: usize = 16 + 8 + 8 + 8 + 4 + 4;
    /// `[u8; 8]` span id, `u64` time: the fixed part of update, event, link and end.
    pub const SPAN: usize = 8 + 8;
    /// `[u8; 16]` trace id and `[u8; 8]` span id (zeros: none), `u64` time, `u32` scope as in `START`, `u8` W3C trace
    /// flags, `u8` severity number, `u8` attributes that found no room, `u8` zero: the fixed part of a log record.
    pub const LOG: usize = 16 + 8 + 8 + 4 + 4;
    /// `u32` scope as in `START`, `u8` a `measure`, 3 × `u8` zero: the fixed part of a measurement.
    pub const MEASURE: usize = 4 + 4;
    /// Longest record in bytes; longer values are cut, see [`super::MAX_VALUE`].
    pub const MAX: usize = 32 << 10;
}
/// Longest string value in bytes; what is longer is cut at the writer.
pub const MAX_VALUE: usize = 8 << 10;

/// Values of a record's kind. A reader skips kinds it does not know.
pub mod kind {
    /// Fills the end of a ring.
    pub const PAD: u8 = 0;
    /// A span started.
    pub const SPAN_START: u8 = 1;
    /// Attributes for a span that was started; a later value of the same key replaces the earlier one.
    pub const SPAN_UPDATE: u8 = 2;
    /// A span event; its name is `key::EVENT_NAME`.
    pub const SPAN_EVENT: u8 = 3;
    /// A span ended; its attributes are merged like an update's.
    pub const SPAN_END: u8 = 4;
    /// A log record; its message is `key::LOG_BODY`.
    pub const LOG: u8 = 5;
    /// A measurement that belongs to no span, or becomes known only after it has ended.
    pub const MEASURE: u8 = 6;
    /// A span's link to another one, which is `key::LINKED`.
    pub const SPAN_LINK: u8 = 7;
}

/// What a measurement is about: which metrics the launcher makes of it.
pub mod measure {
    /// The bodies of an HTTP request that was sent, and of its response, are over. Its attributes are the method, the server,
    /// status and version as far as known, and both sizes.
    pub const HTTP_CLIENT_TRANSFER: u8 = 1;
    /// A connection of an HTTP client is closed. Its attributes are the server, the version, and
    /// `key::METRIC_VALUE` in seconds.
    pub const HTTP_CLIENT_CONNECTION: u8 = 2;
}

/// An attribute: `u16` key, `u8` value type, `u8` length of the name (0 unless the key has one), `u32` length of
/// the value, the name, the value. Nothing is aligned.
pub const ATTRIBUTE_HEADER: usize = 8;

/// Values of an attribute's type.
pub mod value {
    /// Text; bytes that are not UTF-8 are replaced by the reader.
    pub const STR: u8 = 1;
    /// `i64`.
    pub const INT: u8 = 2;
    /// `f64`.
    pub const FLOAT: u8 = 3;
    /// `u8`, 0 or 1.
    pub const BOOL: u8 = 4;
    /// Values of the types above, each as `u8` type, `u32` length, and the value. Nothing is aligned.
    pub const LIST: u8 = 5;
}

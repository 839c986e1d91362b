//! Log records that the program's logger accepts; their text is copied while the logger formats it. Others that the user
//! names are formatted for us alone.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use otel_rs_hooks::{directives, key, Log as LogRecord, PendingLog, Severity};

use crate::{Level, LevelFilter, Log, Metadata, Record};

/// The program's logger, whichever it is when a record comes.
#[derive(Debug)]
pub(crate) struct Bridge;

pub(crate) static BRIDGE: Bridge = Bridge;

/// The slot of a record's message.
const BODY: usize = 0;

impl Log for Bridge {
    #[inline]
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        crate::otel_logger().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if ::otel_rs_hooks::formatting() {
            return;
        }
        let logger = crate::otel_logger();
        match begin(record) {
            Some((log, is_wanted)) => take(logger, record, log, is_wanted),
            None => logger.log(record),
        }
    }

    fn flush(&self) {
        crate::otel_logger().flush();
    }
}

/// A logger that is not there.
struct Nobody;

impl Log for Nobody {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &Record<'_>) {}

    fn flush(&self) {}
}

/// What is recorded where the program has no logger, and the user has named nothing.
const WITHOUT_LOGGER: LevelFilter = LevelFilter::Info;

/// Where the program has a logger, and the user has named nothing, or the level that the user has named.
static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = u8::MAX;
const UNNAMED: u8 = u8::MAX - 1;

/// The level down to which the macros make records: the program's, or the launcher's if that is lower.
#[inline]
pub(crate) fn max_level() -> LevelFilter {
    let programs = crate::max_level();
    if ::otel_rs_hooks::active() {
        programs.max(launchers_level())
    } else {
        programs
    }
}

#[inline(never)]
fn launchers_level() -> LevelFilter {
    let known = match LEVEL.load(Relaxed) {
        // What is logged while a record is formatted for us is left out, and is no answer for others.
        UNKNOWN if ::otel_rs_hooks::formatting() => return LevelFilter::Off,
        UNKNOWN => {
            let level = named_level();
            LEVEL.store(level, Relaxed);
            level
        }
        known => known,
    };
    let filters = [
        LevelFilter::Off,
        LevelFilter::Error,
        LevelFilter::Warn,
        LevelFilter::Info,
        LevelFilter::Debug,
        LevelFilter::Trace,
    ];
    match filters.get(usize::from(known)) {
        Some(level) => *level,
        None if has_logger() => LevelFilter::Off,
        None => WITHOUT_LOGGER,
    }
}

/// The level that the user has named, as a number.
fn named_level() -> u8 {
    if LogRecord::now(&SCOPE, Severity::Fatal).is_none() {
        return LevelFilter::Off as u8;
    }
    match (directives::wants_log("", Severity::Fatal), directives::least_log()) {
        (None, _) => UNNAMED,
        (_, None | Some(Severity::Fatal)) => LevelFilter::Off as u8,
        (_, Some(Severity::Error)) => LevelFilter::Error as u8,
        (_, Some(Severity::Warn)) => LevelFilter::Warn as u8,
        (_, Some(Severity::Info)) => LevelFilter::Info as u8,
        (_, Some(Severity::Debug)) => LevelFilter::Debug as u8,
        (_, Some(Severity::Trace)) => LevelFilter::Trace as u8,
    }
}

fn has_logger() -> bool {
    crate::STATE.load(Relaxed) == crate::INITIALIZED
}

/// Begins our record, and whether it is wanted whatever the program's logger does with it. `None` if it is not recorded.
#[inline]
fn begin(record: &Record<'_>) -> Option<(LogRecord, bool)> {
    if !::otel_rs_hooks::active() {
        return None;
    }
    let severity = severity(record.level());
    let is_wanted = match directives::wants_log(record.target(), severity) {
        Some(false) => return None,
        Some(true) => true,
        None => record.level() <= WITHOUT_LOGGER && !has_logger(),
    };
    Some((LogRecord::now(&SCOPE, severity)?, is_wanted))
}

/// A macro has made a record: the program's logger gets it if the program's level allows that.
#[inline]
pub(crate) fn made<L: Log>(logger: L, record: &Record<'_>) {
    if record.level() <= crate::max_level() {
        logger.log(record);
    } else if let Some((log, true)) = begin(record) {
        take(&Nobody, record, log, true);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warn,
        Level::Info => Severity::Info,
        Level::Debug => Severity::Debug,
        Level::Trace => Severity::Trace,
    }
}

// A function of its own: a record uses stack space only while a launcher listens.
#[inline(never)]
fn take(logger: &dyn Log, record: &Record<'_>, log: LogRecord, is_wanted: bool) {
    let pending = log.pending(record as *const Record<'_> as usize, cfg!(panic = "abort"));
    pending.set(key::LOG_TARGET, record.target().into());
    pending.set(key::CODE_FILE, record.file().into());
    pending.set(key::CODE_LINE, record.line().into());
    let args = record.args;
    // A literal is no code of the program's, and a logger may read it as it is.
    let literal = args.as_str();
    pending.set(key::LOG_BODY, literal.into());
    let copied = pending.copied(BODY, key::LOG_BODY, &args);
    #[cfg(feature = "kv")]
    let pairs = pairs::Pairs::new(record.key_values.0, &pending);
    let given = |args| Record {
        args,
        #[cfg(feature = "kv")]
        key_values: crate::KeyValues(&pairs),
        ..record.clone()
    };
    match literal {
        Some(literal) => pending.while_registered(name(literal), || logger.log(&given(args))),
        None => logger.log(&given(format_args!("{}", copied))),
    }
    // A logger that read the record accepts it; another decides by its metadata.
    if !is_wanted && !pending.is_read() && !logger.enabled(record.metadata()) {
        return pending.discard();
    }
    pending.write(|pending| {
        if literal.is_none() {
            pending.format_missing(BODY, key::LOG_BODY, &args);
        }
        #[cfg(feature = "kv")]
        pairs.rest();
    });
}

/// The key by which a record with a literal message is found while it is being logged.
fn name(literal: &str) -> usize {
    literal.as_ptr() as usize
}

/// A record's message is read.
#[inline]
pub(crate) fn seen(record: &Record<'_>) {
    if let Some(literal) = record.args.as_str() {
        PendingLog::find(name(literal), |pending| pending.into_iter().for_each(PendingLog::mark_read));
    }
}

#[cfg(feature = "kv")]
mod pairs {
    use std::cell::Cell;
    use std::fmt;

    use otel_rs_hooks::{Key, PendingLog, StackArena};

    use crate::kv;

    /// Whether looking at a value may run code of the program's: it serializes itself to show what it is.
    const IS_OPAQUE: bool = cfg!(any(feature = "kv_serde", feature = "kv_sval"));
    /// Values that are code of the program's, of one record.
    const MOST: usize = 12;

    /// A record's pairs for the program's logger: what it gets is taken when it gets it.
    pub(super) struct Pairs<'a> {
        source: &'a dyn kv::Source,
        pending: &'a PendingLog,
        is_visited: Cell<bool>,
        is_asked: Cell<bool>,
        given: StackArena<Pair<'a>, MOST>,
        next: Cell<usize>,
    }

    impl<'a> Pairs<'a> {
        pub(super) fn new(source: &'a dyn kv::Source, pending: &'a PendingLog) -> Pairs<'a> {
            let (is_visited, is_asked) = (Cell::new(false), Cell::new(false));
            Pairs { source, pending, is_visited, is_asked, given: StackArena::new(), next: Cell::new(super::BODY + 1) }
        }

        fn slot(&self) -> usize {
            self.next.replace(self.next.get() + 1)
        }

        /// The value as the logger gets it.
        fn give<'k>(&'k self, name: Option<Name<'a>>, key: &str, value: kv::Value<'a>) -> kv::Value<'k> {
            if IS_OPAQUE {
                return value;
            }
            let what = look(self.pending, key, &value);
            if what == What::Plain || self.pending.has(key) {
                return value;
            }
            let pair = name.map(|name| Pair { name, value: value.clone(), pending: self.pending, slot: self.slot() });
            match pair.and_then(|pair| self.given.put(pair).ok()) {
                // An error is passed on as an error: the visitor may downcast it or read its source.
                Some(pair) if what == What::Error => self.pending.mark_begun(pair.slot),
                Some(pair) => return kv::Value::from_dyn_display(pair),
                None => {
                    self.pending.count_dropped();
                    self.pending.stop_formatting();
                }
            }
            value
        }

        fn has_begun(&self, key: &str) -> bool {
            let mut known = self.given.iter().filter(|pair| pair.name.as_str() == key);
            self.pending.has(key) || known.any(|pair| self.pending.has_begun(pair.slot))
        }

        /// Takes what the logger did not look at, or did not format.
        pub(super) fn rest(&self) {
            if !self.is_visited.get() && !(IS_OPAQUE && self.is_asked.get()) {
                // Errors would be the visitor's own, and it makes none.
                let _ = self.source.visit(&mut Rest(self));
            } else if IS_OPAQUE {
                self.pending.count_dropped();
            } else {
                self.given.iter().for_each(|pair| self.text(pair.slot, pair.name.as_str(), &pair.value));
            }
        }

        fn text(&self, slot: usize, key: &str, value: &kv::Value<'_>) {
            if !self.has_begun(key) {
                self.pending.format_missing(slot, Key::Named(key), value);
            }
        }
    }

    impl kv::Source for Pairs<'_> {
        fn visit<'kvs>(&'kvs self, visitor: &mut dyn kv::VisitSource<'kvs>) -> Result<(), kv::Error> {
            self.is_visited.set(true);
            self.source.visit(&mut Through { pairs: self, visitor })
        }

        fn get(&self, key: kv::Key<'_>) -> Option<kv::Value<'_>> {
            self.is_asked.set(true);
            let value = self.source.get(key.clone())?;
            Some(self.give(Name::copy(key.as_str()), key.as_str(), value))
        }

        fn count(&self) -> usize {
            self.source.count()
        }
    }

    /// A pair whose value is code of the program's.
    struct Pair<'a> {
        name: Name<'a>,
        value: kv::Value<'a>,
        pending: &'a PendingLog,
        slot: usize,
    }

    impl fmt::Display for Pair<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.pending.copied(self.slot, Key::Named(self.name.as_str()), &self.value).fmt(f)
        }
    }

    /// The text of a key.
    enum Name<'a> {
        Key(kv::Key<'a>),
        /// The text of a key that does not live as long as the record.
        Copy([u8; 32], usize),
    }

    impl Name<'_> {
        fn copy<'a>(key: &str) -> Option<Name<'a>> {
            let mut bytes = [0; 32];
            bytes.get_mut(..key.len())?.copy_from_slice(key.as_bytes());
            Some(Name::Copy(bytes, key.len()))
        }

        fn as_str(&self) -> &str {
            match self {
                Name::Key(key) => key.as_str(),
                Name::Copy(bytes, len) => std::str::from_utf8(bytes.get(..*len).unwrap_or(&[])).unwrap_or(""),
            }
        }
    }

    /// Hands pairs on to the logger's visitor.
    struct Through<'p, 'kvs, 'a> {
        pairs: &'kvs Pairs<'a>,
        visitor: &'p mut dyn kv::VisitSource<'kvs>,
    }

    impl<'a> kv::VisitSource<'a> for Through<'_, '_, 'a> {
        fn visit_pair(&mut self, key: kv::Key<'a>, value: kv::Value<'a>) -> Result<(), kv::Error> {
            let given = self.pairs.give(Some(Name::Key(key.clone())), key.as_str(), value);
            self.visitor.visit_pair(key, given)
        }
    }

    /// Takes pairs that the logger did not visit.
    struct Rest<'p, 'a>(&'p Pairs<'a>);

    impl<'kvs> kv::VisitSource<'kvs> for Rest<'_, '_> {
        fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
            let pairs = self.0;
            if look(pairs.pending, key.as_str(), &value) != What::Plain {
                pairs.text(pairs.slot(), key.as_str(), &value);
            }
            Ok(())
        }
    }

    /// What a value is.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum What {
        /// A plain value: reading it runs no code of the program's.
        Plain,
        Code,
        #[cfg_attr(not(feature = "kv_std"), allow(dead_code))]
        Error,
    }

    /// Finds out what a value is, and takes it if it is plain.
    fn look(pending: &PendingLog, key: &str, value: &kv::Value<'_>) -> What {
        let what = Cell::new(What::Plain);
        let is_there = pending.has(key);
        // Errors would be the visitor's own, and it makes none.
        let _ = value.visit(Look { pending, key: Key::Named(key), is_there, what: &what });
        what.get()
    }

    struct Look<'a> {
        pending: &'a PendingLog,
        key: Key<'a>,
        is_there: bool,
        what: &'a Cell<What>,
    }

    impl Look<'_> {
        fn set<'b>(&self, value: impl Into<otel_rs_hooks::Value<'b>>) -> Result<(), kv::Error> {
            if !self.is_there {
                self.pending.set(self.key, value.into());
            }
            Ok(())
        }

        fn show(&self, value: &dyn fmt::Display) -> Result<(), kv::Error> {
            if !self.is_there {
                self.pending.set_display(self.key, value);
            }
            Ok(())
        }
    }

    impl<'v> kv::VisitValue<'v> for Look<'_> {
        fn visit_any(&mut self, _: kv::Value<'_>) -> Result<(), kv::Error> {
            self.what.set(What::Code);
            Ok(())
        }

        fn visit_null(&mut self) -> Result<(), kv::Error> {
            self.show(&"None")
        }

        fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
            if value <= i64::MAX as u64 {
                self.set(value)
            } else {
                self.show(&value)
            }
        }

        fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
            self.set(value)
        }

        fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
            self.show(&value)
        }

        fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
            self.show(&value)
        }

        fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
            self.set(value)
        }

        fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
            self.set(value)
        }

        fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
            self.set(value)
        }

        #[cfg(feature = "kv_std")]
        fn visit_error(&mut self, _: &(dyn std::error::Error + 'static)) -> Result<(), kv::Error> {
            self.what.set(What::Error);
            Ok(())
        }

        #[cfg(feature = "kv_std")]
        fn visit_borrowed_error(&mut self, _: &'v (dyn std::error::Error + 'static)) -> Result<(), kv::Error> {
            self.what.set(What::Error);
            Ok(())
        }
    }
}

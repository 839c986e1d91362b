//! What the program's logger accepts, told once more.

use otel_rs_hooks::{key, Log as LogRecord, Said, Severity};

use crate::{Level, Log, Metadata, Record};

/// The program's logger, whichever it is when a record comes.
#[derive(Debug)]
pub(crate) struct Told;

pub(crate) static TOLD: Told = Told;

impl Log for Told {
    #[inline]
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        crate::otel_logger().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if ::otel_rs_hooks::formatting() {
            return;
        }
        let logger = crate::otel_logger();
        let told = if ::otel_rs_hooks::active() && logger.enabled(record.metadata()) {
            LogRecord::now(&SCOPE, severity(record.level()))
        } else {
            None
        };
        logger.log(record);
        if let Some(told) = told {
            told.tell(|said| say(said, record));
        }
    }

    fn flush(&self) {
        crate::otel_logger().flush();
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

fn say(said: &mut Said, record: &Record<'_>) {
    said.set(key::LOG_TARGET, record.target().into());
    said.set(key::CODE_FILE, record.file().into());
    said.set(key::CODE_LINE, record.line().into());
    said.text(key::LOG_BODY, record.args());
    // An error would be the visitor's own, and it makes none.
    #[cfg(feature = "kv")]
    let _ = record.key_values().visit(&mut pairs::Pairs(said));
}

#[cfg(feature = "kv")]
mod pairs {
    use otel_rs_hooks::{Key, Said};

    use crate::kv;

    /// Says each pair, and numbers as numbers.
    pub(super) struct Pairs<'a>(pub(super) &'a mut Said);

    impl<'kvs> kv::VisitSource<'kvs> for Pairs<'_> {
        fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
            value.visit(Pair(&mut *self.0, Key::Named(key.as_str())))
        }
    }

    struct Pair<'a>(&'a mut Said, Key<'a>);

    impl<'v> kv::VisitValue<'v> for Pair<'_> {
        fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
            self.0.text(self.1, &value);
            Ok(())
        }

        fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
            match i64::try_from(value) {
                Ok(number) => self.0.set(self.1, number.into()),
                Err(_) => self.0.text(self.1, &value),
            }
            Ok(())
        }

        fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
            self.0.set(self.1, value.into());
            Ok(())
        }

        fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
            self.0.set(self.1, value.into());
            Ok(())
        }

        fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
            self.0.set(self.1, value.into());
            Ok(())
        }

        fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
            self.0.set(self.1, value.into());
            Ok(())
        }
    }
}

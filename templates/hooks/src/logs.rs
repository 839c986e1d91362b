//! Log records: what the app's own loggers accept, told once more with the ids of the span it belongs to.
//!
//! The app's logger comes first. It formats the message before we do, so a `Display` that panics does so where it would
//! without us. Ours is then a second run of the same code, and nothing may come of it: what it logs is left out, since it
//! was logged the first time, and should it panic only now, the panic ends here.

use std::cell::Cell;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::attribute::{self, Key, Value};
use crate::context::flag;
use crate::span::{now, Scope};
use crate::{ring, settings, wire};

/// What one record may say, in bytes. It lies on the stack of whoever logs.
const ROOM: usize = 4 << 10;
/// Stands at the end of text that was cut.
const CUT: &str = "…";
/// Text is not begun with less room than this.
const LEAST: usize = 16;

/// How serious a record is: OpenTelemetry's severity numbers, of those that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Severity {
    Trace = 1,
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
    Fatal = 21,
}

thread_local! {
    static FORMATTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is formatting a record for us. What is logged meanwhile was logged before, by the same code: an
/// instrumentation keeps it from the app's logger.
#[inline]
pub fn formatting() -> bool {
    FORMATTING.try_with(Cell::get).unwrap_or(false)
}

/// A log record of the moment when it was made.
#[derive(Debug)]
pub struct Log {
    scope: &'static Scope,
    severity: Severity,
    time: u64,
}

impl Log {
    /// A record to be told later, or `None` if nobody wants it.
    #[inline]
    pub fn now(scope: &'static Scope, severity: Severity) -> Option<Log> {
        if scope.enabled() && settings::logs() && !formatting() {
            Some(Log { scope, severity, time: now() })
        } else {
            None
        }
    }

    /// Tells the record. `say` may run code of the app.
    pub fn tell(self, say: impl FnOnce(&mut Said)) {
        let mut said = Said::new();
        said.formatted(say);
        let context = crate::context::current_or_process();
        let record = ring::Log {
            trace: context.trace,
            span: context.span,
            flags: context.flags & flag::W3C,
            time: self.time,
            severity: self.severity as u8,
            left_out: said.left_out,
            said: said.bytes.get(..said.len).unwrap_or(&[]),
            count: said.count,
        };
        ring::write_log(self.scope, &record);
    }
}

/// Tells a log record of this moment.
pub fn log(scope: &'static Scope, severity: Severity, say: impl FnOnce(&mut Said)) {
    if let Some(log) = Log::now(scope, severity) {
        log.tell(say);
    }
}

/// What a record says: attributes as in the wire format. Text that does not fit is cut and shows it; what finds no room
/// at all is counted.
pub struct Said {
    bytes: [u8; ROOM],
    len: usize,
    count: u16,
    left_out: u8,
}

impl Said {
    fn new() -> Said {
        Said { bytes: [0; ROOM], len: 0, count: 0, left_out: 0 }
    }

    /// Runs `say` as a repetition: see the module.
    fn formatted(&mut self, say: impl FnOnce(&mut Said)) {
        struct Over;
        impl Drop for Over {
            fn drop(&mut self) {
                let _ = FORMATTING.try_with(|formatting| formatting.set(false));
            }
        }
        let _ = FORMATTING.try_with(|formatting| formatting.set(true));
        let _over = Over;
        // The app must not die of being observed. What `say` reaches is ours and thrown away in pieces if need be, so it
        // does not matter in what state a panic leaves it.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| say(self))) {
            self.left_out = self.left_out.saturating_add(1);
            // Its destructor is the app's code as well.
            std::mem::forget(panic);
        }
    }

    /// Says something that need not be formatted.
    pub fn set(&mut self, key: Key<'_>, value: Value<'_>) {
        let (kind, number);
        let bytes: &[u8] = match value {
            Value::None => return,
            Value::Bytes(bytes) => return self.text(key, &Lossy(bytes)),
            Value::Int(int) => {
                (kind, number) = (wire::value::INT, int.to_le_bytes());
                &number
            }
            Value::Float(float) => {
                (kind, number) = (wire::value::FLOAT, float.to_le_bytes());
                &number
            }
            Value::Bool(truth) => {
                (kind, number) = (wire::value::BOOL, u64::from(truth).to_le_bytes());
                number.get(..1).unwrap_or(&[])
            }
        };
        let start = self.len;
        let mut to = Piece { room: &mut self.bytes, len: start, full: false };
        if to.header(key, kind, bytes.len()) && to.bytes(bytes) {
            self.len = to.len;
            self.count += 1;
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Says text that has to be formatted.
    pub fn text(&mut self, key: Key<'_>, value: &dyn fmt::Display) {
        let start = self.len;
        let limit = ROOM - CUT.len();
        let mut to = Piece { room: self.bytes.get_mut(..limit).unwrap_or(&mut []), len: start, full: false };
        if !to.header(key, wire::value::STR, 0) || limit.saturating_sub(to.len) < LEAST {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let text_at = to.len;
        // An error says that the text was cut, or that the value does not want to be shown further.
        let _ = fmt::write(&mut to, format_args!("{value}"));
        let (len, full) = (to.len, to.full);
        let mut to = Piece { room: &mut self.bytes, len, full: false };
        if full {
            to.bytes(CUT.as_bytes());
        }
        let len = to.len;
        // The header again, now that the length is known.
        to.len = start;
        to.header(key, wire::value::STR, len - text_at);
        self.len = len;
        self.count += 1;
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Bytes that should be UTF-8.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return f.write_str(text),
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    f.write_str(std::str::from_utf8(good).unwrap_or(""))?;
                    f.write_str("\u{fffd}")?;
                    rest = bad.get(error.error_len().unwrap_or(bad.len())..).unwrap_or(&[]);
                }
            }
        }
    }
}

/// An attribute that is being written.
struct Piece<'a> {
    room: &'a mut [u8],
    len: usize,
    full: bool,
}

impl Piece<'_> {
    fn header(&mut self, key: Key<'_>, kind: u8, length: usize) -> bool {
        self.bytes(&attribute::header(&key, kind, length)) && self.bytes(key.name())
    }

    fn bytes(&mut self, bytes: &[u8]) -> bool {
        let end = self.len + bytes.len();
        match self.room.get_mut(self.len..end) {
            Some(to) => to.copy_from_slice(bytes),
            None => return false,
        }
        self.len = end;
        true
    }
}

impl fmt::Write for Piece<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something did not fit nothing else follows, however short it is.
        if self.full {
            return Err(fmt::Error);
        }
        let mut fits = text.len().min(self.room.len().saturating_sub(self.len));
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes(text.as_bytes().get(..fits).unwrap_or(&[]));
        self.full = fits < text.len();
        if self.full {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::key;

    /// The attributes as (key, name, value).
    fn read(said: &Said) -> Vec<(u16, String, Vec<u8>)> {
        let mut rest = &said.bytes[..said.len];
        let mut all = Vec::new();
        while !rest.is_empty() {
            let key = u16::from_le_bytes([rest[0], rest[1]]);
            let name = rest[3] as usize;
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            let (head, tail) = rest.split_at(wire::ATTRIBUTE_HEADER + name + length);
            let name = String::from_utf8(head[8..8 + name].to_vec()).unwrap();
            let value = head[head.len() - length..].to_vec();
            all.push((key, name, value));
            rest = tail;
        }
        assert_eq!(all.len(), usize::from(said.count));
        all
    }

    #[test]
    fn attributes_are_written_as_the_wire_wants_them() {
        let mut said = Said::new();
        said.formatted(|said| {
            said.text(key::LOG_BODY, &format_args!("{} and {}", 1, "two"));
            said.set(Key::Named("n"), (-1_i64).into());
            said.set(Key::Named("nothing"), Value::None);
            said.set(Key::Named("yes"), true.into());
            said.set(Key::Named("bytes"), b"a\xffb".as_slice().into());
        });
        let expected = [
            (wire::key::LOG_BODY, String::new(), b"1 and two".to_vec()),
            (0, "n".into(), (-1_i64).to_le_bytes().to_vec()),
            (0, "yes".into(), vec![1]),
            (0, "bytes".into(), "a\u{fffd}b".as_bytes().to_vec()),
        ];
        assert_eq!(read(&said), expected);
        assert_eq!(said.left_out, 0);
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters_or_counted() {
        // Each shift makes another byte of a character the first that does not fit.
        for shift in 0..9 {
            let mut said = Said::new();
            let long = format!("{}{}", "x".repeat(shift), "ä€🦀".repeat(2000));
            said.text(key::LOG_BODY, &long);
            said.text(Key::Named("late"), &1);
            said.set(Key::Named("later"), 2.into());
            let all = read(&said);
            let text = std::str::from_utf8(&all[0].2).unwrap();
            assert!(text.ends_with('…') && long.starts_with(text.trim_end_matches('…')), "{text}");
            assert!(said.len > ROOM - 8 && said.len <= ROOM);
            assert_eq!((all.len(), said.left_out), (1, 2));
        }
    }

    #[test]
    fn a_text_of_every_length_stays_within_its_room() {
        for length in ROOM - 40..ROOM + 10 {
            let mut said = Said::new();
            said.text(key::LOG_BODY, &format_args!("{}{}", "x".repeat(length), "é"));
            said.set(Key::Named("n"), 1.into());
            let all = read(&said);
            assert!(std::str::from_utf8(&all[0].2).is_ok());
            assert_eq!(all.len() + usize::from(said.left_out), 2);
        }
    }

    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("in a test")
        }
    }

    #[test]
    fn a_panic_while_formatting_ends_here() {
        let mut said = Said::new();
        said.formatted(|said| {
            assert!(formatting());
            said.set(Key::Named("before"), 1.into());
            said.text(key::LOG_BODY, &Panics);
        });
        assert!(!formatting());
        let all = read(&said);
        assert_eq!((all.len(), all[0].1.as_str(), said.left_out), (1, "before", 1));
    }
}

//! What the instrumentations of HTTP clients tell each other.
//!
//! A client library (reqwest) sits on a connection pool (hyper-util). The pool makes a span for each attempt, since only
//! there the attempt's URL and headers are known; the library knows which attempts belong to one call, and why one was
//! given up. They meet in a thread-local slot that holds the [`Call`] which is being polled.

use std::cell::Cell;
use std::fmt;

use crate::Value;

/// What is known of one logical client call while its attempts come and go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    attempts: u32,
    timed_out: bool,
}

thread_local! {
    static CALL: Cell<Option<Call>> = const { Cell::new(None) };
}

impl Call {
    /// A call that has made no attempt yet.
    pub const fn new() -> Call {
        Call { attempts: 0, timed_out: false }
    }

    /// Runs `work`, in which attempts count as this call's. Inside of a call whose time is up, this one's is too.
    #[inline]
    pub fn during<R>(&mut self, work: impl FnOnce() -> R) -> R {
        if !crate::active() {
            return work();
        }
        self.swapped_in(work)
    }

    fn swapped_in<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let outer = CALL.try_with(Cell::get).ok().flatten();
        let timed_out = self.timed_out || outer.map_or(false, |outer| outer.timed_out);
        let _ = CALL.try_with(|slot| slot.set(Some(Call { timed_out, ..*self })));
        let _restore = Restore { call: self, outer };
        work()
    }

    /// Says that the call's time is up: an attempt that is dropped from now on timed out.
    pub fn timed_out(&mut self) {
        self.timed_out = true;
    }
}

/// Puts the outer call back, after a panic too.
struct Restore<'a> {
    call: &'a mut Call,
    outer: Option<Call>,
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Ok(Some(call)) = CALL.try_with(|slot| slot.replace(self.outer)) {
            self.call.attempts = call.attempts;
        }
    }
}

/// Counts an attempt of the call that is being polled; says how many there were before it. `None` outside of a call.
pub fn attempt() -> Option<u32> {
    let count = |slot: &Cell<Option<Call>>| {
        let mut call = slot.get()?;
        let before = call.attempts;
        call.attempts = before.saturating_add(1);
        slot.set(Some(call));
        Some(before)
    };
    CALL.try_with(count).ok().flatten()
}

/// Why an attempt that is dropped before its end was given up: a value of `error.type`.
pub fn given_up() -> &'static str {
    match CALL.try_with(Cell::get) {
        Ok(Some(Call { timed_out: true, .. })) => "timeout",
        _ => "cancelled",
    }
}

/// Text that was formatted on the stack, so that an attribute can borrow it. What does not fit is cut.
#[derive(Clone, Copy)]
pub struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    /// Formats `value`.
    pub fn of(value: &dyn fmt::Display) -> Text<ROOM> {
        let mut text = Text { bytes: [0; ROOM], len: 0 };
        // An error means that the text was cut.
        let _ = fmt::write(&mut text, format_args!("{value}"));
        text
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl<const ROOM: usize> fmt::Write for Text<ROOM> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or(&mut []);
        let fits = piece.len().min(room.len());
        for (to, from) in room.iter_mut().zip(piece.as_bytes()) {
            *to = *from;
        }
        self.len += fits;
        if fits == piece.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl<const ROOM: usize> fmt::Debug for Text<ROOM> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

impl<'a, const ROOM: usize> From<&'a Text<ROOM>> for Value<'a> {
    fn from(text: &'a Text<ROOM>) -> Self {
        Value::Bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_per_call() {
        assert_eq!(attempt(), None);
        let (mut first, mut nested) = (Call::new(), Call::new());
        first.swapped_in(|| {
            assert_eq!(attempt(), Some(0));
            assert_eq!(nested.swapped_in(attempt), Some(0));
        });
        assert_eq!(first.swapped_in(attempt), Some(1));
        assert_eq!(attempt(), None);
    }

    #[test]
    fn an_attempt_given_up_after_a_timeout_says_so() {
        let mut call = Call::new();
        assert_eq!(call.swapped_in(given_up), "cancelled");
        call.timed_out();
        assert_eq!(call.swapped_in(given_up), "timeout");
        assert_eq!(call.swapped_in(|| Call::new().swapped_in(given_up)), "timeout");
        assert_eq!(given_up(), "cancelled");
    }

    #[test]
    fn text_that_does_not_fit_is_cut() {
        assert_eq!(Text::<8>::of(&"http://a/b").as_bytes(), b"http://a");
        assert_eq!(Text::<8>::of(&80).as_bytes(), b"80");
    }
}

//! Text that is taken while the program formats it, so that nothing is formatted for us.
//!
//! The program's logger gets the values it would have got, wrapped: what they write passes through to the logger's own
//! formatter, and a copy is kept. So the program's code runs when, where and as often as it would without us. Errors and
//! panics pass through as well. Only a value that was not formatted at all is formatted for us, once.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::{self, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use super::attributes::LogAttributes;
use super::{run_formatting, Log};
use crate::attribute::{key, Key, Value};
use crate::places::Written;

/// Most slots for text in one record.
const SLOTS: usize = u64::BITS as usize;
/// How deep records lie in each other, on one thread, that can be found.
const DEPTH: usize = 8;

/// A log record whose text is taken while the program's own logger formats it.
///
/// Each value that is code of the program's has a slot below 64, by which it is known when it is formatted. When the record
/// is dropped while a panic unwinds, it is written with what was taken.
pub struct PendingLog {
    /// `None` for values of a span, which are written elsewhere.
    log: Option<Log>,
    /// The address of what the program made: it differs from others that are being logged at the same time.
    subject: usize,
    may_format: Cell<bool>,
    attributes: RefCell<LogAttributes>,
    /// The slots whose values were given to code that may have formatted them.
    begun: Cell<u64>,
    /// The slots whose text is there.
    kept: Cell<u64>,
    /// The slots whose text is there to its end.
    whole: Cell<u64>,
    open: Cell<bool>,
    last: Cell<u64>,
    /// The slot and key of the error that a visitor has now.
    handed: Cell<Option<(usize, Key<'static>)>>,
    is_read: Cell<bool>,
    is_written: Cell<bool>,
}

struct Stack {
    depth: Cell<usize>,
    entries: [Cell<StackEntry>; DEPTH],
}

type StackEntry = (usize, *const PendingLog);

const NONE: StackEntry = (0, ptr::null());

// Used only to fill what each thread has of its own.
#[allow(clippy::declare_interior_mutable_const)]
const EMPTY: Stack = {
    const ENTRY: Cell<StackEntry> = Cell::new(NONE);
    Stack { depth: Cell::new(0), entries: [ENTRY; DEPTH] }
};

thread_local! {
    /// The records that are being logged on this thread, and what they are found by.
    static STACK: Stack = const { EMPTY };
}

fn bit(slot: usize) -> u64 {
    if slot < SLOTS {
        1 << slot
    } else {
        0
    }
}

impl PendingLog {
    pub(super) fn new(log: Log, subject: usize, aborts: bool) -> PendingLog {
        PendingLog::with(Some(log), subject, aborts)
    }

    /// The values of a span, which are taken like those of a record.
    pub(crate) fn of_span(subject: usize, aborts: bool) -> PendingLog {
        let pending = PendingLog::with(None, subject, aborts);
        pending.is_written.set(true);
        pending.attributes.borrow_mut().use_all();
        pending
    }

    fn with(log: Option<Log>, subject: usize, aborts: bool) -> PendingLog {
        PendingLog {
            log,
            subject,
            may_format: Cell::new(!aborts),
            attributes: RefCell::new(LogAttributes::new()),
            begun: Cell::new(0),
            kept: Cell::new(0),
            whole: Cell::new(0),
            open: Cell::new(false),
            last: Cell::new(0),
            handed: Cell::new(None),
            is_read: Cell::new(false),
            is_written: Cell::new(false),
        }
    }

    /// Whether it is the record of what lies at that address.
    pub fn is_of(&self, subject: usize) -> bool {
        self.subject == subject
    }

    /// Takes something that need not be formatted.
    pub fn set(&self, key: Key<'_>, value: Value<'_>) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.set(key, value);
        }
    }

    /// Takes text that is there as it is.
    pub fn set_text(&self, key: Key<'_>, text: &str) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.set_text(key, text);
        }
    }

    /// Takes what is the same each time the program passes a place of its own: before anything else.
    pub fn set_place(&self, place: &Written) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            place.with(|written| attributes.set_written(written));
        }
    }

    /// Takes text that is formatted without any code of the program's.
    pub fn set_display(&self, key: Key<'_>, value: &dyn fmt::Display) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.set_display(key, value);
        }
    }

    /// The value for the program's logger: it shows what `value` shows, and a copy of that becomes the slot's text.
    pub fn copied<'a, T: ?Sized>(&'a self, slot: usize, key: Key<'a>, value: &'a T) -> Copied<'a, T> {
        Copied { log: self, slot, key, value }
    }

    /// Formats a value for us, unless the program has begun to format it.
    pub fn format_missing(&self, slot: usize, key: Key<'_>, value: &dyn fmt::Display) {
        if slot >= SLOTS {
            return self.count_dropped();
        }
        if self.has_begun(slot) {
            return;
        }
        self.begun.set(self.begun.get() | bit(slot));
        // A panic while another one is handled ends the program.
        if !self.may_format.get() || std::thread::panicking() {
            return;
        }
        let Some(mut open) = self.open(slot, key) else { return };
        // The app must not die of being observed. What a panic leaves half done is only a copy of ours.
        match catch_unwind(AssertUnwindSafe(|| write!(Ours(self), "{value}"))) {
            Ok(result) => open.is_whole = result.is_ok(),
            Err(panic) => {
                self.may_format.set(false);
                // Its destructor is the app's code as well.
                std::mem::forget(panic);
            }
        }
    }

    /// Notes that a slot's value was given to code that formats it where no copy can be taken.
    pub fn mark_begun(&self, slot: usize) {
        self.begun.set(self.begun.get() | bit(slot));
    }

    /// Runs `run`, which gives a slot's error to a visitor that formats it by itself. Only what [`format_error`] shows of it
    /// can be taken: a wrapped one would not be the error that it is.
    pub fn with_error(&self, slot: usize, key: Key<'static>, error: &(dyn Error + 'static), run: impl FnOnce()) {
        self.handed.set(Some((slot, key)));
        self.while_registered(address(error), run);
        self.handed.set(None);
        self.mark_begun(slot);
    }

    /// Keeps anything else from being formatted for us.
    pub fn stop_formatting(&self) {
        self.may_format.set(false);
    }

    /// Counts something that is known not to be in the record.
    pub fn count_dropped(&self) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.count_dropped();
        }
    }

    /// Whether the program may have formatted that slot's value.
    pub fn has_begun(&self, slot: usize) -> bool {
        slot >= SLOTS || self.begun.get() & bit(slot) != 0
    }

    /// Whether there is an attribute of that name.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.try_borrow().map_or(true, |attributes| attributes.has(name))
    }

    /// Notes that the program's logger looked at the record's message.
    pub fn mark_read(&self) {
        self.is_read.set(true);
    }

    /// Whether the program's logger looked at anything that the record holds.
    pub fn is_read(&self) -> bool {
        self.is_read.get() || self.begun.get() != 0
    }

    /// Runs `run`, during which [`find`](Self::find) finds the record on this thread by `of`.
    pub fn while_registered<R>(&self, of: usize, run: impl FnOnce() -> R) -> R {
        struct Left(usize);
        impl Drop for Left {
            fn drop(&mut self) {
                let _ = STACK.try_with(|stack| {
                    stack.entries.get(self.0).into_iter().for_each(|entry| entry.set(NONE));
                    stack.depth.set(self.0);
                });
            }
        }
        // A signal's handler may log at any point: what it finds is a record or nothing.
        let entered = STACK.try_with(|stack| {
            let depth = stack.depth.get();
            let entry = stack.entries.get(depth)?;
            stack.depth.set(depth + 1);
            entry.set((of, self));
            Some(Left(depth))
        });
        let left = entered.ok().flatten();
        if left.is_none() {
            // What is formatted meanwhile is unknown.
            self.may_format.set(false);
        }
        run()
    }

    /// Gives `then` the innermost record that is being logged on this thread, of those with that `of`.
    #[inline]
    pub fn find<R>(of: usize, then: impl FnOnce(Option<&PendingLog>) -> R) -> R {
        let found = STACK.try_with(|stack| {
            let depth = stack.depth.get();
            let mut entries = stack.entries.get(..depth)?.iter().rev().map(Cell::get);
            entries.find(|(known, _)| *known == of).map(|(_, log)| log)
        });
        // SAFETY: put there by `while_registered`, which is running below on this thread, and has borrowed it.
        then(found.ok().flatten().and_then(|log| unsafe { log.as_ref() }))
    }

    /// Writes the record. `complete` adds what is not there yet, and may run code of the app.
    pub fn write(&self, complete: impl FnOnce(&PendingLog)) {
        self.complete(complete);
        self.write_once();
    }

    pub(crate) fn complete(&self, complete: impl FnOnce(&PendingLog)) {
        if !run_formatting(|| complete(self)) {
            self.count_dropped();
        }
    }

    /// Gives `then` the attributes, and how many they are.
    pub(crate) fn read(&self, then: impl FnOnce(&[u8], u16)) {
        if let Ok(attributes) = self.attributes.try_borrow() {
            then(attributes.bytes(), attributes.count());
        }
    }

    /// Gives an attribute another key, by its name.
    pub fn rename(&self, name: &str, key: Key<'static>) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.rename(name, key);
        }
    }

    /// Takes text out that is there under that name, and gives it to `then`.
    pub fn take_text<R>(&self, name: &str, then: impl FnOnce(&str) -> R) -> Option<R> {
        self.attributes.try_borrow_mut().ok()?.take_text(name, then)
    }

    /// Drops the record.
    pub fn discard(&self) {
        self.is_written.set(true);
    }

    fn write_once(&self) {
        if self.is_written.replace(true) {
            return;
        }
        if let Ok(attributes) = self.attributes.try_borrow() {
            let missing = (self.begun.get() & !self.kept.get()).count_ones() as u8;
            if let Some(log) = &self.log {
                log.write(&attributes, missing);
            }
        }
    }

    /// Begins a slot's text, unless it is there already. What broke off is begun anew, if nothing came after it.
    fn open(&self, slot: usize, key: Key<'_>) -> Option<OpenText<'_>> {
        // Of a span, it is a field like others.
        let key = if self.log.is_none() && key == key::LOG_BODY { Key::Named("message") } else { key };
        let bit = bit(slot);
        let is_first = self.begun.get() & bit == 0;
        self.begun.set(self.begun.get() | bit);
        if bit == 0 || self.open.get() || self.whole.get() & bit != 0 {
            return None;
        }
        let mut attributes = self.attributes.try_borrow_mut().ok()?;
        let is_kept = !is_first && self.kept.get() & bit != 0;
        if is_kept && !(self.last.get() == bit && attributes.take_back()) {
            return None;
        }
        self.kept.set(self.kept.get() & !bit);
        if !attributes.begin(key) {
            return None;
        }
        self.open.set(true);
        Some(OpenText { log: self, bit, is_whole: false })
    }

    fn push(&self, text: &str) {
        if let Ok(mut attributes) = self.attributes.try_borrow_mut() {
            attributes.push(text);
        }
    }
}

fn address(error: &(dyn Error + 'static)) -> usize {
    error as *const dyn Error as *const () as usize
}

/// Shows an error, and takes what it shows if it is that of a record: see [`PendingLog::with_error`].
pub fn format_error(error: &(dyn Error + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    PendingLog::find(address(error), |log| match log.and_then(|log| Some((log, log.handed.get()?))) {
        Some((log, (slot, key))) => fmt::Display::fmt(&log.copied(slot, key, error), f),
        None => fmt::Display::fmt(error, f),
    })
}

impl Drop for PendingLog {
    fn drop(&mut self) {
        if self.is_read() {
            self.write_once();
        }
    }
}

impl fmt::Debug for PendingLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLog").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Text that was begun. It ends where this is dropped, be it by a panic.
struct OpenText<'a> {
    log: &'a PendingLog,
    bit: u64,
    is_whole: bool,
}

impl Drop for OpenText<'_> {
    fn drop(&mut self) {
        let PendingLog { attributes, kept, whole, open, last, .. } = self.log;
        open.set(false);
        let is_kept = attributes.try_borrow_mut().map_or(false, |mut attributes| attributes.end(self.is_whole));
        if is_kept {
            kept.set(kept.get() | self.bit);
            last.set(self.bit);
        }
        if self.is_whole {
            whole.set(whole.get() | self.bit);
        }
    }
}

/// The record alone. It never fails: text that does not fit is no error of the code that formats.
struct Ours<'a>(&'a PendingLog);

impl Write for Ours<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text);
        Ok(())
    }
}

/// The program's formatter and the record. Fails as the program's formatter does.
struct Both<'a, 'f> {
    theirs: &'a mut fmt::Formatter<'f>,
    ours: &'a PendingLog,
}

impl Write for Both<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.ours.push(text);
        self.theirs.write_str(text)
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.ours.push(character.encode_utf8(&mut [0; 4]));
        self.theirs.write_char(character)
    }
}

/// A value that shows what another one shows, and keeps a copy of it: see [`PendingLog::copied`].
pub struct Copied<'a, T: ?Sized> {
    log: &'a PendingLog,
    slot: usize,
    key: Key<'a>,
    value: &'a T,
}

/// How a value is to be shown, of the ways that can be requested again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Pretty,
    LowerHex,
    UpperHex,
    PrettyLowerHex,
    PrettyUpperHex,
}

impl Form {
    /// `None` where the formatter has other options, such as a width: a formatter like that cannot be made.
    fn of(f: &fmt::Formatter<'_>) -> Option<Form> {
        if f.width().is_some() || f.precision().is_some() || f.align().is_some() || f.fill() != ' ' {
            return None;
        }
        // Nothing else shows the flags for hexadecimal numbers.
        #[allow(deprecated)]
        let flags = f.flags();
        match flags {
            0 => Some(Form::Plain),
            0b00_0100 => Some(Form::Pretty),
            0b01_0000 => Some(Form::LowerHex),
            0b10_0000 => Some(Form::UpperHex),
            0b01_0100 => Some(Form::PrettyLowerHex),
            0b10_0100 => Some(Form::PrettyUpperHex),
            _ => None,
        }
    }
}

impl<T: ?Sized> Copied<'_, T> {
    /// Begins to copy. `None` where the value has to be shown without a copy.
    fn open(&self, form: Option<Form>) -> Option<(Form, OpenText<'_>)> {
        match form {
            Some(form) => Some((form, self.log.open(self.slot, self.key)?)),
            None => {
                self.log.mark_begun(self.slot);
                None
            }
        }
    }
}

impl<T: fmt::Display + ?Sized> fmt::Display for Copied<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Copied { log: ours, value, .. } = *self;
        let form = Form::of(f).filter(|form| matches!(form, Form::Plain | Form::Pretty));
        let Some((form, mut open)) = self.open(form) else { return value.fmt(f) };
        let mut both = Both { theirs: f, ours };
        let result = if form == Form::Plain { write!(both, "{value}") } else { write!(both, "{value:#}") };
        open.is_whole = result.is_ok();
        result
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Copied<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Copied { log: ours, value, .. } = *self;
        let Some((form, mut open)) = self.open(Form::of(f)) else { return value.fmt(f) };
        let mut both = Both { theirs: f, ours };
        let result = match form {
            Form::Plain => write!(both, "{value:?}"),
            Form::Pretty => write!(both, "{value:#?}"),
            Form::LowerHex => write!(both, "{value:x?}"),
            Form::UpperHex => write!(both, "{value:X?}"),
            Form::PrettyLowerHex => write!(both, "{value:#x?}"),
            Form::PrettyUpperHex => write!(both, "{value:#X?}"),
        };
        open.is_whole = result.is_ok();
        result
    }
}

#[cfg(test)]
mod tests;

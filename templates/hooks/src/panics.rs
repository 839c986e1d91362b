//! Panics of the program: each becomes a log record with the attributes of an exception.
//!
//! The standard library has one hook for all panics. Ours is installed when the process attaches, and calls the one that
//! was there first: what the program prints stays as it is. One that the program sets later without calling ours replaces
//! it; what a runtime catches is then recorded by [`caught`].

use std::any::Any;
use std::backtrace::Backtrace;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::attribute::{key, Key, Value};
use crate::context::{self, flag};
use crate::logs::Severity;
use crate::scope::Scope;
use crate::span::PANIC;
use crate::{attribute, clock, logs, ring, settings, wire};

/// No marker of a layer: these records are otel-rs's own. Its second field is the name by which it is disabled.
static SCOPE: Scope = Scope::new("otel-rs|panic");
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Addresses of the last messages that the hook has recorded. A payload that is caught keeps its message where it is.
static RECORDED: [AtomicUsize; 16] = {
    // Used only to fill the table.
    #[allow(clippy::declare_interior_mutable_const)]
    const EMPTY: AtomicUsize = AtomicUsize::new(0);
    [EMPTY; 16]
};
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Installs the hook, once in a process and its forked children, if panics are to be recorded.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn install() {
    // A thread that panics may not set a hook.
    if !is_wanted() || std::thread::panicking() || IS_INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        previous(info);
        // Code that runs for us alone: without us it would not have panicked.
        if !logs::formatting() && is_wanted() {
            let message = message(info.payload());
            remember(message);
            record(clock::now(), message, info.location(), stack_trace());
        }
    }));
}

/// Records a panic that was caught, unless the hook has recorded it: the program has replaced the hook.
pub fn caught(payload: &(dyn Any + Send)) {
    // What is no text cannot be told from one that was recorded.
    if let Some(message) = message(payload).filter(|message| is_wanted() && !is_recorded(message)) {
        // The calls that led to it are gone.
        record(clock::now(), Some(message), None, None);
    }
}

fn is_wanted() -> bool {
    SCOPE.enabled() && settings::logs()
}

fn message(payload: &dyn Any) -> Option<&str> {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => Some(text),
        None => payload.downcast_ref::<String>().map(String::as_str),
    }
}

fn remember(message: Option<&str>) {
    if let Some(message) = message {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % RECORDED.len();
        RECORDED.get(next).into_iter().for_each(|slot| slot.store(message.as_ptr() as usize, Ordering::Relaxed));
    }
}

fn is_recorded(message: &str) -> bool {
    RECORDED.iter().any(|slot| slot.load(Ordering::Relaxed) == message.as_ptr() as usize)
}

#[cold]
fn record(time: u64, message: Option<&str>, location: Option<&Location<'_>>, trace: Option<String>) {
    let (thread, number) = this_thread();
    let (attributes, count) = attribute::encoded(&[
        (Key::Named("exception.type"), PANIC.into()),
        (Key::Named("exception.message"), message.into()),
        (key::CODE_FILE, location.map(Location::file).into()),
        (key::CODE_LINE, location.map(Location::line).into()),
        (Key::Named("thread.name"), thread.as_deref().into()),
        (Key::Named("thread.id"), number),
        (Key::Named("exception.stacktrace"), trace.as_deref().map(whole_lines).into()),
    ]);
    let context = context::current_or_process();
    let record = ring::LogRecord {
        trace: context.trace,
        span: context.span,
        flags: context.flags & flag::W3C,
        time,
        severity: Severity::Error as u8,
        dropped: 0,
        attributes: &attributes,
        count,
        baggage: context.baggage_to_record(),
    };
    ring::write_log(&SCOPE, &record);
}

/// The name and number of this thread.
fn this_thread() -> (Option<String>, Value<'static>) {
    let thread = std::thread::current();
    let id = format!("{:?}", thread.id());
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    (thread.name().map(str::to_owned), digits.parse::<i64>().ok().into())
}

/// The calls that led to the panic, if the program's user wants to see them. Finding their names takes milliseconds.
fn stack_trace() -> Option<String> {
    let variable = std::env::var_os("RUST_BACKTRACE")?;
    if variable == "0" {
        return None;
    }
    Some(of_program(&Backtrace::force_capture().to_string()))
}

/// Without the calls of the panic itself and those that start a thread, as the standard library shows it.
fn of_program(trace: &str) -> String {
    let mut lines: Vec<&str> = trace.lines().collect();
    let frame = |name: &str| lines.iter().position(|line| line.contains(name));
    let end = frame("__rust_begin_short_backtrace").unwrap_or(lines.len());
    let start = frame("__rust_end_short_backtrace").map_or(0, |line| next_frame(&lines, line));
    lines.truncate(end);
    lines.drain(..start.min(lines.len()));
    lines.join("\n")
}

/// The line of the frame after the one at `line`, whose place in the source may be in a line of its own.
fn next_frame(lines: &[&str], line: usize) -> usize {
    let is_place = lines.get(line + 1).map_or(false, |next| next.trim_start().starts_with("at "));
    line + 1 + usize::from(is_place)
}

/// As many lines as one value may hold.
fn whole_lines(text: &str) -> &str {
    let Some(fits) = text.as_bytes().get(..wire::MAX_VALUE).filter(|fits| fits.len() < text.len()) else { return text };
    let end = fits.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_begins_with_the_program_s_calls() {
        let trace =
            "   0: otel_rs_hooks::panics::record\n   1: std::sys::backtrace::__rust_end_short_backtrace\n             \
                     at /rustc/a/backtrace.rs:168:18\n   2: shop::pay\n             at ./src/main.rs:3:5\n   \
                     3: std::sys::backtrace::__rust_begin_short_backtrace\n   4: main";
        assert_eq!(of_program(trace), "   2: shop::pay\n             at ./src/main.rs:3:5");
        // A program without symbols shows no names.
        assert_eq!(of_program("   0: <unknown>\n   1: <unknown>"), "   0: <unknown>\n   1: <unknown>");
    }

    #[test]
    fn a_long_trace_ends_with_a_whole_line() {
        let long = "0123456789abcde\n".repeat(1000);
        let cut = whole_lines(&long);
        assert!(cut.len() <= wire::MAX_VALUE && cut.len() > wire::MAX_VALUE - 32 && cut.ends_with("cde"));
        assert_eq!(whole_lines("short"), "short");
        assert_eq!(whole_lines(&"x".repeat(10_000)), "");
    }

    #[test]
    fn a_message_is_known_by_its_place() {
        let caught = |run: fn()| std::panic::catch_unwind(run).unwrap_err();
        let text = String::from("of the heap");
        remember(Some(&text));
        let moved: Box<dyn Any + Send> = Box::new(text);
        assert!(message(&*moved).map_or(false, is_recorded));
        let literal = caught(|| std::panic::resume_unwind(Box::new("a literal")));
        assert_eq!(message(&*literal), Some("a literal"));
        assert!(!is_recorded("a literal"));
        assert_eq!(message(&*caught(|| std::panic::resume_unwind(Box::new(7)))), None);
    }
}

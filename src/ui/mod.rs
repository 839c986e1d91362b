//! The only way out: every message and all data of otel-rs pass through here.
//!
//! Data goes to stdout, everything else to stderr. A message is a lowercase phrase without a final stop; its causes
//! and one imperative hint follow on lines of their own.

mod nearest;
pub(crate) mod plural;
mod stream;
mod table;

pub(crate) use nearest::{nearest, nearest_variable};
pub(crate) use table::table;

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anstream::AutoStream;
use stream::Stream;

/// How long a message waits for a reader who does not read.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long data for a log collector waits.
const PATIENCE_WITH_DATA: Duration = Duration::from_secs(1);

static STDERR: Mutex<Stream> = Mutex::new(Stream::new(2, PATIENCE));
static STDOUT: Mutex<Stream> = Mutex::new(Stream::new(1, PATIENCE_WITH_DATA));
/// Whether messages wait to be written.
static HOLDING: AtomicBool = AtomicBool::new(false);

static PREFIX: OnceLock<&'static str> = OnceLock::new();
static LEVEL: OnceLock<Level> = OnceLock::new();

/// The lowest level of messages that are shown. Data and the error that ends a command are always shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Nothing.
    None,
    /// Errors.
    Error,
    /// Warnings too.
    Warn,
    /// Notes too.
    Info,
    /// Everything.
    Debug,
}

/// Puts `prefix` before every line of a message from now on. The launcher and the compiler wrapper share stderr with
/// the user's own programs, so their lines must name their origin. Only the first call counts.
pub(crate) fn set_prefix(prefix: &'static str) {
    let _ = PREFIX.set(prefix);
}

/// Shows less, or more, from now on. Only the first call counts.
pub(crate) fn set_level(level: Level) {
    let _ = LEVEL.set(level);
}

fn is_enabled(level: Level) -> bool {
    LEVEL.get().is_none_or(|most| level <= *most)
}

/// An error with a hint for the user at what to do next.
pub(crate) trait Explain: std::error::Error {
    /// One imperative sentence, or nothing when there is no honest advice.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Writes one line of data to stdout. A closed pipe is the reader's choice and not an error.
pub(crate) fn out(text: impl Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Writes data to stdout as it is, without a line end.
pub(crate) fn out_raw(text: impl Display) {
    let _ = write!(anstream::stdout(), "{text}");
}

/// Writes a line of data for a log collector to stdout, unchanged, and returns its error. A line that has been begun is
/// finished before the next.
pub(crate) fn out_line(line: &[u8]) -> std::io::Result<()> {
    let mut stdout = lock(&STDOUT);
    if !stdout.flush() {
        return Err(std::io::Error::new(std::io::ErrorKind::WouldBlock, "stdout is full and nobody reads it"));
    }
    stdout.write(line);
    Ok(())
}

/// Buffers messages from now on, until they are flushed.
pub(crate) fn hold() {
    HOLDING.store(true, Ordering::Relaxed);
}

/// Writes what has been kept as far as there is room, and no longer keeps it: what did not fit follows when there is
/// room, but nothing is waited for.
pub(crate) fn release() {
    HOLDING.store(false, Ordering::Relaxed);
    retry();
}

/// Writes what has not found room so far, without waiting.
pub(crate) fn retry() {
    let mut stderr = lock(&STDERR);
    stderr.try_flush();
    report_dropped(&mut stderr);
}

/// Drops what is kept: it is of no use any more.
pub(crate) fn forget() {
    lock(&STDERR).forget();
}

/// Leaves the messages that are kept to another process, which has them too.
pub(crate) fn leave() {
    forget();
    HOLDING.store(false, Ordering::Relaxed);
}

/// Writes all buffered messages before the process ends: within a short time limit, or not at all.
pub(crate) fn finish() {
    HOLDING.store(false, Ordering::Relaxed);
    let mut stderr = lock(&STDERR);
    stderr.flush();
    report_dropped(&mut stderr);
    lock(&STDOUT).flush();
}

fn report_dropped(stderr: &mut Stream) {
    let dropped = stderr.take_dropped();
    if dropped > 0 && is_enabled(Level::Warn) {
        stderr.write(with_prefix(&format!("warning: {dropped} messages were dropped: stderr was full")).as_bytes());
    }
}

fn lock(stream: &'static Mutex<Stream>) -> MutexGuard<'static, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows progress, or a fact that the user needs, on stderr.
pub(crate) fn note(text: impl Display) {
    if is_enabled(Level::Info) {
        stderr_lines(&text.to_string());
    }
}

/// Reports what was lost in an outage that a warning has announced.
pub(crate) fn loss(text: impl Display) {
    if is_enabled(Level::Warn) {
        stderr_lines(&text.to_string());
    }
}

/// Shows a detail for debugging, on stderr.
pub(crate) fn detail(text: impl Display) {
    if is_enabled(Level::Debug) {
        stderr_lines(&text.to_string());
    }
}

/// Writes prepared text (a trace tree, a metric table) to stderr without a prefix.
pub(crate) fn err_raw(text: impl Display) {
    to_stderr(&text.to_string());
}

/// Warns: otel-rs goes on, with less.
pub(crate) fn warning(message: impl Display, causes: &[String], hint: Option<&str>) {
    if is_enabled(Level::Warn) {
        message_block("warning", anstyle::AnsiColor::Yellow, &message.to_string(), causes, hint);
    }
}

/// Warns with an error's own chain of causes and its hint.
pub(crate) fn warning_of(error: &dyn Explain) {
    warning(error, &causes(error), error.hint().as_deref());
}

/// Reports the error that ends this command.
pub(crate) fn error(error: &dyn Explain) {
    message_block("error", anstyle::AnsiColor::Red, &error.to_string(), &causes(error), error.hint().as_deref());
}

/// The texts of an error's causes, the nearest first.
pub(crate) fn causes(error: &dyn Explain) -> Vec<String> {
    std::iter::successors(error.source(), |e| e.source()).map(ToString::to_string).collect()
}

fn message_block(level: &str, colour: anstyle::AnsiColor, message: &str, causes: &[String], hint: Option<&str>) {
    let style = colour.on_default().bold();
    let mut text = format!("{style}{level}{style:#}: {message}");
    for cause in causes {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("\nhint: {hint}"));
    }
    stderr_lines(&text);
}

fn stderr_lines(text: &str) {
    to_stderr(&with_prefix(text));
}

fn with_prefix(text: &str) -> String {
    let prefix = PREFIX.get().copied().unwrap_or("");
    text.lines().map(|line| format!("{prefix}{line}\n")).collect()
}

/// One write for the whole text, so that lines of other processes do not come between. `anstream`'s own streams write
/// piece by piece where they take colours out.
fn to_stderr(text: &str) {
    let mut whole = AutoStream::new(Vec::new(), AutoStream::choice(&std::io::stderr()));
    let _ = whole.write_all(text.as_bytes());
    let whole = whole.into_inner();
    let mut stderr = lock(&STDERR);
    if HOLDING.load(Ordering::Relaxed) {
        stderr.keep(&whole);
    } else {
        stderr.write(&whole);
        report_dropped(&mut stderr);
    }
}

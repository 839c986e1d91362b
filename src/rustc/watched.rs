//! Runs a compiler on woven source: weaving may be the cause of a failure.
//!
//! Its stderr is held until it reports that the crate's metadata is written: from then on nothing that weaving could have
//! broken has been seen to fail, and cargo needs that very message to go on with the dependents. A failure before it is
//! dropped with the held lines, and the plain source is compiled instead.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

/// How a watched compiler ended.
#[derive(Debug)]
pub(super) enum Watched {
    /// All of its messages were passed on.
    Done(ExitStatus),
    /// It failed early; nothing was passed on. These are the messages of its errors.
    Failed(Vec<String>),
}

#[derive(serde::Deserialize)]
struct Message {
    #[serde(rename = "$message_type")]
    kind: Option<String>,
    emit: Option<String>,
    level: Option<String>,
    message: Option<String>,
    rendered: Option<String>,
}

/// Runs `command`, holding its messages as long as it may fail because of weaving.
pub(super) fn run(mut command: Command, reports_artifacts: bool) -> io::Result<Watched> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut errors = Vec::new();
    let mut passing = false;
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr);
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if passing {
                pass(&line);
                continue;
            }
            let message = serde_json::from_slice::<Message>(&line).ok();
            let written = message.as_ref().is_some_and(|message| {
                message.kind.as_deref() == Some("artifact") && message.emit.as_deref() == Some("metadata")
            });
            errors.extend(message.and_then(error_text));
            held.push(line);
            if reports_artifacts && written {
                held.drain(..).for_each(|line| pass(&line));
                passing = true;
            }
        }
    }
    let status = child.wait()?;
    // A compiler that was killed by a signal did not fail because of its input.
    if !passing && status.code().is_some_and(|code| code != 0) {
        return Ok(Watched::Failed(errors));
    }
    held.drain(..).for_each(|line| pass(&line));
    Ok(Watched::Done(status))
}

fn error_text(message: Message) -> Option<String> {
    let is_error = message.level.as_deref().is_some_and(|level| level.starts_with("error"));
    let text = message.message.filter(|_| is_error)?;
    (!text.starts_with("aborting due to")).then(|| message.rendered.unwrap_or(text))
}

/// Passes a line of the compiler on to cargo unchanged. Cargo may have ended.
fn pass(line: &[u8]) {
    let _ = io::stderr().lock().write_all(line);
}

//! Lines of OTLP/JSON: one line for each export, so that any program that reads lines can read telemetry.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use hyper::body::Bytes;
use serde::Serialize;

use super::failure::Failure;
use super::json;
use super::sink::Unusable;
use crate::config::JsonTarget;
use crate::ui;

/// Writes lines to stdout or to a file.
pub(crate) struct Lines {
    /// `None` for stdout.
    file: Option<Mutex<fs_err::File>>,
    name: String,
}

impl Lines {
    /// Files are made where there is none, and appended to.
    pub(super) fn new(target: &JsonTarget) -> Result<Lines, Unusable> {
        let JsonTarget::File(path) = target else { return Ok(Lines { file: None, name: "stdout".into() }) };
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path).map_err(Unusable::File)?;
        Ok(Lines { file: Some(Mutex::new(file)), name: path.display().to_string() })
    }

    /// Where it goes.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A request as a line.
    pub(super) fn encode(request: &impl Serialize) -> std::io::Result<Bytes> {
        let mut line = json::encode(request)?;
        line.push(b'\n');
        Ok(line.into_boxed_slice().into())
    }

    /// Writes a line as a whole, so that lines of others do not come between.
    pub(super) fn write(&self, line: &[u8]) -> Result<(), Failure> {
        let written = match &self.file {
            None => ui::out_line(line),
            Some(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line),
        };
        written.map_err(|error| Failure::file(&error))
    }
}

//! Spans to be counted, and the counts kept where even SIGKILL leaves them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use otel_rs_hooks::{Domain, Headers, HeadersMut, Key, Scope, Span, key};

/// The scope of all that is counted.
pub static SCOPE: Scope = Scope::new("otel-rs:layer:5|counted|1.0.0|0.1.0|\n");

/// Writes one span of the name `counted`.
pub fn write_span(number: u64) {
    let span = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "counted".into())]);
    span.end(&[(Key::Named("number"), (number as i64).into())]);
}

/// Two counts in a file of 16 bytes: spans begun, spans that were surely ended.
#[derive(Debug)]
pub struct Counts {
    /// Spans begun.
    pub begun: &'static AtomicU64,
    /// Spans whose end has been written.
    pub ended: &'static AtomicU64,
}

impl Counts {
    /// Opens a file of counts.
    ///
    /// # Panics
    /// If the file cannot be mapped.
    pub fn open(path: &Path) -> Counts {
        let file = std::fs::File::options().read(true).write(true).open(path).expect("a file of 16 bytes");
        let length = 16.try_into().expect("not zero");
        // SAFETY: a shared mapping of a file that only grows tests use; never unmapped, aligned to a page.
        unsafe {
            let map = mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, file, 0);
            let start = map.expect("a mapping").cast::<AtomicU64>();
            Counts { begun: &*start.as_ptr(), ended: &*start.as_ptr().add(1) }
        }
    }

    /// Writes a span and counts it.
    pub fn write_span(&self) {
        self.count(write_span);
    }

    /// Writes something and counts it.
    pub fn count(&self, write: impl FnOnce(u64)) {
        write(self.begun.fetch_add(1, Relaxed));
        self.ended.fetch_add(1, Relaxed);
    }
}

/// The headers of a request, in a list.
#[derive(Debug, Default)]
pub struct HeaderList(pub Vec<(String, String)>);

impl Headers for HeaderList {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|(known, _)| known == name).for_each(|(_, value)| visit(value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
    }
}

impl HeadersMut for HeaderList {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

//! Digests, by which what is made of something finds it again.

use sha2::{Digest as _, Sha256};

/// A digest over several texts, each with its length: none can pass for a part of another.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a text.
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// All of it.
    pub(crate) fn whole(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its first characters, enough to tell apart what one user ever sees.
    pub(crate) fn short(self) -> String {
        let mut text = self.whole();
        text.truncate(16);
        text
    }
}

/// The first characters of a digest over `texts`.
pub(crate) fn short_digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Digest::default();
    texts.into_iter().for_each(|text| digest.add(text));
    digest.short()
}

//! Digests: the names of what is made of other things, such as layers and compiled hooks.

use sha2::{Digest as _, Sha256};

/// A digest over several texts. Each text's length is digested with it, so that moving a boundary changes the digest.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a text.
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// The whole digest, in hexadecimal digits.
    pub(crate) fn whole(self) -> String {
        hex(self.0.finalize().as_slice())
    }

    /// The first 16 digits, which are enough to distinguish the entries of one cache.
    pub(crate) fn short(self) -> String {
        let mut text = self.whole();
        text.truncate(16);
        text
    }
}

/// The first 16 digits of the digest over `texts`.
pub(crate) fn short_digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Digest::default();
    texts.into_iter().for_each(|text| digest.add(text));
    digest.short()
}

/// The SHA-256 of `content` alone, in hexadecimal digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex(Sha256::digest(content).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What is known of a service besides its name: the version of its program, and a name for this run.

use std::fmt::Write as _;

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::process;
use super::surroundings::Surroundings;
use crate::layers::ProgramNote;

/// `service.instance.id`, which no other run has, and `service.version`, where the binary has it.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    let version = process::running(around).and_then(ProgramNote::of).map(|program| program.version);
    let version = version.map(|version| KeyValue::new(name::SERVICE_VERSION, version));
    version.into_iter().chain([KeyValue::new(name::SERVICE_INSTANCE_ID, uuid())]).collect()
}

/// A random UUID (version 4).
fn uuid() -> String {
    let mut bytes = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The standard library seeds its hashers from the operating system's randomness; good enough for a name.
fn random() -> [u8; 16] {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut bytes = [0; 16];
    for half in bytes.chunks_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes()[..half.len()]);
    }
    // States of one thread differ by a counter only, so the process and the time are mixed in.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    for (byte, more) in bytes.iter_mut().zip(hasher.finish().to_le_bytes()) {
        *byte ^= more;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_are_uuids_and_differ() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
    }
}

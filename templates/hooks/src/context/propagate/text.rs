//! Ids as hexadecimal digits, and header values made on the stack.

/// Exactly `N` bytes of lowercase digits.
pub(super) fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() == 2 * N && !text.iter().any(u8::is_ascii_uppercase) {
        padded(text)
    } else {
        None
    }
}

/// Up to `N` bytes of digits in either case; what is missing on the left is zero.
pub(super) fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut digits = text.iter().rev();
    for byte in bytes.iter_mut().rev() {
        let Some(low) = digits.next() else { break };
        let high = digits.next().unwrap_or(&b'0');
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A trace id of 64 or 128 bits in lowercase digits, the shorter one padded.
pub(super) fn trace_id(text: &[u8]) -> Option<[u8; 16]> {
    match hex::<8>(text) {
        Some(_) => padded(text),
        None => hex(text),
    }
}

/// Text without the blanks around it.
pub(in crate::context) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Text that is put together piece by piece; what does not fit is left out.
#[derive(Clone, Copy)]
pub(super) struct Line<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Line<ROOM> {
    pub(super) const EMPTY: Line<ROOM> = Line { bytes: [0; ROOM], len: 0 };

    pub(super) fn text(mut self, piece: &[u8]) -> Self {
        for byte in piece {
            self.push(*byte);
        }
        self
    }

    pub(super) fn hex(mut self, piece: &[u8]) -> Self {
        for byte in piece {
            for digit in [byte >> 4, byte & 15] {
                self.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
            }
        }
        self
    }

    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

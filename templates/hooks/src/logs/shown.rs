//! The ids of the current span, as the program's own log lines show them.

use crate::attach::active;
use crate::{context, settings};

/// The ids of a span, in hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct ShownIds {
    trace: [u8; 32],
    span: [u8; 16],
}

impl ShownIds {
    fn of(trace: &[u8; 16], span: &[u8; 8]) -> ShownIds {
        let mut ids = ShownIds { trace: [0; 32], span: [0; 16] };
        write(trace, &mut ids.trace);
        write(span, &mut ids.span);
        ids
    }

    /// The trace's id.
    pub fn trace(&self) -> &str {
        std::str::from_utf8(&self.trace).unwrap_or("")
    }

    /// The span's id.
    pub fn span(&self) -> &str {
        std::str::from_utf8(&self.span).unwrap_or("")
    }
}

fn write(id: &[u8], digits: &mut [u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 0xf)).copied().unwrap_or(0);
    for (byte, pair) in id.iter().zip(digits.chunks_exact_mut(2)) {
        pair.iter_mut().zip([digit(byte >> 4), digit(*byte)]).for_each(|(slot, digit)| *slot = digit);
    }
}

/// The ids of the current span, if there is one and the program's own log lines are to show them.
#[inline]
pub fn shown_ids() -> Option<ShownIds> {
    if !active() || !settings::log_ids() {
        return None;
    }
    let context = context::current_or_process();
    if context.is_empty() {
        None
    } else {
        Some(ShownIds::of(&context.trace, &context.span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_w3c_writes_them() {
        let ids = ShownIds::of(&[0, 1, 0x2f, 0xa3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255], &[0xab; 8]);
        assert_eq!((ids.trace(), ids.span()), ("00012fa30405060708090a0b0c0d0eff", "abababababababab"));
    }

    #[test]
    fn there_are_none_without_a_launcher() {
        assert!(shown_ids().is_none());
    }
}

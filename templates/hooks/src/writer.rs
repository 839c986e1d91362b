//! Bytes in place: a record, a string or a description is written where the launcher reads it.

use std::marker::PhantomData;

/// Appends bytes to reserved room; what does not fit is left out.
pub(crate) struct Writer<'a> {
    at: *mut u8,
    room: usize,
    region: PhantomData<&'a mut [u8]>,
}

impl Writer<'_> {
    /// A writer over `room` bytes at `at`.
    ///
    /// # Safety
    /// The bytes must be writable and belong to the caller alone for as long as the writer lives.
    pub(crate) unsafe fn new<'a>(at: *mut u8, room: usize) -> Writer<'a> {
        Writer { at, room, region: PhantomData }
    }

    /// Bytes of constant number: a store instead of a call.
    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        if N <= self.room {
            // SAFETY: there is room (just checked), and the room is ours alone (see `new`).
            unsafe {
                self.at.cast::<[u8; N]>().write_unaligned(bytes);
                self.at = self.at.add(N);
            }
            self.room -= N;
        }
    }

    /// Numbers, each by its eight bytes.
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&mut self, words: [u64; N]) {
        if N * 8 <= self.room {
            // SAFETY: there is room (just checked), and the room is ours alone (see `new`).
            unsafe {
                self.at.cast::<[u64; N]>().write_unaligned(words.map(u64::to_le));
                self.at = self.at.add(N * 8);
            }
            self.room -= N * 8;
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.room {
            // SAFETY: there is room (just checked), and the room is ours alone (see `new`).
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at, bytes.len());
                self.at = self.at.add(bytes.len());
            }
            self.room -= bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_copied_and_nothing_beside_them() {
        let from: Vec<u8> = (1..=64).collect();
        for length in 0..=from.len() {
            let mut room = [0; 80];
            // SAFETY: the room is ours, and longer.
            let mut to = unsafe { Writer::new(room.as_mut_ptr().wrapping_add(8), length) };
            to.bytes(&from[..length]);
            to.bytes(b"more");
            let expected: Vec<u8> = [&[0; 8][..], &from[..length], &vec![0; 72 - length]].concat();
            assert_eq!(room[..], expected[..]);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut room = [0; 16];
        // SAFETY: the room is ours.
        let mut to = unsafe { Writer::new(room.as_mut_ptr(), 10) };
        to.words([1]);
        to.words([2]);
        to.array([3, 4, 5]);
        to.bytes(&[6; 3]);
        to.array([7]);
        assert_eq!(room, [1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    }
}

//! Memory that is shared with a process that may do anything to it.

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use nix::libc;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

/// Mapped memory that another process may change at any time: every access is atomic. Offsets have been checked against
/// the geometry, and are checked again here.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<u8>,
    pub(super) length: usize,
}

#[expect(unsafe_code, reason = "shared memory")]
// SAFETY: the mapping belongs to this value alone, stays where it is until `drop`, and is only accessed atomically.
unsafe impl Send for Memory {}
#[expect(unsafe_code, reason = "shared memory")]
// SAFETY: as above.
unsafe impl Sync for Memory {}

#[expect(unsafe_code, reason = "shared memory")]
impl Memory {
    pub(super) fn map(fd: impl AsFd, length: usize) -> nix::Result<Memory> {
        let size = std::num::NonZeroUsize::new(length).ok_or(nix::Error::EINVAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice; the file is sealed against shrinking, so that its
        // pages stay accessible.
        let start = unsafe {
            nix::sys::mman::mmap(None, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, fd, 0)?
        };
        Ok(Memory { start: start.cast(), length })
    }

    /// The 8-byte words from `offset`.
    fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8) && offset <= self.length && count <= (self.length - offset) / 8);
        // SAFETY: in bounds and aligned (just checked; the mapping starts at a page), valid for any bits, mapped for as
        // long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(offset).cast(), count) }
    }

    pub(super) fn u64(&self, offset: usize) -> &AtomicU64 {
        &self.words(offset, 1)[0]
    }

    pub(super) fn u32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < self.length);
        // SAFETY: as in `words`; the length is a multiple of 8, so that four bytes follow.
        unsafe { &*self.start.as_ptr().add(offset).cast() }
    }

    /// Wakes all that wait for the word to change.
    pub(super) fn wake(&self, offset: usize) {
        // SAFETY: the word lives through the call (see `u32`), which takes numbers besides.
        unsafe { libc::syscall(libc::SYS_futex, self.u32(offset).as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    }

    /// Sleeps while the word holds `value`, until it is woken or the time is over; may return early.
    pub(super) fn wait(&self, offset: usize, value: u32, most: Duration) {
        let most = libc::timespec { tv_sec: most.as_secs() as _, tv_nsec: most.subsec_nanos() as _ };
        // SAFETY: the word and the time live through the call.
        unsafe { libc::syscall(libc::SYS_futex, self.u32(offset).as_ptr(), libc::FUTEX_WAIT, value, &raw const most) };
    }

    pub(super) fn copy(&self, offset: usize, length: usize) -> Vec<u8> {
        let skip = offset % 8;
        let mut bytes = vec![0; (skip + length).next_multiple_of(8)];
        let words = self.words(offset - skip, bytes.len() / 8);
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        if skip > 0 {
            bytes.drain(..skip);
        }
        bytes.truncate(length);
        bytes
    }

    pub(super) fn discard(&self, from: usize) {
        // Whole pages only: what stands before `from` is kept.
        let from = from.next_multiple_of(4096 * 16);
        if from < self.length {
            // SAFETY: within the mapping, and page-aligned for every page size in use. Later reads find zeros.
            let _ = unsafe {
                nix::sys::mman::madvise(self.start.add(from).cast(), self.length - from, MmapAdvise::MADV_REMOVE)
            };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "shared memory")]
        // SAFETY: the mapping was made in `map` with this address and length, and nothing can refer to it any more.
        let _ = unsafe { nix::sys::mman::munmap(self.start.cast(), self.length) };
    }
}

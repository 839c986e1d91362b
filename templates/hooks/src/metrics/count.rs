//! Counters of whole numbers. The atomic read-modify-write is the most expensive part of an addition, and most counters
//! are used by one thread only. So the first thread owns a word that it adds to without a lock prefix; all other
//! threads add to a second word atomically. The counter is the sum of both words.

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::region::Region;
use crate::wire;

#[cfg(target_arch = "x86_64")]
thread_local! {
    /// Its address differs from that in every other living thread.
    static ME: u8 = const { 0 };
}

/// Adds to a counter of whole numbers. The first thread that does has a word of its own, which needs no lock.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn count(region: &Region, unit: u32, more: u64) {
    let me = ME.try_with(|me| me as *const u8 as u64).unwrap_or(0);
    if region.word(unit, wire::series::OWNER).load(Relaxed) != me || me == 0 {
        return count_shared(region, unit, more, me);
    }
    let own: *const AtomicU64 = region.word(unit, wire::series::OWN);
    // SAFETY: aligned, within the region, and no other thread writes there. One instruction: neither a signal's handler
    // nor SIGKILL comes between reading and writing.
    unsafe { std::arch::asm!("add qword ptr [{}], {}", in(reg) own, in(reg) more, options(nostack)) };
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn count_shared(region: &Region, unit: u32, more: u64, me: u64) {
    region.word(unit, wire::series::VALUE).fetch_add(more, Relaxed);
    let owner = region.word(unit, wire::series::OWNER);
    if owner.load(Relaxed) == 0 {
        let _ = owner.compare_exchange(0, me, Relaxed, Relaxed);
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn count(region: &Region, unit: u32, more: u64) {
    region.word(unit, wire::series::VALUE).fetch_add(more, Relaxed);
}

//! Where there is no channel yet: the hooks compile and stay dormant.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

pub(crate) const EPERM: i32 = 1;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const ENFILE: i32 = 23;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const PAGE: usize = 4096;

pub(crate) fn errno() -> i32 {
    0
}
pub(crate) fn is_secure() -> bool {
    false
}
pub(crate) fn random() -> Option<u64> {
    None
}
pub(crate) fn processors() -> usize {
    1
}
pub(crate) fn move_away(fd: i32) -> Option<i32> {
    Some(fd)
}
pub(crate) fn pid() -> u32 {
    0
}
pub(crate) fn unix_time() -> u64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}
pub(crate) fn cpu_time() -> Option<Duration> {
    None
}
pub(crate) fn shared_memory(_size: usize) -> Result<(i32, *mut u8), i32> {
    Err(0)
}
pub(crate) fn wiped_page() -> Option<*mut u8> {
    None
}
pub(crate) fn unmap(_address: *mut u8, _size: usize) {}
pub(crate) fn close_fd(_fd: i32) {}
pub(crate) fn call_launcher(
    _path: &[u8],
    _launcher_user: Option<u32>,
    _hello: &[u8],
    _memory: Option<i32>,
) -> Option<i32> {
    None
}
pub(crate) fn socket_cookie(_fd: i32) -> u64 {
    0
}
pub(crate) fn ring_doorbell(_fd: i32) {}
pub(crate) fn peer_name(_fd: i32) -> Option<[u8; 28]> {
    None
}
pub(crate) fn wait(_word: &AtomicU32, _value: u32, _most: Option<Duration>) {}
pub(crate) fn wake(_word: &AtomicU32) {}
pub(crate) fn threads() -> u64 {
    0
}
pub(crate) fn at_exit(_function: extern "C" fn()) {}
pub(crate) fn block_signals() {}
pub(crate) fn restore_signals(_before: &()) {}

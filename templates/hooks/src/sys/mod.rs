//! The system calls that the hooks make; none where there is no channel.

#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod linux;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
mod none;

#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
pub(crate) use linux::*;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
pub(crate) use none::*;

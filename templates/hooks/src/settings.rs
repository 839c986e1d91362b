//! What the launcher told this process, read once when it attached.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::wire::{self, settings as name};

/// How new traces are sampled; see the specification's built-in samplers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sampler {
    AlwaysOn {
        parent_based: bool,
    },
    AlwaysOff {
        parent_based: bool,
    },
    /// Sampled when the trace id's random part is below `threshold` of 2^63.
    Ratio {
        parent_based: bool,
        threshold: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) socket: Vec<u8>,
    pub(crate) sampler: Sampler,
    pub(crate) trace_context: bool,
    pub(crate) baggage: bool,
    pub(crate) detach_after_ns: u64,
}

/// The process's settings; leaked once, so that they can be read without a lock and in a forked child.
static SETTINGS: AtomicPtr<Settings> = AtomicPtr::new(std::ptr::null_mut());

pub(crate) fn get() -> Option<&'static Settings> {
    // SAFETY: the pointer is null or comes from `Box::leak` in `install`, and is never freed or changed.
    unsafe { SETTINGS.load(Ordering::Acquire).as_ref() }
}

pub(crate) fn install(settings: Settings) {
    SETTINGS.store(Box::leak(Box::new(settings)), Ordering::Release);
}

pub(crate) fn sampler() -> Sampler {
    get().map_or(Sampler::AlwaysOn { parent_based: true }, |settings| settings.sampler)
}

pub(crate) fn detach_after_ns() -> u64 {
    get().map_or(u64::MAX, |settings| settings.detach_after_ns)
}

impl Settings {
    /// Reads the value of [`wire::CHANNEL_VARIABLE`]. `None` for another version or without a socket: then stay dormant.
    pub(crate) fn parse(text: &OsStr) -> Option<Settings> {
        let mut rest = text.to_str()?.as_bytes().strip_prefix(wire::SETTINGS_PREFIX.as_bytes())?;
        let mut sampler_name: &[u8] = b"parentbased_always_on";
        let mut ratio = 1.0;
        let mut settings = Settings {
            socket: Vec::new(),
            sampler: Sampler::AlwaysOn { parent_based: true },
            trace_context: true,
            baggage: true,
            detach_after_ns: 10_000_000_000,
        };
        while !rest.is_empty() {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (rest.get(..equals)?, rest.get(equals + 1..)?);
            // The socket's path comes last and may hold a `;`.
            let is_socket = key == name::SOCKET.as_bytes();
            let end = if is_socket {
                value.len()
            } else {
                value.iter().position(|byte| *byte == b';').unwrap_or(value.len())
            };
            let (value, next) = (value.get(..end)?, value.get(end + 1..).unwrap_or(&[]));
            let number = || std::str::from_utf8(value).ok()?.parse::<f64>().ok();
            if is_socket {
                settings.socket = value.to_vec();
            } else if key == name::SAMPLER.as_bytes() {
                sampler_name = value;
            } else if key == name::RATIO.as_bytes() {
                ratio = number()?;
            } else if key == name::DETACH_AFTER_MS.as_bytes() {
                settings.detach_after_ns = (number()? * 1e6) as u64;
            } else if key == name::PROPAGATORS.as_bytes() {
                let named = |wanted: &[u8]| value.split(|byte| *byte == b',').any(|name| name == wanted);
                settings.trace_context = named(b"tracecontext");
                settings.baggage = named(b"baggage");
            }
            rest = next;
        }
        settings.sampler = Sampler::named(sampler_name, ratio);
        if settings.socket.is_empty() {
            None
        } else {
            Some(settings)
        }
    }
}

impl Sampler {
    fn named(name: &[u8], ratio: f64) -> Sampler {
        let (parent_based, root) = match name.strip_prefix(b"parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        match root {
            b"always_off" => Sampler::AlwaysOff { parent_based },
            b"traceidratio" if ratio < 1.0 => {
                Sampler::Ratio { parent_based, threshold: (ratio.max(0.0) * (1_u64 << 63) as f64) as u64 }
            }
            _ => Sampler::AlwaysOn { parent_based },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launchers_text_is_read_whole() {
        let text =
            "v1;sampler=parentbased_traceidratio;ratio=0.5;propagators=baggage;detach-after-ms=20;socket=/tmp/a;b=c";
        let settings = Settings::parse(OsStr::new(text)).unwrap();
        assert_eq!(settings.socket, b"/tmp/a;b=c");
        assert_eq!(settings.sampler, Sampler::Ratio { parent_based: true, threshold: 1 << 62 });
        assert!(!settings.trace_context && settings.baggage);
        assert_eq!(settings.detach_after_ns, 20_000_000);
    }

    #[test]
    fn another_version_or_no_socket_means_dormant() {
        assert!(Settings::parse(OsStr::new("v2;socket=/tmp/a")).is_none());
        assert!(Settings::parse(OsStr::new("v1;sampler=always_on")).is_none());
    }
}

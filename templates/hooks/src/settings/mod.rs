//! The settings that the launcher passed to this process, read once when it attached.

pub(crate) mod directives;
mod exponential;
pub(crate) mod ratio;

use std::ffi::OsStr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::wire::{self, settings as name};

use directives::Directives;

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

/// A value of OTEL_PROPAGATORS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
    B3,
    B3Multi,
    Jaeger,
    XRay,
    OtTrace,
}

/// Variables of the process's environment that name the parent of its work, as W3C's headers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) baggage: Option<String>,
}

/// Whether callbacks of metrics have a thread of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ObserverThread {
    /// Once the program has several.
    Auto,
    Always,
    Never,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) socket: Vec<u8>,
    pub(crate) token: [u8; wire::TOKEN_SIZE],
    /// `None` where it is not set.
    pub(crate) launcher_user: Option<u32>,
    pub(crate) sampler: Sampler,
    /// In the order in which they are tried.
    pub(crate) propagators: Vec<Propagator>,
    /// Whether polls of runtimes are timed.
    poll_times: bool,
    observer_thread: ObserverThread,
    pub(crate) detach_after_ns: u64,
    pub(crate) logs: bool,
    /// Whether contexts are passed on, and nothing is recorded.
    pub(crate) pass_on: bool,
    /// What the process's environment names as the parent of its work; `None` unless that is enabled.
    pub(crate) environment: Option<Environment>,
    /// Series of one instrument; 0 when metrics are disabled.
    pub(crate) series_limit: usize,
    /// Upper bounds of buckets that readers need besides those that histograms advise.
    pub(crate) bounds: Vec<f64>,
    /// Which spans of the program's own are recorded; `None` where the user has not named any.
    pub(crate) spans: Option<Directives>,
    /// The same for log records.
    pub(crate) log_records: Option<Directives>,
    /// Whether the program's own log lines show the ids of spans.
    log_ids: bool,
    /// Whether spans and log records are written with their baggage.
    baggage: bool,
    enabled: Vec<String>,
    disabled: Vec<String>,
    pub(crate) excluded_urls: Vec<String>,
    /// Names of headers: of server requests and responses, of client requests and responses.
    pub(crate) headers: [Vec<String>; 4],
}

/// The process's settings; leaked once, so that they can be read without a lock and in a forked child.
static SETTINGS: AtomicPtr<Settings> = AtomicPtr::new(std::ptr::null_mut());

pub(crate) fn get() -> Option<&'static Settings> {
    // SAFETY: the pointer is null or comes from `Box::leak` in `install`, and is never freed or changed.
    unsafe { SETTINGS.load(Ordering::Acquire).as_ref() }
}

pub(crate) fn install(settings: Settings) -> &'static Settings {
    let settings = Box::leak(Box::new(settings));
    SETTINGS.store(settings, Ordering::Release);
    settings
}

pub(crate) fn sampler() -> Sampler {
    get().map_or(Sampler::AlwaysOn { parent_based: true }, |settings| settings.sampler)
}

pub(crate) fn detach_after_ns() -> u64 {
    get().map_or(u64::MAX, |settings| settings.detach_after_ns)
}

/// Whether contexts are passed on, and nothing is recorded.
pub(crate) fn pass_on() -> bool {
    get().map_or(false, |settings| settings.pass_on)
}

/// Whether log records are recorded.
pub(crate) fn logs() -> bool {
    get().map_or(false, |settings| settings.logs && !settings.pass_on)
}

/// Whether the program's own log lines are to show the ids of spans.
pub(crate) fn log_ids() -> bool {
    get().map_or(false, |settings| settings.log_ids)
}

/// Whether spans and log records are to be written with the baggage that travels with the work.
pub(crate) fn baggage() -> bool {
    get().map_or(false, |settings| settings.baggage)
}

/// How many series an instrument may have; 0 when metrics are disabled.
pub(crate) fn series_limit() -> usize {
    get().map_or(0, |settings| settings.series_limit)
}

/// Whether polls of runtimes are to be timed.
pub(crate) fn poll_times() -> bool {
    get().map_or(false, |settings| settings.poll_times)
}

pub(crate) fn observer_thread() -> ObserverThread {
    get().map_or(ObserverThread::Never, |settings| settings.observer_thread)
}

impl Settings {
    /// Reads the value of [`wire::CHANNEL_VARIABLE`]. `None` for another version or without a socket: then stay dormant.
    pub(crate) fn parse(text: &OsStr) -> Option<Settings> {
        let mut rest = text.to_str()?.as_bytes().strip_prefix(wire::SETTINGS_PREFIX.as_bytes())?;
        let mut sampler_name: &[u8] = b"parentbased_always_on";
        let mut ratio = 1.0;
        let mut settings = Settings {
            socket: Vec::new(),
            token: [0; wire::TOKEN_SIZE],
            launcher_user: None,
            sampler: Sampler::AlwaysOn { parent_based: true },
            propagators: vec![Propagator::TraceContext, Propagator::Baggage],
            poll_times: false,
            observer_thread: ObserverThread::Auto,
            detach_after_ns: 10_000_000_000,
            logs: true,
            pass_on: false,
            environment: None,
            series_limit: 2000,
            bounds: Vec::new(),
            spans: None,
            log_records: None,
            log_ids: false,
            baggage: false,
            enabled: vec!["*".to_owned()],
            disabled: Vec::new(),
            excluded_urls: Vec::new(),
            headers: Default::default(),
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
            } else if key == name::TOKEN.as_bytes() {
                settings.token = token(value)?;
            } else if key == name::LAUNCHER_USER.as_bytes() {
                settings.launcher_user = Some(std::str::from_utf8(value).ok()?.parse().ok()?);
            } else if key == name::SAMPLER.as_bytes() {
                sampler_name = value;
            } else if key == name::RATIO.as_bytes() {
                ratio = number()?;
            } else if key == name::POLL_TIMES.as_bytes() {
                settings.poll_times = value == b"on";
            } else if key == name::OBSERVER_THREAD.as_bytes() {
                settings.observer_thread = match value {
                    b"always" => ObserverThread::Always,
                    b"never" => ObserverThread::Never,
                    _ => ObserverThread::Auto,
                };
            } else if key == name::DETACH_AFTER_MS.as_bytes() {
                settings.detach_after_ns = (number()? * 1e6) as u64;
            } else if key == name::LOGS.as_bytes() {
                settings.logs = value != b"off";
            } else if key == name::PASS_ON.as_bytes() {
                settings.pass_on = value == b"on";
            } else if key == name::ENVIRONMENT_PARENT.as_bytes() && value == b"on" {
                settings.environment = Some(Environment::read(|name| std::env::var(name).ok()));
            } else if key == name::SERIES_LIMIT.as_bytes() {
                settings.series_limit = number()? as usize;
            } else if key == name::BOUNDS.as_bytes() {
                settings.bounds = bounds(value)?;
            } else if key == name::SPAN_DIRECTIVES.as_bytes() {
                settings.spans = Some(Directives::new(&list(value)));
            } else if key == name::LOG_DIRECTIVES.as_bytes() {
                settings.log_records = Some(Directives::new(&list(value)));
            } else if key == name::LOG_IDS.as_bytes() {
                settings.log_ids = value == b"on";
            } else if key == name::BAGGAGE.as_bytes() {
                settings.baggage = value == b"on";
            } else if key == name::PROPAGATORS.as_bytes() {
                settings.propagators = value.split(|byte| *byte == b',').filter_map(Propagator::named).collect();
            } else if let Some(into) = settings.list(key) {
                *into = list(value);
            }
            rest = next;
        }
        settings.sampler = Sampler::named(sampler_name, ratio);
        if settings.socket.is_empty() && !settings.pass_on {
            None
        } else {
            Some(settings)
        }
    }

    fn list(&mut self, key: &[u8]) -> Option<&mut Vec<String>> {
        let [server_request, server_response, client_request, client_response] = &mut self.headers;
        let lists = [
            (name::ENABLED, &mut self.enabled),
            (name::DISABLED, &mut self.disabled),
            (name::EXCLUDED_URLS, &mut self.excluded_urls),
            (name::SERVER_REQUEST_HEADERS, server_request),
            (name::SERVER_RESPONSE_HEADERS, server_response),
            (name::CLIENT_REQUEST_HEADERS, client_request),
            (name::CLIENT_RESPONSE_HEADERS, client_response),
        ];
        lists.into_iter().find(|(name, _)| name.as_bytes() == key).map(|(_, list)| list)
    }

    /// Whether the instrumentation of a crate is enabled.
    pub(crate) fn is_enabled(&self, crate_name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == "*" || name == crate_name);
        named(&self.enabled) && !named(&self.disabled)
    }
}

fn bounds(value: &[u8]) -> Option<Vec<f64>> {
    let mut bounds = Vec::new();
    for item in std::str::from_utf8(value).ok()?.split(',') {
        if item == name::EXPONENTIAL {
            bounds.extend(exponential::bounds());
        } else {
            bounds.push(item.parse().ok().filter(|bound: &f64| bound.is_finite())?);
        }
    }
    Some(bounds)
}

fn token(value: &[u8]) -> Option<[u8; wire::TOKEN_SIZE]> {
    let mut token = [0; wire::TOKEN_SIZE];
    if value.len() != 2 * wire::TOKEN_SIZE {
        return None;
    }
    for (byte, digits) in token.iter_mut().zip(value.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(token)
}

/// Items separated by commas, each percent-decoded.
fn list(value: &[u8]) -> Vec<String> {
    let items = value.split(|byte| *byte == b',').filter(|item| !item.is_empty());
    items.map(|item| String::from_utf8_lossy(&decoded(item)).into_owned()).collect()
}

fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let pair = rest.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (first, pair) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                text = rest.get(2..).unwrap_or(&[]);
            }
            _ => {
                bytes.push(*first);
                text = rest;
            }
        }
    }
    bytes
}

impl Propagator {
    fn named(name: &[u8]) -> Option<Propagator> {
        match name {
            b"tracecontext" => Some(Propagator::TraceContext),
            b"baggage" => Some(Propagator::Baggage),
            b"b3" => Some(Propagator::B3),
            b"b3multi" => Some(Propagator::B3Multi),
            b"jaeger" => Some(Propagator::Jaeger),
            b"xray" => Some(Propagator::XRay),
            b"ottrace" => Some(Propagator::OtTrace),
            _ => None,
        }
    }
}

impl Environment {
    /// `variable` looks a variable up.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Environment {
        let [traceparent, tracestate, baggage] = ["TRACEPARENT", "TRACESTATE", "BAGGAGE"].map(variable);
        Environment { traceparent, tracestate, baggage }
    }
}

impl Sampler {
    pub(crate) fn is_parent_based(self) -> bool {
        let (Sampler::AlwaysOn { parent_based }
        | Sampler::AlwaysOff { parent_based }
        | Sampler::Ratio { parent_based, .. }) = self;
        parent_based
    }

    fn named(name: &[u8], ratio: f64) -> Sampler {
        let (parent_based, root) = match name.strip_prefix(b"parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        match root {
            b"always_off" => Sampler::AlwaysOff { parent_based },
            b"traceidratio" => match ratio::threshold(ratio) {
                Some(threshold) => Sampler::Ratio { parent_based, threshold },
                None => Sampler::AlwaysOn { parent_based },
            },
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
            "v1;sampler=parentbased_traceidratio;ratio=0.5;propagators=jaeger,baggage,b3;detach-after-ms=20;logs=off;socket=/tmp/a;b=c";
        let settings = Settings::parse(OsStr::new(text)).unwrap();
        assert_eq!(settings.socket, b"/tmp/a;b=c");
        assert_eq!(settings.sampler, Sampler::Ratio { parent_based: true, threshold: 1 << 62 });
        assert_eq!(settings.propagators, [Propagator::Jaeger, Propagator::Baggage, Propagator::B3]);
        assert_eq!(settings.detach_after_ns, 20_000_000);
        assert!(Settings::parse(OsStr::new("v1;propagators=b3")).is_none());
        assert!(Settings::parse(OsStr::new("v1;propagators=b3;pass-on=on")).unwrap().pass_on);
        assert!(!settings.logs && Settings::parse(OsStr::new("v1;socket=/tmp/a")).unwrap().logs);
    }

    #[test]
    fn the_token_is_read_or_the_process_stays_dormant() {
        let parse = |text: &str| Settings::parse(OsStr::new(text));
        let settings = parse("v1;token=000102030405060708090a0b0c0d0eff;launcher-user=1000;socket=/tmp/a").unwrap();
        assert_eq!(settings.token, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(settings.launcher_user, Some(1000));
        assert!(parse("v1;token=00;socket=/tmp/a").is_none());
        assert!(parse("v1;token=zz0102030405060708090a0b0c0d0eff;socket=/tmp/a").is_none());
    }

    #[test]
    fn polls_are_timed_only_if_enabled() {
        let timed = |text: &str| Settings::parse(OsStr::new(text)).unwrap().poll_times;
        assert!(timed("v1;poll-times=on;socket=/tmp/a"));
        assert!(!timed("v1;poll-times=off;socket=/tmp/a") && !timed("v1;socket=/tmp/a"));
        let with_baggage = |text: &str| Settings::parse(OsStr::new(text)).unwrap().baggage;
        assert!(with_baggage("v1;baggage=on;socket=/tmp/a") && !with_baggage("v1;socket=/tmp/a"));
        let observer = |text: &str| Settings::parse(OsStr::new(text)).unwrap().observer_thread;
        assert_eq!(observer("v1;observer-thread=never;socket=/tmp/a"), ObserverThread::Never);
        assert_eq!(observer("v1;observer-thread=always;socket=/tmp/a"), ObserverThread::Always);
        assert_eq!(observer("v1;socket=/tmp/a"), ObserverThread::Auto);
    }

    #[test]
    fn log_lines_show_ids_only_if_enabled() {
        let shows = |text: &str| Settings::parse(OsStr::new(text)).unwrap().log_ids;
        assert!(shows("v1;log-ids=on;socket=/tmp/a"));
        assert!(!shows("v1;log-ids=off;socket=/tmp/a") && !shows("v1;socket=/tmp/a"));
    }

    #[test]
    fn the_environment_is_read_only_if_enabled() {
        // No other test of this process reads the variable.
        std::env::set_var("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let environment = |text: &str| Settings::parse(OsStr::new(text)).unwrap().environment;
        let read = environment("v1;environment-parent=on;socket=/tmp/a").unwrap();
        assert_eq!(read.traceparent.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(environment("v1;environment-parent=off;socket=/tmp/a").is_none());
        assert!(environment("v1;socket=/tmp/a").is_none());
    }

    #[test]
    fn lists_are_decoded() {
        let text = "v1;excluded-urls=/a%3Bb%25,/c%2Cd,%zz;client-response-headers=x-a,x-b;later=1;socket=/tmp/a";
        let settings = Settings::parse(OsStr::new(text)).unwrap();
        assert_eq!(settings.excluded_urls, ["/a;b%", "/c,d", "%zz"]);
        assert_eq!(settings.headers[3], ["x-a", "x-b"]);
        assert!(settings.headers[..3].iter().all(Vec::is_empty));
    }

    #[test]
    fn an_instrumentation_records_if_enabled_and_not_disabled() {
        for (lists, hyper, tokio) in [
            ("", true, true),
            ("disabled=hyper;", false, true),
            ("disabled=*;", false, false),
            ("enabled=hyper;", true, false),
            ("enabled=;", false, false),
            ("enabled=hyper,tokio;disabled=tokio,hyper-util;", true, false),
        ] {
            let settings = Settings::parse(OsStr::new(&format!("v1;{lists}socket=/tmp/a"))).unwrap();
            assert_eq!((settings.is_enabled("hyper"), settings.is_enabled("tokio")), (hyper, tokio), "{lists}");
        }
    }

    #[test]
    fn another_version_or_no_socket_means_dormant() {
        assert!(Settings::parse(OsStr::new("v2;socket=/tmp/a")).is_none());
        assert!(Settings::parse(OsStr::new("v1;sampler=always_on")).is_none());
    }
}

//! Errors of HTTP clients, in few classes.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::FormattedText;

/// What an error was caused by. An `io::Error` hides the error it was made from behind that one's own source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The first cause of an error, which has its message.
pub fn root_cause<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    // Errors that cause one another in a circle are possible.
    for _ in 0..MAX_CAUSES {
        match cause(error) {
            Some(deeper) => error = deeper,
            None => break,
        }
    }
    error
}

const MAX_CAUSES: usize = 32;

/// The class of an error, by the first cause that has one: a value of `error.type`. `own` has the classes of errors of the
/// library's own types.
pub fn error_class(
    error: &(dyn Error + 'static),
    own: &dyn Fn(&(dyn Error + 'static)) -> Option<&'static str>,
) -> &'static str {
    let mut next = Some(error);
    for _ in 0..MAX_CAUSES {
        let Some(error) = next else { break };
        let io = error.downcast_ref::<io::Error>();
        let class = io.and_then(class_of_io).or_else(|| own(error)).or_else(|| class_of_words(error));
        if let Some(class) = class {
            return class;
        }
        next = cause(error);
    }
    "_OTHER"
}

/// The class of an error of the connection.
pub fn class_of_io(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => "connection_refused",
        ErrorKind::ConnectionReset => "connection_reset",
        ErrorKind::ConnectionAborted => "connection_aborted",
        ErrorKind::BrokenPipe => "connection_closed",
        ErrorKind::TimedOut => "timeout",
        ErrorKind::AddrNotAvailable => "address_not_available",
        _ => return None,
    })
}

/// Resolvers and TLS libraries are plugged in: their types cannot be named here, so messages are matched.
fn class_of_words(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let text = FormattedText::<256>::of(error);
    let classes = [
        ("dns", &["dns error", "lookup address", "resolve"][..]),
        ("tls", &["certificate", "tls", "ssl", "handshake"]),
        ("timeout", &["timed out", "deadline"]),
        ("unreachable", &["unreachable"]),
        ("stream_reset", &["stream error"]), // the words of HTTP/2's implementation
    ];
    classes.iter().find(|(_, words)| mentions(text.as_bytes(), words)).map(|(class, _)| *class)
}

fn mentions(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Wrapped(&'static str, Option<Box<dyn Error + Send + Sync>>);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|error| error as _)
        }
    }

    #[test]
    fn the_first_cause_with_a_class_counts() {
        let refused = || Box::new(io::Error::from(ErrorKind::ConnectionRefused));
        let own =
            |error: &(dyn Error + 'static)| error.downcast_ref::<Wrapped>().filter(|own| own.0 == "own").map(|_| "own");
        for (error, expected) in [
            (Wrapped("cannot connect", Some(refused())), "connection_refused"),
            (Wrapped("own", Some(refused())), "own"),
            (Wrapped("DNS error", None), "dns"),
            (Wrapped("it failed", Some(Box::new(Wrapped("operation timed out", None)))), "timeout"),
            (
                Wrapped(
                    "it failed",
                    Some(Box::new(io::Error::new(ErrorKind::Other, Wrapped("bad certificate", None)))),
                ),
                "tls",
            ),
            (Wrapped("it failed", None), "_OTHER"),
        ] {
            assert_eq!(error_class(&error, &own), expected, "{error:?}");
        }
    }

    #[test]
    fn the_root_of_an_error_is_its_last_cause() {
        let error = Wrapped("a", Some(Box::new(io::Error::new(ErrorKind::Other, Wrapped("b", None)))));
        assert_eq!(root_cause(&error).to_string(), "b");
    }
}

//! The marker of a layer: one line of text that names the woven crate, its version and the hooks that it calls.
//!
//! A layer holds it as text, the hooks send it as the scope of what they record, and `otel-rs inspect` finds it in a binary.

use std::fmt;

use crate::wire;

/// The text that every marker starts with.
pub(crate) const PREFIX: &str = wire::LAYER_MARKER;

/// A layer's marker: `otel-rs:layer:<wire version>|<crate>|<version>|<hooks version>|`, ended by a newline where it is
/// stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker<'a> {
    /// The wire format that the layer's hooks write.
    pub(crate) wire_version: u32,
    /// The woven crate.
    pub(crate) crate_name: &'a str,
    /// Its version.
    pub(crate) crate_version: &'a str,
    /// The version of the hooks that it calls.
    pub(crate) hooks_version: &'a str,
}

impl<'a> Marker<'a> {
    /// Reads a whole marker, with or without the newline.
    pub(crate) fn parse(text: &'a str) -> Option<Marker<'a>> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut fields = text.strip_prefix(PREFIX)?.strip_suffix('|')?.split('|');
        let marker = Marker {
            wire_version: fields.next()?.parse().ok()?,
            crate_name: fields.next()?,
            crate_version: fields.next()?,
            hooks_version: fields.next()?,
        };
        fields.next().is_none().then_some(marker)
    }
}

/// The marker without the newline.
impl fmt::Display for Marker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Marker { wire_version, crate_name, crate_version, hooks_version } = self;
        write!(f, "{PREFIX}{wire_version}|{crate_name}|{crate_version}|{hooks_version}|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_parsed_as_it_was_written() {
        let marker = Marker { wire_version: 5, crate_name: "toy", crate_version: "1.2.3", hooks_version: "0.1.0" };
        let text = marker.to_string();
        assert_eq!(text, "otel-rs:layer:5|toy|1.2.3|0.1.0|");
        assert_eq!(Marker::parse(&text), Some(marker));
        assert_eq!(Marker::parse(&format!("{text}\n")), Some(marker));
    }

    #[test]
    fn an_incomplete_marker_is_refused() {
        for text in ["", PREFIX, "otel-rs:layer:5|toy|1.2.3|0.1.0", "otel-rs:layer:x|toy|1.2.3|0.1.0|", "5|toy|1|1|"] {
            assert_eq!(Marker::parse(text), None, "{text}");
        }
        assert_eq!(Marker::parse("otel-rs:layer:5|toy|1.2.3|0.1.0|more|"), None);
    }
}

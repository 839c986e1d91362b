//! Errors in events; their text is copied while the subscriber formats it. The ids of the current span in lines of JSON.

#[cfg(feature = "fmt")]
pub(crate) use shown::Shown;

/// Writes the ids of the current span as `trace_id` and `span_id`, if the user wants them and the event has none of its own.
#[cfg(all(feature = "fmt", feature = "json"))]
pub(crate) fn write_ids<S: serde::ser::SerializeMap>(
    line: &mut S,
    event: &tracing_core::Event<'_>,
) -> Result<(), S::Error> {
    let Some(ids) = otel_rs_hooks::shown_ids() else { return Ok(()) };
    for (name, id) in [("trace_id", ids.trace()), ("span_id", ids.span())] {
        if event.metadata().fields().field(name).is_none() {
            line.serialize_entry(name, id)?;
        }
    }
    Ok(())
}

#[cfg(feature = "fmt")]
mod shown {
    use std::error::Error;
    use std::fmt;

    /// An error of an event.
    pub(crate) struct Shown<'a>(pub(crate) &'a (dyn Error + 'static));

    impl<'a> Shown<'a> {
        pub(crate) fn source(&self) -> Option<&'a (dyn Error + 'static)> {
            self.0.source()
        }
    }

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            otel_rs_hooks::format_error(self.0, f)
        }
    }
}

//! Errors in events; their text is copied while the subscriber formats it.

#[cfg(feature = "fmt")]
pub(crate) use shown::Shown;

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

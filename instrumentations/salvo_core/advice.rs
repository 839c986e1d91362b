//! The matched route of a request, recorded on the span of its server request.

/// A router has taken the request. The path is made of the routers' own, unless it `is_raw`: then a part of it is what
/// the client has sent.
#[inline]
#[cfg(feature = "matched-path")]
pub(crate) fn matched(path: &str, is_raw: bool) {
    if !is_raw {
        otel_rs_hooks::kit::route::matched(&SCOPE, path);
    }
}

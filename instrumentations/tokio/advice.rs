//! Where tokio spawns, the hooks' own functions do all there is to do; see the rules.

/// Notes the socket this thread is about to read from.
#[cfg(all(feature = "net", unix))]
#[inline]
pub(crate) fn reading(stream: &crate::net::TcpStream) {
    if SCOPE.enabled() {
        ::otel_rs_hooks::net::reading(::std::os::unix::io::AsRawFd::as_raw_fd(stream));
    }
}

#[cfg(all(feature = "net", not(unix)))]
#[inline]
pub(crate) fn reading(_: &crate::net::TcpStream) {}

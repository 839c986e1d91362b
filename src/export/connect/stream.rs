//! A connection of any kind.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::Alert;

/// Anything that is a connection.
pub(in crate::export) trait Io: Read + Write + Connection + Send + Unpin {}
impl<T: Read + Write + Connection + Send + Unpin> Io for T {}

/// A connection whose last alert is kept.
pub(in crate::export) struct Stream {
    io: Box<dyn Io>,
    /// Whether there is a proxy at its end that forwards requests.
    is_forwarded: bool,
    alert: Option<Alert>,
    /// Why writing failed, while what came before is being read.
    broken: Option<std::io::Error>,
}

impl Stream {
    pub(super) fn new(io: impl Io + 'static) -> Stream {
        Stream { io: Box::new(io), is_forwarded: false, alert: None, broken: None }
    }

    /// The same to a proxy that forwards requests.
    pub(super) fn forwarded(self) -> Stream {
        Stream { is_forwarded: true, ..self }
    }

    /// The same; the alert that it may end with is kept there.
    pub(super) fn with_alert(self, alert: Alert) -> Stream {
        Stream { alert: Some(alert), ..self }
    }

    /// Writes. After a failure, reads what came before the end, for which the system may need a moment.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut dyn Io>, &mut Context<'_>) -> Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        let Some(alert) = &self.alert else { return write(Pin::new(&mut *self.io), cx) };
        if self.broken.is_none() {
            match write(Pin::new(&mut *self.io), cx) {
                Poll::Ready(Err(error)) => self.broken = Some(error),
                other => return other,
            }
        }
        let mut bytes = [0];
        let mut buffer = ReadBuf::new(&mut bytes);
        alert.keep(&ready!(Pin::new(&mut *self.io).poll_read(cx, buffer.unfilled())));
        Poll::Ready(Err(self.broken.take().unwrap_or_else(|| std::io::ErrorKind::BrokenPipe.into())))
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut *self.io).poll_read(cx, buffer);
        if let (Poll::Ready(read), Some(alert)) = (&read, &self.alert) {
            alert.keep(read);
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.write(cx, |io, cx| io.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write_vectored(cx, buffers))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = self.io.connected();
        if self.is_forwarded { connected.proxy(true) } else { connected }
    }
}

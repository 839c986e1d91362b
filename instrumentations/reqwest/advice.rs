//! One call with its attempts. The spans are made where the attempts are: in `hyper-util`, or in `hyper` 0.14.

#[cfg(feature = "blocking")]
pub(crate) use self::blocking::{awaited, current};

#[cfg(feature = "blocking")]
mod blocking {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use otel_rs_hooks::http::Call;

    use super::SCOPE;

    /// What a blocking caller's request takes along to the background thread.
    pub(crate) fn current() -> otel_rs_hooks::Context {
        if SCOPE.enabled() {
            otel_rs_hooks::current()
        } else {
            otel_rs_hooks::Context::EMPTY
        }
    }

    /// A blocking caller's request on the background thread. The caller waits for it, and leaves before it is done only
    /// when its time is up: what is dropped unfinished in here timed out.
    pub(crate) fn awaited<F: Future>(forward: F) -> impl Future<Output = F::Output> {
        let mut call = Call::new(&SCOPE);
        call.set_timed_out();
        Awaited { call, forward: Some(Box::pin(forward)) }
    }

    struct Awaited<F> {
        call: Call,
        forward: Option<Pin<Box<F>>>,
    }

    impl<F: Future> Future for Awaited<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            let Awaited { call, forward } = &mut *self;
            match forward {
                Some(forward) => call.run(|| forward.as_mut().poll(cx)),
                None => Poll::Pending,
            }
        }
    }

    impl<F> Drop for Awaited<F> {
        fn drop(&mut self) {
            let forward = self.forward.take();
            self.call.run(|| drop(forward));
        }
    }
}

//! One call with the requests that middleware repeats. The spans are made where the attempts are, in `hyper-util`.

use std::future::{poll_fn, Future};

use http::Extensions;
use otel_rs_hooks::http::Call;

/// The call that a request belongs to. It is kept in the call's extensions, so that the requests which middleware gives up
/// count as well.
#[derive(Clone, Copy)]
struct Repeated(Call);

/// A call begins. Its extensions may have been those of another one.
pub(crate) fn begin(extensions: &mut Extensions) {
    if SCOPE.enabled() {
        extensions.insert(Repeated(Call::repeating(&SCOPE)));
    }
}

/// Sends a request of the call that has these extensions.
pub(crate) async fn counted<F: Future>(extensions: &mut Extensions, request: F) -> F::Output {
    match extensions.get_mut() {
        Some(Repeated(call)) => {
            let mut request = Box::pin(request);
            poll_fn(|cx| call.run(|| request.as_mut().poll(cx))).await
        }
        None => request.await,
    }
}

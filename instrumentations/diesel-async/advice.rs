//! What a connection sets up for itself is not recorded, and what drives it belongs to nobody.

use std::future::Future;

use otel_rs_hooks::{carry, current, Span};

/// Runs what the program has not written: statements of it are not recorded.
pub(crate) async fn quiet<T>(work: impl Future<Output = T>) -> T {
    if !SCOPE.enabled() {
        return work.await;
    }
    let work = {
        let quiet = Span::non_recording(&SCOPE, current());
        let _entered = quiet.context().enter();
        carry(&SCOPE, work)
    };
    work.await
}

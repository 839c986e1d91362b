//! An operation under way: its span, and how it ends.

use std::future::Future;

use crate::attribute::{key, Attribute, Key, Value};
use crate::context::{Carry, Context};
use crate::kit::failure::{Failure, CANCELLED};
use crate::span::{panic_or, Span};

/// An operation that a kit has started. Dropped before it has ended or failed, it counts as `cancelled`, or as `panic`
/// while the thread is panicking.
#[derive(Debug)]
#[must_use = "the operation counts as cancelled as soon as this is dropped"]
pub struct Operation {
    span: Span,
    /// The status that ends it, of a kind of operation that has one.
    status: Option<Status>,
}

/// How an operation's status is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    /// The key under which a failure's code is recorded besides `error.type`.
    pub(crate) key: Key<'static>,
    /// The status of success; empty where success has none.
    pub(crate) success: &'static str,
}

impl Operation {
    /// No operation.
    pub const NONE: Operation = Operation { span: Span::NONE, status: None };

    pub(crate) fn of(span: Span, status: Option<Status>) -> Operation {
        Operation { span, status }
    }

    /// Whether the operation is not recorded.
    pub fn is_none(&self) -> bool {
        self.span.is_none()
    }

    /// The context in which the operation's work belongs.
    pub fn context(&self) -> &Context {
        self.span.context()
    }

    /// Records more of it.
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        self.span.set(attributes);
    }

    /// The operation has come to its end: with the status in `last`, if it is of a kind that has one.
    pub fn end(&mut self, last: &[Attribute<'_>]) {
        std::mem::replace(&mut self.span, Span::NONE).end(last);
    }

    /// The operation has failed, and is over.
    pub fn fail(&mut self, failure: &Failure) {
        let error = (key::ERROR_TYPE, failure.kind());
        match self.status {
            Some(status) => self.end(&[(status.key, failure.status()), error]),
            None => self.end(&[error]),
        }
    }

    /// Ends with `result`.
    pub fn ended<T, E>(&mut self, result: &Result<T, E>, failure: fn(&E) -> Failure) {
        match result {
            Ok(_) => match self.status {
                Some(Status { key, success }) => self.end(&[(key, Value::known(success))]),
                None => self.end(&[]),
            },
            Err(error) if !self.is_none() => self.fail(&failure(error)),
            Err(_) => {}
        }
    }

    /// Runs `work` as the operation's own.
    pub fn run<T, E>(mut self, work: impl FnOnce() -> Result<T, E>, failure: fn(&E) -> Failure) -> Result<T, E> {
        if self.is_none() {
            return work();
        }
        let entered = self.context().enter();
        let result = work();
        drop(entered);
        self.ended(&result, failure);
        result
    }

    /// Runs the future as the operation's own.
    pub async fn around<F, T, E>(mut self, work: F, failure: fn(&E) -> Failure) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let result = if self.is_none() { work.await } else { Carry::within(self.context(), work).await };
        self.ended(&result, failure);
        result
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.span.is_none() {
            self.end(&[(key::ERROR_TYPE, panic_or(CANCELLED).into())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context as Waking, Poll, RawWaker, RawWakerVTable, Waker};

    use super::*;

    fn failure(_: &()) -> Failure {
        Failure::class("io")
    }

    /// The result of a future that never waits.
    fn now<F: Future>(future: F) -> F::Output {
        fn raw() -> RawWaker {
            static TABLE: RawWakerVTable = RawWakerVTable::new(|_| raw(), |_| {}, |_| {}, |_| {});
            RawWaker::new(std::ptr::null(), &TABLE)
        }
        // SAFETY: none of its functions does anything.
        let waker = unsafe { Waker::from_raw(raw()) };
        match Box::pin(future).as_mut().poll(&mut Waking::from_waker(&waker)) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn results_of_work_come_back_unchanged() {
        assert_eq!(Operation::of(Span::of_test(), None).run(|| Err::<(), _>(()), failure), Err(()));
        assert_eq!(Operation::NONE.run(|| Ok::<_, ()>(7), failure), Ok(7));
        let status = Some(Status { key: key::RPC_STATUS, success: "OK" });
        assert_eq!(now(Operation::of(Span::of_test(), status).around(async { Ok::<_, ()>(7) }, failure)), Ok(7));
        assert_eq!(now(Operation::NONE.around(async { Err::<(), _>(()) }, failure)), Err(()));
    }

    #[test]
    fn an_operation_ends_once() {
        let mut operation = Operation::of(Span::of_test(), None);
        assert!(!operation.is_none());
        operation.end(&[]);
        assert!(operation.is_none());
        operation.fail(&Failure::class("io"));
        drop(operation);
        drop(Operation::NONE);
    }
}

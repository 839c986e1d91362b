//! Spans of the user's own functions, and contexts in threads that they start: which functions and calls a source has, which
//! of them are chosen, and the source with calls of the hooks there. Pure, as all of [`weave`](super).

mod find;
mod insert;
mod pattern;
mod shape;
mod threads;

pub(crate) use find::{Contents, FoundFunction, ModuleFile, NotWovenFunction, find};
pub(crate) use insert::{PlacedSpan, with_module, with_spans};
pub(crate) use pattern::SpanPattern;
pub(crate) use threads::thread_calls;

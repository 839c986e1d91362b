//! Spans of the user's own functions: which functions a source has, which of them a pattern chooses, and the source with
//! calls of the hooks in their bodies. Pure, as all of [`weave`](super).

mod find;
mod insert;
mod pattern;
mod shape;

pub(crate) use find::{Contents, FoundFunction, ModuleFile, NotWovenFunction, find};
pub(crate) use insert::{PlacedSpan, with_module, with_spans};
pub(crate) use pattern::SpanPattern;

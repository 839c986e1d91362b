//! Building blocks that instrumentations share. Advice then holds only what is specific to its crate: where an address
//! is kept, how an error exposes its code, what counts as a row.
//!
//! | shape | here |
//! | --- | --- |
//! | a statement with its rows | [`statement::Session`], [`statement::Statement`] |
//! | a message sent, received, processed | [`message::Destination`], named by [`rabbitmq`] for that broker |
//! | a pool of connections | [`pool::Pool`] with its [`pool::Connection`]s |
//! | a remote procedure call served or sent | [`call`] |
//! | a call of a search engine's endpoint | [`endpoint`] |
//! | internal work, and work that is not recorded | [`work`] |
//! | a span that the program makes by itself | [`ManualSpan`] |
//! | a function of the user's own | [`function`] |
//! | an HTTP request served | [`served::Exchange`], and the [`route`] that a framework finds for it |
//! | an HTTP request sent | [`sent::Attempt`], with [`Host`](crate::http::client::Host) for its connections |
//! | values that a library does not keep | [`Recent`] |
//! | a task that carries its context | [`carry`](crate::carry()), [`detach`](crate::detach) |
//!
//! Guards end their spans: with a result, with a [`Failure`], or as `cancelled` when they are dropped early.

pub mod call;
pub mod endpoint;
mod failure;
mod fields;
pub mod function;
mod manual;
pub mod message;
mod operation;
pub mod pool;
pub mod rabbitmq;
mod recent;
pub mod route;
pub mod sent;
pub mod served;
pub mod statement;
pub mod work;

pub use failure::Failure;
pub use fields::{Field, Getter, Setter};
pub use manual::{ManualSpan, Start};
pub use operation::Operation;
pub use recent::Recent;

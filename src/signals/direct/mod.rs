//! OTLP's protobuf straight from assembled records, without the SDK's types: each span or log record is encoded once, as it
//! is read, and a batch is put together of what is encoded.

mod batch;
mod logs;
mod protobuf;
mod spans;
#[cfg(test)]
mod tests;

pub(crate) use batch::{EncodedBatch, EncodedItem};
pub(crate) use logs::LogEncoder;
pub(crate) use spans::span;

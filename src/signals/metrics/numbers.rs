//! Numbers of the three types that instruments have.

use crate::wire::series::number;

/// A number of an instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Number {
    /// The number with these bits, of a `wire::series::number`.
    pub(super) fn new(kind: u8, bits: u64) -> Number {
        match kind {
            number::U64 => Number::U64(bits),
            number::F64 => Number::F64(f64::from_bits(bits)),
            _ => Number::I64(bits as i64),
        }
    }

    /// Sums of whole numbers wrap where their processes' do.
    pub(super) fn plus(self, more: Number) -> Number {
        match self {
            Number::U64(number) => Number::U64(number.wrapping_add(more.to_u64())),
            Number::I64(number) => Number::I64(number.wrapping_add(more.to_i64())),
            Number::F64(number) => Number::F64(number + more.to_f64()),
        }
    }

    pub(super) fn minus(self, less: Number) -> Number {
        match self {
            Number::U64(number) => Number::U64(number.wrapping_sub(less.to_u64())),
            Number::I64(number) => Number::I64(number.wrapping_sub(less.to_i64())),
            Number::F64(number) => Number::F64(number - less.to_f64()),
        }
    }

    pub(super) fn to_u64(self) -> u64 {
        match self {
            Number::U64(number) => number,
            Number::I64(number) => u64::try_from(number).unwrap_or(0),
            Number::F64(number) => number as u64,
        }
    }

    pub(super) fn to_i64(self) -> i64 {
        match self {
            Number::U64(number) => i64::try_from(number).unwrap_or(i64::MAX),
            Number::I64(number) => number,
            Number::F64(number) => number as i64,
        }
    }

    pub(super) fn to_f64(self) -> f64 {
        match self {
            Number::U64(number) => number as f64,
            Number::I64(number) => number as f64,
            Number::F64(number) => number,
        }
    }
}

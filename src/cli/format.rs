//! The values of `--format`.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::ops::Format;

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Format] {
        &[Format::Table, Format::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Format::Table => PossibleValue::new("table").help("For people"),
            Format::Json => PossibleValue::new("json").help("For programs"),
        })
    }
}

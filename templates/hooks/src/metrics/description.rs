//! Descriptions of instruments: scope, kind, and the fields that identify them.

use std::fmt;

use super::set::{self, AttributeSet};
use super::{InstrumentKind, NumberKind};
use crate::attribute::{key, Attribute, Value};
use crate::scope::Scope;
use crate::wire;

/// The scope of an instrument.
#[derive(Clone, Copy)]
pub enum Owner<'a> {
    /// An instrumentation's own.
    Layer(&'static Scope),
    /// The user's, with the scope that the user named.
    Named {
        /// Its name.
        name: &'a str,
        /// Its version.
        version: Option<&'a str>,
        /// Where its schema is.
        schema_url: Option<&'a str>,
        /// Its attributes.
        attributes: &'a dyn AttributeSet,
    },
}

impl fmt::Debug for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Layer(scope) => f.debug_tuple("Layer").field(scope).finish(),
            Owner::Named { name, version, .. } => {
                f.debug_struct("Named").field("name", name).field("version", version).finish()
            }
        }
    }
}

/// The description of an instrument.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// Its scope.
    pub owner: Owner<'a>,
    /// Its kind.
    pub kind: InstrumentKind,
    /// The type of its numbers.
    pub number: NumberKind,
    /// Its name: a letter, then up to 254 letters, digits, `_`, `.`, `-` or `/`.
    pub name: &'a str,
    /// Its unit (UCUM): up to 63 ASCII characters, or none.
    pub unit: &'a str,
    /// What it measures, in words.
    pub description: &'a str,
    /// Upper bounds of a histogram's buckets, rising; `None` for those that the specification has for all.
    pub boundaries: Option<&'a [f64]>,
    /// Whether its values are counted elsewhere, between these bounds and no others: see `Instrument::observe`.
    pub is_observed: bool,
}

/// Longest identity of an instrument: its name, its unit and its scope's.
const MOST_IDENTITY: usize = 16 << 10;
/// Most attributes of a series or a scope.
pub(super) const MOST_ATTRIBUTES: usize = 1000;

/// The identity of an instrument, unless it is too long. Names are the same in capital letters.
pub(super) fn identity(description: &Description<'_>) -> Option<Vec<u8>> {
    if let Owner::Named { name, version, schema_url, attributes } = description.owner {
        let text = name.len() + version.map_or(0, str::len) + schema_url.map_or(0, str::len);
        if text > MOST_IDENTITY || attributes.count() > MOST_ATTRIBUTES {
            return None;
        }
    }
    let mut bytes = vec![description.kind as u8, description.number as u8];
    let mut part = |text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    part(&description.name.to_ascii_lowercase());
    part(description.unit);
    match description.owner {
        Owner::Layer(scope) => part(scope.marker()),
        Owner::Named { name, version, schema_url, attributes } => {
            part(name);
            part(version.unwrap_or(""));
            part(schema_url.unwrap_or(""));
            bytes.extend(set::canonical(attributes).0);
        }
    }
    Some(bytes).filter(|bytes| bytes.len() <= MOST_IDENTITY)
}

pub(super) fn is_allowed(description: &Description<'_>) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(byte);
    let bounds = description.boundaries.unwrap_or(&[]);
    let rising = bounds.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
    let name = description.name.as_bytes();
    name.first().map_or(false, u8::is_ascii_alphabetic)
        && name.len() <= 255
        && name.iter().all(rest)
        && description.unit.len() <= 63
        && description.unit.is_ascii()
        && rising
        && bounds.len() <= wire::MAX_BOUNDS
        && bounds.iter().all(|bound| bound.is_finite())
}

/// What the launcher reads of an instrument, without the attributes of its scope.
pub(super) fn attributes<'a>(description: &Description<'a>) -> Vec<Attribute<'a>> {
    let mut attributes: Vec<Attribute<'_>> = vec![
        (key::METRIC_NAME, description.name.into()),
        (key::METRIC_UNIT, Value::known(description.unit)),
        (key::METRIC_DESCRIPTION, Value::known(description.description)),
    ];
    match description.owner {
        Owner::Layer(scope) => attributes.push((key::SCOPE, scope.marker().into())),
        Owner::Named { name, version, schema_url, .. } => attributes.extend([
            (key::SCOPE_NAME, name.into()),
            (key::SCOPE_VERSION, version.into()),
            (key::SCOPE_SCHEMA_URL, schema_url.into()),
        ]),
    }
    attributes
}

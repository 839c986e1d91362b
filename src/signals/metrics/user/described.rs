//! What an entry of a region says of an instrument.

use opentelemetry::InstrumentationScope;

use crate::channel::Entry;
use crate::conventions;
use crate::records::assemble::scope_from;
use crate::records::record::{Attributes, Value};
use crate::wire::key;
use crate::wire::series::{instrument_kind, number};

/// What tells instruments apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct InstrumentId {
    pub(crate) scope: InstrumentationScope,
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) number: u8,
    pub(crate) unit: String,
}

/// An instrument.
pub(super) struct Described {
    pub(super) id: InstrumentId,
    pub(super) description: String,
    /// Which of a histogram's bounds it advises, bit by bit; empty for all.
    advised: Vec<u8>,
}

/// What an entry says of an instrument, if it can be one.
pub(super) fn described(entry: &Entry) -> Option<Described> {
    let is_known = (instrument_kind::COUNTER..=instrument_kind::OBSERVABLE_GAUGE).contains(&entry.kind)
        && (number::U64..=number::F64).contains(&entry.number);
    Some(Described::of(entry)).filter(|described| is_known && !described.id.name.is_empty())
}

impl Described {
    /// Whether it can be one or not.
    pub(super) fn of(entry: &Entry) -> Described {
        let (mut name, mut unit, mut description) = Default::default();
        let (mut marker, mut scope_name, mut version, mut schema_url) = (None, None, None, None);
        let (mut attributes, mut advised) = (Vec::new(), Vec::new());
        for said in Attributes::new(&entry.bytes, entry.attributes.into()) {
            let text = || said.value.text().into_owned();
            match said.key {
                key::METRIC_NAME => name = text(),
                key::METRIC_UNIT => unit = text(),
                key::METRIC_DESCRIPTION => description = text(),
                key::METRIC_ADVISED => {
                    if let Value::Bytes(bits) = said.value {
                        advised = bits.to_vec();
                    }
                }
                key::SCOPE => marker = Some(text()),
                key::SCOPE_NAME => scope_name = Some(text()),
                key::SCOPE_VERSION => version = Some(text()),
                key::SCOPE_SCHEMA_URL => schema_url = Some(text()),
                _ => attributes.extend(conventions::named(&said)),
            }
        }
        let scope = match scope_name {
            None => scope_from(&marker.unwrap_or_default()),
            Some(scope_name) => {
                let mut scope = InstrumentationScope::builder(scope_name).with_attributes(attributes);
                if let Some(version) = version {
                    scope = scope.with_version(version);
                }
                if let Some(schema_url) = schema_url {
                    scope = scope.with_schema_url(schema_url);
                }
                scope.build()
            }
        };
        Described {
            id: InstrumentId { scope, name, kind: entry.kind, number: entry.number, unit },
            description,
            advised,
        }
    }

    /// Those of `bounds` that the histogram advises; `None` where these are all there are.
    pub(super) fn advised(&self, bounds: &[f64]) -> Option<Vec<f64>> {
        let is_advised = |index: usize| self.advised.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
        let advised = bounds.iter().enumerate().filter(|(index, _)| is_advised(*index)).map(|(_, bound)| *bound);
        (!self.advised.is_empty()).then(|| advised.collect())
    }
}

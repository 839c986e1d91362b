//! The description of an instrument in an entry of a region.

use opentelemetry::InstrumentationScope;

use crate::attributes::attribute::Attribute;
use crate::channel::SeriesEntry;
use crate::conventions;
use crate::records::record::FactReader;
use crate::records::scope;
use crate::records::value::FactValue;
use crate::wire::key;
use crate::wire::series::{instrument_kind, number};

/// The properties by which instruments differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct InstrumentId {
    pub(crate) scope: InstrumentationScope,
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) number: u8,
    pub(crate) unit: String,
}

/// An instrument, as its entry describes it.
pub(super) struct InstrumentDescription {
    pub(super) id: InstrumentId,
    pub(super) description: String,
    /// Which of a histogram's bounds it advises, bit by bit; empty for all.
    advised: Vec<u8>,
}

/// The instrument that an entry describes, if the description is complete.
pub(super) fn description(entry: &SeriesEntry) -> Option<InstrumentDescription> {
    let is_known = (instrument_kind::COUNTER..=instrument_kind::OBSERVABLE_GAUGE).contains(&entry.kind)
        && (number::U64..=number::F64).contains(&entry.number);
    Some(InstrumentDescription::of(entry)).filter(|description| is_known && !description.id.name.is_empty())
}

impl InstrumentDescription {
    /// Whatever the entry holds of a description.
    pub(super) fn of(entry: &SeriesEntry) -> InstrumentDescription {
        let (mut name, mut unit, mut description) = Default::default();
        let (mut marker, mut scope_name, mut version, mut schema_url) = (None, None, None, None);
        let (mut attributes, mut advised) = (Vec::new(), Vec::new());
        for attribute in FactReader::new(&entry.bytes, entry.attributes.into()) {
            let text = || attribute.value.text().into_owned();
            match attribute.key {
                key::METRIC_NAME => name = text(),
                key::METRIC_UNIT => unit = text(),
                key::METRIC_DESCRIPTION => description = text(),
                key::METRIC_ADVISED => {
                    if let FactValue::Bytes(bits) = attribute.value {
                        advised = bits.to_vec();
                    }
                }
                key::SCOPE => marker = Some(text()),
                key::SCOPE_NAME => scope_name = Some(text()),
                key::SCOPE_VERSION => version = Some(text()),
                key::SCOPE_SCHEMA_URL => schema_url = Some(text()),
                _ => attributes.extend(conventions::named(&attribute).map(Attribute::into_sdk)),
            }
        }
        let scope = match scope_name {
            None => (*scope::of_layer(&marker.unwrap_or_default())).clone(),
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
        InstrumentDescription {
            id: InstrumentId { scope, name, kind: entry.kind, number: entry.number, unit },
            description,
            advised,
        }
    }

    /// The part of `bounds` that the histogram advises; `None` where there are no others.
    pub(super) fn advised(&self, bounds: &[f64]) -> Option<Vec<f64>> {
        let is_advised = |index: usize| self.advised.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
        let advised = bounds.iter().enumerate().filter(|(index, _)| is_advised(*index)).map(|(_, bound)| *bound);
        (!self.advised.is_empty()).then(|| advised.collect())
    }
}

//! Work inside the program.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::{Attributes, Described, clean, error_type, status};
use crate::records::facts::Facts;
use crate::wire::key;

pub(super) fn describe(facts: &Facts<'_>, cut: Option<&str>) -> Described {
    let mut to = Attributes::default();
    let error = error_type(facts, cut);
    to.text(name::ERROR_TYPE, error.clone());
    let own = clean(facts, key::SPAN_NAME);
    let span_name = own.map_or("internal".into(), Cow::Owned);
    Described {
        name: span_name,
        kind: SpanKind::Internal,
        attributes: to.0,
        status: status(facts, error.is_some(), cut),
        measured: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::super::{HttpSettings, describe, testing};
    use super::*;
    use crate::records::record::{Fact, FactValue};
    use crate::wire::Domain;

    #[test]
    fn an_internal_span_keeps_its_own_name_and_attributes() {
        let recorded = [
            Fact { key: key::SPAN_NAME, name: b"", value: FactValue::Bytes(b"buffer wait") },
            Fact { key: key::NAMED, name: b"tower.limit", value: FactValue::Int(3) },
            Fact { key: key::NAMED, name: b"user.password", value: FactValue::Bytes(b"hunter2") },
        ];
        let described =
            describe(Domain::Internal as u8, &Facts::new(recorded.to_vec()), None, &HttpSettings::default());
        assert_eq!((described.name.as_ref(), described.kind), ("buffer wait", SpanKind::Internal));
        assert_eq!(testing::shown(&described.attributes), ["tower.limit=3", "user.password=REDACTED"]);
        assert_eq!(described.status, Status::Unset);
    }
}

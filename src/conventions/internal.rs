//! Work inside the program, and spans of the program's own, which may be of any kind.

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::{Attributes, Described, Measurements, clean, error_type, status};
use crate::records::facts::Facts;
use crate::wire::{self, key};

pub(super) fn describe<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
    let mut to = Attributes::default();
    let error = error_type(facts, cut);
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    let span_name = clean(facts, key::SPAN_NAME).unwrap_or("internal".into()).into();
    let status = status(facts, failed, cut);
    Described { name: span_name, kind: kind(facts), attributes: to.0, status, measured: Measurements::default() }
}

fn kind(facts: &Facts<'_>) -> SpanKind {
    match facts.int(key::SPAN_KIND).and_then(wire::SpanKind::of) {
        Some(wire::SpanKind::Server) => SpanKind::Server,
        Some(wire::SpanKind::Client) => SpanKind::Client,
        Some(wire::SpanKind::Producer) => SpanKind::Producer,
        Some(wire::SpanKind::Consumer) => SpanKind::Consumer,
        Some(wire::SpanKind::Internal) | None => SpanKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, describe, testing};
    use super::*;
    use crate::records::record::Fact;
    use crate::records::value::FactValue;
    use crate::wire::Domain;
    use opentelemetry::trace::Status;

    #[test]
    fn an_internal_span_keeps_its_own_name_and_attributes() {
        let recorded = [
            Fact { key: key::SPAN_NAME, name: b"", value: FactValue::Bytes(b"buffer wait") },
            Fact { key: key::NAMED, name: b"tower.limit", value: FactValue::Int(3) },
            Fact { key: key::NAMED, name: b"user.password", value: FactValue::Bytes(b"hunter2") },
        ];
        let described = describe(Domain::Internal as u8, &Facts::new(recorded.to_vec()), None, &Settings::default());
        assert_eq!((described.name.to_string().as_str(), described.kind.clone()), ("buffer wait", SpanKind::Internal));
        assert_eq!(testing::shown(&described.attributes), ["tower.limit=3", "user.password=REDACTED"]);
        assert_eq!(described.status, Status::Unset);
    }

    #[test]
    fn a_span_of_the_program_has_the_kind_and_status_that_it_was_given() {
        let ok = [(key::SPAN_KIND, "3"), (key::ERROR_TYPE, "io"), (key::SPAN_STATUS, "1")];
        let described = |recorded: &[(u16, &'static str)], cut| {
            describe(Domain::Internal as u8, &testing::facts(recorded), cut, &Settings::default())
        };
        assert_eq!((described(&ok, None).kind, described(&ok, None).status), (SpanKind::Client, Status::Ok));
        let failed = [(key::SPAN_KIND, "9"), (key::SPAN_STATUS, "2"), (key::ERROR_MESSAGE, "no stock")];
        let failed = described(&failed, None);
        assert_eq!((failed.kind, failed.status), (SpanKind::Internal, Status::error("no stock")));
        // One that the process's end has cut was not over.
        assert!(matches!(described(&ok, Some("SIGKILL")).status, Status::Error { .. }));
    }
}

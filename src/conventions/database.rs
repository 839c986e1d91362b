//! Database operations.

use std::sync::Arc;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_semantic_conventions::attribute as name;

use super::sql;
use super::statements::{KnownStatement, Statements};
use super::{Attributes, Described, Measured, clean, error_type};
use crate::attributes::attribute::Text;
use crate::conventions::catalog::{DB_CLIENT_OPERATION_DURATION, DB_CLIENT_RESPONSE_RETURNED_ROWS};
use crate::records::facts::Facts;
use crate::redact;
use crate::wire::{Language, key};

/// The query without its values, read in its own language.
fn query(facts: &Facts<'_>, statements: &Statements) -> KnownStatement {
    let Some(query) = facts.text(key::DB_QUERY) else { return KnownStatement::default() };
    statements.read(&query, facts.int(key::DB_LANGUAGE).and_then(Language::of).unwrap_or(Language::Sql))
}

pub(super) fn describe<'a>(facts: &Facts<'a>, cut: Option<&'a str>, statements: &Statements) -> Described<'a> {
    let mut to = Attributes::default();
    let system = facts.text(key::DB_SYSTEM).map_or("other_sql".into(), Text::from);
    let namespace = facts.text(key::DB_NAMESPACE).map(|namespace| Text::from(namespace).cleaned(redact::url));
    let KnownStatement { text, summary, operation, collection, batch } = query(facts, statements);
    // One text that was executed several times.
    let repeated = facts.int(key::DB_BATCH_SIZE).is_some_and(|size| size > 1) && batch.is_none();
    let of_batch = |name: Arc<str>| if repeated { sql::name_of_batch(&name).into() } else { name };
    let (summary, operation) = (summary.map(of_batch), operation.map(of_batch));
    let summary = summary.filter(|_| facts.get(key::DB_OPERATION).is_none()).map(Text::Shared);
    let operation = clean(facts, key::DB_OPERATION).or(operation.map(Text::Shared));
    let (target, procedure) = (clean(facts, key::DB_COLLECTION), clean(facts, key::DB_PROCEDURE));
    // A text that calls a procedure is summed up by its operation alone: `CALL`.
    let summary = summary.filter(|summary| procedure.is_none() || Some(summary) != operation.as_ref());
    let summary = summary.or_else(|| match (&operation, target.as_ref().or(procedure.as_ref())) {
        (Some(operation), Some(target)) => Some(Text::Owned(format!("{operation} {target}"))),
        (operation, _) => operation.clone(),
    });
    let collection = target.or(collection.map(Text::Shared));
    let batch = batch.and_then(|size| i64::try_from(size).ok());
    let batch = facts.int(key::DB_BATCH_SIZE).filter(|size| *size >= 0 && *size != 1).or(batch);
    let address = clean(facts, key::SERVER_ADDRESS);
    to.text(name::DB_SYSTEM_NAME, Some(system.clone()));
    to.text(name::DB_NAMESPACE, namespace.clone());
    to.text(name::DB_OPERATION_NAME, operation);
    to.int(name::DB_OPERATION_BATCH_SIZE, batch);
    to.text(name::DB_COLLECTION_NAME, collection.clone());
    to.text(name::DB_STORED_PROCEDURE_NAME, procedure.clone());
    to.text(name::DB_QUERY_TEXT, text);
    to.text(name::DB_QUERY_SUMMARY, summary.clone());
    let port = facts.port(key::SERVER_PORT).filter(|_| address.is_some());
    to.text(name::SERVER_ADDRESS, address);
    to.int(name::SERVER_PORT, port);
    to.text(name::NETWORK_PEER_ADDRESS, facts.text(key::PEER_ADDRESS));
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    let code = clean(facts, key::DB_STATUS);
    to.text(name::DB_RESPONSE_STATUS_CODE, code);
    let rows = facts.int(key::DB_ROWS);
    to.int(name::DB_RESPONSE_RETURNED_ROWS, rows);
    let failed = error_type(facts, cut);
    let has_failed = failed.is_some();
    to.text(name::ERROR_TYPE, failed);
    let span_name = summary.or(collection).or(procedure).or(namespace).unwrap_or(system);
    let selected = to.of(&DB_CLIENT_OPERATION_DURATION);
    let returned = rows.map(|_| to.of(&DB_CLIENT_RESPONSE_RETURNED_ROWS)).unwrap_or_default();
    Described {
        name: span_name.into(),
        kind: SpanKind::Client,
        status: match (has_failed, cut) {
            (false, _) => Status::Unset,
            (true, Some(_)) => super::status(facts, true, cut),
            (true, None) => {
                Status::error(redact::database_message(&facts.text(key::ERROR_MESSAGE).unwrap_or_default()))
            }
        },
        measured: [
            Some(Measured::duration(&DB_CLIENT_OPERATION_DURATION, selected)),
            Measured::counted(&DB_CLIENT_RESPONSE_RETURNED_ROWS, rows, returned),
        ]
        .into(),
        attributes: to.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::described::Amount;
    use super::super::testing::{self, facts, shown};
    use super::*;

    fn describe<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
        super::describe(facts, cut, &Statements::default())
    }

    #[test]
    fn a_query_has_the_attributes_of_the_conventions() {
        let described = describe(
            &facts(&[
                (key::DB_SYSTEM, "postgresql"),
                (key::DB_NAMESPACE, "shop"),
                (key::DB_LANGUAGE, "2"),
                (key::DB_QUERY, "SELECT * FROM orders WHERE email = 'ada@example.com' AND id = $1"),
                (key::SERVER_ADDRESS, "db.test"),
                (key::SERVER_PORT, "5432"),
                (key::DB_ROWS, "1"),
            ]),
            None,
        );
        assert_eq!((described.name.to_string().as_str(), described.kind.clone()), ("SELECT orders", SpanKind::Client));
        assert_eq!(
            shown(&described.attributes),
            [
                "db.collection.name=orders",
                "db.namespace=shop",
                "db.operation.name=SELECT",
                "db.query.summary=SELECT orders",
                "db.query.text=SELECT * FROM orders WHERE email = ? AND id = $1",
                "db.response.returned_rows=1",
                "db.system.name=postgresql",
                "server.address=db.test",
                "server.port=5432",
            ]
        );
        let rows = described.measured.iter().nth(1).unwrap();
        let measured = testing::measured(&described, 0);
        assert!(!measured.iter().any(|shown| shown.contains("query.text") || shown.contains("rows")), "{measured:?}");
        assert_eq!((rows.metric.name, rows.amount), ("db.client.response.returned_rows", Amount::Recorded(1.0)));
        assert_eq!(testing::measured(&described, 1), measured);
    }

    #[test]
    fn a_statement_that_is_executed_several_times_is_a_batch() {
        let of = |size| {
            let query = (key::DB_QUERY, "INSERT INTO orders VALUES (?, ?)");
            let described = describe(&facts(&[(key::DB_SYSTEM, "mysql"), query, (key::DB_BATCH_SIZE, size)]), None);
            (described.name.to_string(), shown(&described.attributes))
        };
        let (name, attributes) = of("3");
        assert_eq!(name, "BATCH INSERT orders");
        for expected in ["db.operation.name=BATCH INSERT", "db.operation.batch.size=3", "db.collection.name=orders"] {
            assert!(attributes.iter().any(|shown| shown == expected), "{expected}: {attributes:?}");
        }
        assert_eq!(of("1").0, "INSERT orders");
    }

    #[test]
    fn several_statements_are_a_batch() {
        let described = describe(
            &facts(&[
                (key::DB_SYSTEM, "postgresql"),
                (key::DB_QUERY, "DELETE FROM orders WHERE id = 7; INSERT INTO notes VALUES ('hunter2')"),
            ]),
            None,
        );
        assert_eq!(described.name, "BATCH");
        assert_eq!(
            shown(&described.attributes),
            [
                "db.operation.batch.size=2",
                "db.operation.name=BATCH",
                "db.query.summary=BATCH",
                "db.query.text=DELETE FROM orders WHERE id = ?; INSERT INTO notes VALUES (?)",
                "db.system.name=postgresql",
            ]
        );
    }

    #[test]
    fn an_operation_without_a_statement_names_the_span() {
        let described = describe(&facts(&[(key::DB_SYSTEM, "sqlite"), (key::DB_OPERATION, "COMMIT")]), None);
        assert_eq!(described.name, "COMMIT");
        let described = describe(&facts(&[(key::DB_SYSTEM, "sqlite"), (key::DB_NAMESPACE, "shop.db")]), None);
        assert_eq!(described.name, "shop.db");
        assert_eq!(describe(&facts(&[]), None).name, "other_sql");
    }

    #[test]
    fn an_error_keeps_its_code_and_loses_the_values_it_quotes() {
        let described = describe(
            &facts(&[
                (key::DB_SYSTEM, "mysql"),
                (key::DB_QUERY, "INSERT INTO users VALUES (1)"),
                (key::DB_STATUS, "1062"),
                (key::ERROR_TYPE, "1062"),
                (key::ERROR_MESSAGE, "Duplicate entry 'ada@example.com' for key 'email'"),
            ]),
            None,
        );
        assert_eq!(described.status, Status::error("Duplicate entry ? for key ?"));
        let attributes = shown(&described.attributes);
        assert!(attributes.contains(&"db.response.status_code=1062".to_owned()), "{attributes:?}");
        assert!(attributes.contains(&"error.type=1062".to_owned()), "{attributes:?}");
    }

    #[test]
    fn text_is_read_in_its_own_language() {
        for (language, clean) in [
            (Some(Language::PostgreSql), r#"SELECT "a" FROM t"#),
            (Some(Language::MySql), "SELECT ? FROM t"),
            (Some(Language::Sql), "SELECT ? FROM t"),
            (None, "SELECT ? FROM t"),
            (Some(Language::Command), "SELECT ? ? ?"),
            (Some(Language::Plain), r#"SELECT "a" FROM t"#),
        ] {
            let number = language.map(|language| (language as u8).to_string());
            let query = [(key::DB_QUERY, r#"SELECT "a" FROM t"#)].into_iter();
            let recorded: Vec<_> = query.chain(number.as_deref().map(|number| (key::DB_LANGUAGE, number))).collect();
            let attributes = shown(&describe(&facts(&recorded), None).attributes);
            assert!(attributes.contains(&format!("db.query.text={clean}")), "{language:?}: {attributes:?}");
        }
    }

    #[test]
    fn recorded_parts_name_an_operation_without_text() {
        let described = |recorded: &[(u16, &str)]| {
            let described = describe(&facts(recorded), None);
            (described.name.to_string(), shown(&described.attributes))
        };
        let (name, attributes) = described(&[
            (key::DB_SYSTEM, "mongodb"),
            (key::DB_NAMESPACE, "shop"),
            (key::DB_OPERATION, "insert"),
            (key::DB_COLLECTION, "orders"),
            (key::DB_BATCH_SIZE, "3"),
        ]);
        assert_eq!(name, "insert orders");
        assert_eq!(
            attributes,
            [
                "db.collection.name=orders",
                "db.namespace=shop",
                "db.operation.batch.size=3",
                "db.operation.name=insert",
                "db.query.summary=insert orders",
                "db.system.name=mongodb",
            ]
        );
        assert_eq!(described(&[(key::DB_SYSTEM, "redis"), (key::DB_COLLECTION, "orders")]).0, "orders");
        let (name, attributes) =
            described(&[(key::DB_SYSTEM, "redis"), (key::DB_PROCEDURE, "f"), (key::DB_BATCH_SIZE, "1")]);
        assert_eq!(name, "f");
        assert_eq!(attributes, ["db.stored_procedure.name=f", "db.system.name=redis"]);
    }

    #[test]
    fn a_procedure_is_the_target_of_its_call() {
        let called = [(key::DB_SYSTEM, "mysql"), (key::DB_OPERATION, "CALL"), (key::DB_PROCEDURE, "f")];
        let described = describe(&facts(&called), None);
        assert_eq!(described.name, "CALL f");
        let attributes =
            ["db.operation.name=CALL", "db.query.summary=CALL f", "db.stored_procedure.name=f", "db.system.name=mysql"];
        assert_eq!(shown(&described.attributes), attributes);
        assert_eq!(testing::measured(&described, 0), attributes);
        let called = [(key::DB_SYSTEM, "mysql"), (key::DB_QUERY, "CALL f(7)"), (key::DB_PROCEDURE, "f")];
        assert_eq!(describe(&facts(&called), None).name, "CALL f");
    }
}

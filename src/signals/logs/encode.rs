//! A batch of log records, as OTLP has it.

use std::collections::HashMap;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1 as proto;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;

use super::data::LogData;
use crate::resource::Source;
use crate::signals::resource::to_otlp;
use crate::signals::sourced::{Sourced, by_source};

/// The records by program and scope.
pub(crate) fn request(logs: Vec<Sourced<LogData>>) -> ExportLogsServiceRequest {
    let of_program = |(source, logs): (Source, Vec<LogData>)| {
        let (resource, schema_url) = encoded(&to_otlp(source.resource()));
        ResourceLogs { resource: Some(resource), scope_logs: by_scope(&logs), schema_url }
    };
    ExportLogsServiceRequest { resource_logs: by_source(logs).into_iter().map(of_program).collect() }
}

fn encoded(resource: &ResourceAttributesWithSchema) -> (proto::Resource, String) {
    let attributes = resource.attributes.0.clone();
    let encoded = proto::Resource { attributes, dropped_attributes_count: 0, entity_refs: Vec::new() };
    (encoded, resource.schema_url.clone().unwrap_or_default())
}

/// Groups records by scope. The SDK's own conversion would leave out the number of dropped attributes.
fn by_scope(logs: &[LogData]) -> Vec<ScopeLogs> {
    let mut scopes: HashMap<&InstrumentationScope, usize> = HashMap::new();
    let mut scope_logs: Vec<ScopeLogs> = Vec::new();
    for log in logs {
        let index = *scopes.entry(&log.scope).or_insert_with(|| {
            let schema_url = log.scope.schema_url().unwrap_or_default().to_owned();
            scope_logs.push(ScopeLogs { scope: Some((&log.scope, None).into()), schema_url, log_records: Vec::new() });
            scope_logs.len() - 1
        });
        let mut record = LogRecord::from(&log.record);
        record.dropped_attributes_count = log.dropped_attributes;
        scope_logs[index].log_records.push(record);
    }
    scope_logs
}

#[cfg(test)]
mod tests {
    use super::super::data::testing::{LOG, made};
    use super::*;
    use crate::config::LogLimits;
    use crate::records::record::LogHeader;
    use crate::records::record::make::Given;
    use crate::resource::testing::source;
    use crate::wire::key;

    #[test]
    fn a_request_holds_each_scope_once_and_the_records_in_their_order() {
        let (one, other) = (source(0, "one"), source(1, "other"));
        let of = |source: &Source, target: &'static str, time| {
            let facts = [Given::Text(key::LOG_TARGET, target), Given::NamedInt("a", 1)];
            let item = made(&LogHeader { time, ..LOG }, &facts, &LogLimits { value_length: None, attributes: 0 });
            Sourced { source: source.clone(), item }
        };
        let logs = vec![of(&one, "a", 1), of(&other, "a", 4), of(&one, "b", 2), of(&one, "a", 3)];
        let request = request(logs);
        let [ResourceLogs { scope_logs, .. }, second] = request.resource_logs.as_slice() else {
            panic!("two programs")
        };
        assert_eq!(second.scope_logs[0].log_records[0].time_unix_nano, 4);
        let name = &second.resource.as_ref().unwrap().attributes[0].value;
        assert!(format!("{name:?}").contains("other"), "{name:?}");
        let found: Vec<_> = scope_logs
            .iter()
            .map(|scope| {
                let times: Vec<_> = scope.log_records.iter().map(|log| log.time_unix_nano).collect();
                (scope.scope.as_ref().unwrap().name.as_str(), times)
            })
            .collect();
        assert_eq!(found, [("a", vec![1, 3]), ("b", vec![2])]);
        assert_eq!(scope_logs[1].log_records[0].dropped_attributes_count, 1);
    }
}

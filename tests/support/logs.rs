//! Log records as the tests see them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as proto;

use super::model::{Attributes, Value, attributes, hex, value};

#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// Empty: written outside of any trace.
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) time: u64,
    pub(crate) observed: u64,
    pub(crate) severity: (i32, String),
    pub(crate) body: Value,
    pub(crate) attributes: Attributes,
    pub(crate) dropped_attributes: u32,
    pub(crate) scope: (String, String),
    pub(crate) resource: Attributes,
}

/// The log records of one export request.
pub(crate) fn logs(request: &ExportLogsServiceRequest) -> Vec<Log> {
    let mut logs = Vec::new();
    for resource_logs in &request.resource_logs {
        let resource =
            resource_logs.resource.as_ref().map(|resource| attributes(&resource.attributes)).unwrap_or_default();
        for scope_logs in &resource_logs.scope_logs {
            let scope = scope_logs.scope.clone().unwrap_or_default();
            let scope = (scope.name, scope.version);
            logs.extend(scope_logs.log_records.iter().map(|log| one(log, scope.clone(), &resource)));
        }
    }
    logs
}

fn one(log: &proto::LogRecord, scope: (String, String), resource: &Attributes) -> Log {
    Log {
        trace: hex(&log.trace_id),
        span: hex(&log.span_id),
        time: log.time_unix_nano,
        observed: log.observed_time_unix_nano,
        severity: (log.severity_number, log.severity_text.clone()),
        body: value(log.body.as_ref()),
        attributes: attributes(&log.attributes),
        dropped_attributes: log.dropped_attributes_count,
        scope,
        resource: resource.clone(),
    }
}

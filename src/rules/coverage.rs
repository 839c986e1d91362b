//! What of a program's telemetry a crate stands for: `covers` of its `instrumentation.toml`, or its line in `known.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A part of a program's telemetry, in the order in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Coverage {
    /// HTTP requests that are served.
    Server,
    /// The routes of these.
    Routes,
    /// HTTP requests that are sent.
    Client,
    /// Remote procedure calls, served or sent.
    Rpc,
    /// Statements and commands of databases and caches.
    Database,
    /// Pools of connections to them.
    Pools,
    /// Messages that are sent and received.
    Messaging,
    /// Jobs and invocations.
    Jobs,
    /// Spans that the program makes by itself.
    Spans,
    /// Log records.
    Logs,
    /// Metrics that the program makes by itself.
    Metrics,
}

impl Coverage {
    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Coverage::Server => "requests served",
            Coverage::Routes => "routes",
            Coverage::Client => "requests sent",
            Coverage::Rpc => "remote procedure calls",
            Coverage::Database => "database calls",
            Coverage::Pools => "connection pools",
            Coverage::Messaging => "messages",
            Coverage::Jobs => "jobs",
            Coverage::Spans => "own spans",
            Coverage::Logs => "logs",
            Coverage::Metrics => "own metrics",
        }
    }

    /// The semantic conventions that define its names, for people.
    pub(crate) fn conventions(self) -> &'static str {
        match self {
            Coverage::Server | Coverage::Routes | Coverage::Client => "HTTP",
            Coverage::Rpc => "RPC",
            Coverage::Database | Coverage::Pools => "database",
            Coverage::Messaging => "messaging",
            Coverage::Jobs => "FaaS",
            Coverage::Spans | Coverage::Metrics => "the program's own names",
            Coverage::Logs => "exceptions, code",
        }
    }
}

/// Reads the text of `known.toml`: crates by what they stand for. The error names the line.
pub(crate) fn known(text: &str) -> Result<BTreeMap<String, Coverage>, String> {
    let by_coverage: BTreeMap<Coverage, Vec<String>> =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let all = by_coverage.into_iter().flat_map(|(coverage, names)| names.into_iter().map(move |name| (name, coverage)));
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_crates_are_listed_by_what_they_stand_for() {
        let known = known("server = [\"toy-server\"]\ndatabase = [\"toy-db\", \"toy-cache\"]\n").unwrap();
        assert_eq!(known.len(), 3);
        assert_eq!(known["toy-cache"], Coverage::Database);
    }

    #[test]
    fn what_a_crate_may_stand_for_is_named() {
        let error = known("servers = [\"toy\"]\n").unwrap_err();
        assert!(error.contains("line 1") && error.contains("`server`"), "{error}");
    }
}

//! Calls of a search engine's endpoints (Elasticsearch, OpenSearch), over an HTTP library that records the requests.
//!
//! ```text
//! let call = Call { system: "opensearch", method: "GET", path, address: url.host_str(), port: url.port() };
//! let mut call = endpoint::start(&SCOPE, &call);
//! let result = { let _entered = call.context().enter(); carry(&SCOPE, send()) }.await;
//! match &result {
//!     Ok(response) => endpoint::answered(&mut call, response.status().as_u16()),
//!     Err(error) => call.fail(&Failure::class("timeout")),
//! }
//! ```

use std::borrow::Cow;

use crate::attribute::{key, Key, Value};
use crate::http::FormattedText;
use crate::kit::Operation;
use crate::scope::Scope;
use crate::span::{Domain, Span};

/// A call that is about to be sent to a node.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// A value of `db.system.name`: `elasticsearch`, `opensearch`.
    pub system: &'a str,
    /// The method of its request, in capitals.
    pub method: &'static str,
    /// The path of its request.
    pub path: &'a str,
    /// Name or address of the node; that of IPv6 may stand in brackets.
    pub address: Option<&'a str>,
    /// The node's port.
    pub port: Option<u16>,
}

/// Starts the span of a call.
pub fn start(scope: &'static Scope, call: &Call<'_>) -> Operation {
    if !scope.enabled() {
        return Operation::NONE;
    }
    let Endpoint { family, name, target } = Endpoint::of(call.method, call.path);
    let separator = if family.is_empty() { "" } else { "." };
    let operation = FormattedText::<96>::of(&format_args!("{family}{separator}{name}"));
    let target = if target.contains('%') { target.replace("%2C", ",").into() } else { Cow::Borrowed(target) };
    let address = call.address.map(|address| address.trim_start_matches('[').trim_end_matches(']'));
    let attributes = [
        (key::DB_SYSTEM, call.system.into()),
        (key::DB_OPERATION, if name.is_empty() { Value::None } else { (&operation).into() }),
        (key::DB_COLLECTION, Value::known(&target)),
        (key::SERVER_ADDRESS, address.into()),
        (key::SERVER_PORT, call.port.into()),
        (Key::Named("http.request.method"), call.method.into()),
    ];
    Operation::of(Span::start(scope, Domain::Database, &attributes), None)
}

/// Ends a call with the status of its response, which is an error from 400 on.
pub fn answered(call: &mut Operation, status: u16) {
    if call.is_none() {
        return;
    }
    let text = FormattedText::<8>::of(&status);
    let error = if status >= 400 { (&text).into() } else { Value::None };
    call.end(&[(key::DB_STATUS, status.into()), (key::ERROR_TYPE, error)]);
}

/// An endpoint, named as in the API's specification where method and path show it.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint<'a> {
    /// `indices` of `indices.refresh`; empty where the endpoint has none.
    family: &'a str,
    /// Empty if unknown.
    name: &'a str,
    /// The indices that it is called for, as they stand in the path.
    target: &'a str,
}

impl<'a> Endpoint<'a> {
    /// The endpoint of a request: what comes after an endpoint's own word, which begins with `_`, is data.
    fn of(method: &str, path: &'a str) -> Endpoint<'a> {
        let path = path.split('?').next().unwrap_or_default();
        let is_word = |word: &&str| word.starts_with('_') && *word != "_all";
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let first = parts.next().unwrap_or_default();
        let (target, word) =
            if is_word(&first) { ("", first) } else { (first, parts.find(is_word).unwrap_or_default()) };
        let next = parts.next().unwrap_or_default();
        let by_method = |get, head, delete, other| match method {
            "GET" => get,
            "HEAD" => head,
            "DELETE" => delete,
            _ => other,
        };
        let (family, name) = match word {
            "" if target.is_empty() => ("", by_method("info", "ping", "", "")),
            "" => ("indices", by_method("get", "exists", "delete", "create")),
            "_doc" => ("", by_method("get", "exists", "delete", "index")),
            "_source" => ("", by_method("get_source", "exists_source", "", "")),
            "_search" => match next {
                "scroll" => ("", by_method("scroll", "", "clear_scroll", "scroll")),
                "template" => ("", "search_template"),
                "point_in_time" => ("", by_method("get_all_pits", "", "delete_pit", "create_pit")),
                _ => ("", "search"),
            },
            "_pit" => ("", by_method("", "", "close_point_in_time", "open_point_in_time")),
            "_async_search" if next == "status" => ("async_search", "status"),
            "_async_search" => ("async_search", by_method("get", "", "delete", "submit")),
            "_analyze" | "_close" | "_flush" | "_forcemerge" | "_open" | "_refresh" | "_rollover" | "_stats" => {
                ("indices", &word[1..])
            }
            "_mapping" => ("indices", by_method("get_mapping", "", "", "put_mapping")),
            "_settings" => ("indices", by_method("get_settings", "", "", "put_settings")),
            "_aliases" => ("indices", "update_aliases"),
            "_cat" | "_cluster" if is_plain(next) => (&word[1..], next),
            _ if word.len() <= 32 && is_plain(word) => ("", &word[1..]),
            _ => ("", ""),
        };
        Endpoint { family, name, target }
    }
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(method: &str, path: &str) -> (String, String) {
        let Endpoint { family, name, target } = Endpoint::of(method, path);
        ([family, name].join(".").trim_start_matches('.').to_owned(), target.to_owned())
    }

    #[test]
    fn endpoints_are_named_by_method_and_path() {
        let cases = [
            ("GET", "/", "info", ""),
            ("HEAD", "/", "ping", ""),
            ("PUT", "/books", "indices.create", "books"),
            ("GET", "/books,papers/_search", "search", "books,papers"),
            ("POST", "/_search/scroll", "scroll", ""),
            ("DELETE", "/_search/scroll", "clear_scroll", ""),
            ("POST", "/books/_pit", "open_point_in_time", "books"),
            ("DELETE", "/_pit", "close_point_in_time", ""),
            ("POST", "/books/_async_search", "async_search.submit", "books"),
            ("GET", "/_async_search/status/FmRldE8zREVEUzA2", "async_search.status", ""),
            ("GET", "/_async_search/FmRldE8zREVEUzA2", "async_search.get", ""),
            ("POST", "/books/_refresh", "indices.refresh", "books"),
            ("GET", "/_cluster/health", "cluster.health", ""),
            ("GET", "/_cat/indices", "cat.indices", ""),
            ("POST", "/_bulk", "bulk", ""),
            ("POST", "/_all/_count", "count", "_all"),
        ];
        for (method, path, name, target) in cases {
            assert_eq!(named(method, path), (name.to_owned(), target.to_owned()), "{method} {path}");
        }
    }

    #[test]
    fn ids_are_no_part_of_a_name() {
        assert_eq!(named("GET", "/books/_doc/_7"), ("get".to_owned(), "books".to_owned()));
        assert_eq!(named("PUT", "/books/_doc/ada@example.com?refresh=true"), ("index".to_owned(), "books".to_owned()));
        assert_eq!(named("GET", "/_Secret7"), (String::new(), String::new()));
    }
}

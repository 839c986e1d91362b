//! One span for each call of an endpoint, until the head of the response has arrived. The requests' own spans are made where
//! they are sent.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::Future;
use std::mem;

use otel_rs_hooks::http::{error_class, FormattedText};
use otel_rs_hooks::{carry, key, Attribute, Domain, Key, Span, Value};
use reqwest::{Error, Response};

use crate::http::{Method, Url};

const SYSTEM: &str = "opensearch";

/// Sends a request with `work`, inside a span of its own.
pub(crate) async fn send(
    node: &Url,
    method: Method,
    path: &str,
    work: impl Future<Output = Result<Response, Error>>,
) -> Result<Response, Error> {
    if !SCOPE.enabled() {
        return work.await;
    }
    let mut call = Call(start(node, method, path));
    let work = {
        let _entered = call.0.context().enter();
        carry(&SCOPE, work)
    };
    let result = work.await;
    match &result {
        Ok(response) => {
            let status = response.status();
            let failed = status.is_client_error() || status.is_server_error();
            let error = FormattedText::<8>::of(&status.as_u16());
            let error = if failed { (&error).into() } else { Value::None };
            call.end(&[(key::DB_STATUS, status.as_u16().into()), (key::ERROR_TYPE, error)]);
        }
        Err(error) => call.end(&[(key::ERROR_TYPE, error_class(error, &class).into())]),
    }
    result
}

fn start(node: &Url, method: Method, path: &str) -> Span {
    let (family, endpoint, target) = endpoint(method, path);
    let separator = if family.is_empty() { "" } else { "." };
    let operation = FormattedText::<96>::of(&format_args!("{family}{separator}{endpoint}"));
    let target = if target.contains('%') { target.replace("%2C", ",").into() } else { Cow::Borrowed(target) };
    let address = node.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    Span::start(
        &SCOPE,
        Domain::Database,
        &[
            (key::DB_SYSTEM, SYSTEM.into()),
            (key::DB_OPERATION, if endpoint.is_empty() { Value::None } else { (&operation).into() }),
            (key::DB_COLLECTION, Some(&*target).filter(|target| !target.is_empty()).into()),
            (key::SERVER_ADDRESS, address.into()),
            (key::SERVER_PORT, node.port_or_known_default().into()),
            (Key::Named("http.request.method"), name(method).into()),
        ],
    )
}

/// The endpoint, with its family, and the indices that it is called for: (`indices`, `refresh`, `books`) of
/// `/books/_refresh`. What comes after an endpoint's own word is data.
fn endpoint(method: Method, path: &str) -> (&str, &str, &str) {
    let path = path.split('?').next().unwrap_or_default();
    let is_word = |word: &&str| word.starts_with('_') && *word != "_all";
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let (target, word) = if is_word(&first) { ("", first) } else { (first, parts.find(is_word).unwrap_or_default()) };
    let next = parts.next().unwrap_or_default();
    let by_method = |get, head, delete, other| match method {
        Method::Get => get,
        Method::Head => head,
        Method::Delete => delete,
        Method::Put | Method::Post => other,
    };
    let (family, endpoint) = match word {
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
        "_analyze" | "_close" | "_flush" | "_forcemerge" | "_open" | "_refresh" | "_rollover" | "_stats" => {
            ("indices", &word[1..])
        }
        "_mapping" => ("indices", by_method("get_mapping", "", "", "put_mapping")),
        "_settings" => ("indices", by_method("get_settings", "", "", "put_settings")),
        "_aliases" => ("indices", "update_aliases"),
        "_cat" | "_cluster"
            if !next.is_empty() && next.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
        {
            (&word[1..], next)
        }
        _ if word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => ("", &word[1..]),
        _ => ("", ""),
    };
    (family, endpoint, target)
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
        Method::Head => "HEAD",
    }
}

fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    error.downcast_ref::<Error>().filter(|error| error.is_timeout()).map(|_| "timeout")
}

/// A call under way. Dropped before its end, it was cancelled.
struct Call(Span);

impl Call {
    fn end(&mut self, attributes: &[Attribute<'_>]) {
        mem::replace(&mut self.0, Span::NONE).end(attributes);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.0.is_none() {
            let class = if std::thread::panicking() { "panic" } else { "cancelled" };
            self.end(&[(key::ERROR_TYPE, class.into())]);
        }
    }
}

//! Secrets in URLs, malformed ones included.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::names::{Secrecy, secrecy};
use super::{REDACTED, shapes, text};

/// A URL without credentials and secrets. Works on text that no parser would take, too.
pub(crate) fn url(url: &str) -> Cow<'_, str> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(authority);
    // No blank and no quote ends it: it is all that there is.
    let credentials = (authority > 0).then(|| credentials(scheme, rest, rest.len())).flatten();
    let behind = &rest[credentials.unwrap_or(0)..];
    // A host and its port are no user with a password.
    let host = if authority > 0 { behind.find(['/', '?', '#', ';']).unwrap_or(behind.len()) } else { 0 };
    let (host, behind) = behind.split_at(host);
    let clean = match shapes::secret_path(host, behind) {
        Some(shown) => Cow::Owned(format!("{}{REDACTED}", &behind[..shown])),
        None => url_path(behind),
    };
    match (credentials, clean) {
        (None, Cow::Borrowed(_)) => Cow::Borrowed(url),
        (None, clean) => Cow::Owned(format!("{scheme}{host}{clean}")),
        // The form that the conventions give: both parts are replaced, whether or not both were there.
        (Some(_), clean) => Cow::Owned(format!("{scheme}{REDACTED}:{REDACTED}{host}{clean}")),
    }
}

/// Parameters by which databases take statements over HTTP.
const STATEMENTS: [&str; 5] = ["q", "query", "sql", "statement", "stmt"];
/// First words of statements that may hold values.
const VERBS: [&str; 27] = [
    "alter", "call", "copy", "create", "delete", "desc", "describe", "drop", "exec", "execute", "explain", "from",
    "grant", "insert", "kill", "match", "merge", "replace", "select", "set", "show", "system", "truncate", "update",
    "upsert", "values", "with",
];

/// Whether a parameter holds values of a statement, as databases name them; some names only beside the statement.
fn is_bound(name: &str, is_beside: bool) -> bool {
    let is_own = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("param_"));
    is_own || is_beside && (name.starts_with(['$', '@', ':']) || ["params", "parameters", "args"].contains(&name))
}

/// Whether a parameter's value is a statement for a database, whose values must not leave.
pub(super) fn is_statement(name: &str, value: &str) -> bool {
    if !STATEMENTS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return false;
    }
    // What only databases take is a statement, whatever it begins with.
    let is_certain = ["sql", "statement", "stmt"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8_lossy();
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    // A comment stands before statements, and before nothing else.
    if ["/*", "--", "#"].iter().any(|comment| text.starts_with(comment)) {
        return true;
    }
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    let is_verb = is_certain || VERBS.iter().any(|verb| first.eq_ignore_ascii_case(verb));
    is_verb && words.next().is_some()
}

/// A query, fragment, form or list of matrix parameters, with or without what it begins with.
pub(crate) fn query(query: &str) -> Cow<'_, str> {
    let is_between = |c: char| matches!(c, '&' | ';' | '?' | '#');
    let parameters = || query.split(is_between).filter_map(|pair| pair.split_once('='));
    let has_statement = parameters().any(|(name, value)| is_statement(name, value));
    let mut clean = String::new();
    let mut kept = 0;
    let mut at = 0;
    for pair in query.split_inclusive(is_between) {
        let whole = pair.strip_suffix(is_between).unwrap_or(pair);
        let from = at;
        at += pair.len();
        if from < kept {
            // Part of a statement.
            continue;
        }
        let value = whole.find('=').map_or(0, |equals| equals + 1);
        let replaced = match whole[..value].strip_suffix('=') {
            Some(name)
                if value < whole.len()
                    && (is_bound(name, has_statement)
                        || secrecy(&percent_decode_str(name).decode_utf8_lossy()) >= Secrecy::Parameter) =>
            {
                Some(REDACTED.to_owned())
            }
            Some(name) if is_statement(name, &whole[value..]) => {
                clean.push_str(&query[kept..from + value]);
                clean.push_str(REDACTED);
                // `;`, `?` and `#` may be part of the statement: only `&` ends it.
                kept = query[from..].find('&').map_or(query.len(), |end| from + end);
                continue;
            }
            _ => nested(&whole[value..]),
        };
        if let Some(replaced) = replaced {
            clean.push_str(&query[kept..from + value]);
            clean.push_str(&replaced);
            kept = from + whole.len();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(query);
    }
    clean.push_str(&query[kept..]);
    Cow::Owned(clean)
}

/// The path of a URL, which may hold matrix parameters, tokens and other URLs.
pub(crate) fn url_path(path: &str) -> Cow<'_, str> {
    match path.find([';', '?', '#']) {
        Some(at) => match (text::message(&path[..at]), query(&path[at..])) {
            (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(path),
            (start, rest) => Cow::Owned(format!("{start}{rest}")),
        },
        None => text::message(path),
    }
}

/// A value that may be a URL, or encoded, or both.
fn nested(value: &str) -> Option<String> {
    if let Some(clean) = text::encoded(value, 0) {
        return Some(clean);
    }
    match text::parameters(value) {
        Cow::Owned(clean) => Some(clean),
        Cow::Borrowed(_) => None,
    }
}

/// An endpoint as the user wrote it, valid or not. The meaning of its parameters is unknown here, so none of
/// their values shows; and what stands before an `@` is taken for credentials wherever it stands.
pub(crate) fn endpoint(written: &str) -> Cow<'_, str> {
    let start = written.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = written.split_at(start);
    let host = rest.rfind('@');
    let after = host.map_or(rest, |at| &rest[at..]);
    let (after, has_fragment) = after.split_once('#').map_or((after, false), |(after, _)| (after, true));
    let (base, query) = match after.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (after, None),
    };
    let base = url_path(base);
    if host.is_none() && query.is_none() && !has_fragment && matches!(base, Cow::Borrowed(_)) {
        return Cow::Borrowed(written);
    }
    let mut clean = format!("{scheme}{}{base}", if host.is_some() { REDACTED } else { "" });
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        if let Some((name, _)) = pair.split_once('=') {
            clean.push_str(name);
            clean.push('=');
        }
        clean.push_str(REDACTED);
    }
    Cow::Owned(clean)
}

/// A value that may be anything.
pub(crate) fn written(text: &str) -> Cow<'_, str> {
    if text.contains("://") || text.contains('@') { endpoint(text) } else { text::parameters(text) }
}

/// Whether a host's name, or a socket's, may begin like this.
pub(super) fn is_host(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'/' | b'%' | b'_' | b'(') || *byte >= 0x80
    })
}

/// Where the credentials end at the beginning of `rest`, which follows `scheme://`: where their `@` is. `hard` is where the
/// text has its first blank or quote.
///
/// By the grammar nothing but `@` and `:` could be in doubt. But whoever writes a password into a URL does not encode it:
/// a `/`, `?` or `#` is then part of it if what stands before is no host with a port.
pub(super) fn credentials(scheme: &str, rest: &str, hard: usize) -> Option<usize> {
    let bytes = rest.as_bytes();
    // What belongs to the next URL is not ours.
    let next = rest[..hard].find("://").and_then(|next| rest[..next].rfind(['/', ',', '?', '=', '('])).unwrap_or(hard);
    let region = &rest[..next];
    let authority = region.find(['/', '?', '#']).unwrap_or(region.len());
    if region[..authority].contains('@') {
        return region[..authority].rfind('@');
    }
    let (host, port) = match region[..authority].rsplit_once(':') {
        Some((host, port)) if !host.starts_with('[') || host.ends_with(']') => (host, Some(port)),
        _ => (&region[..authority], None),
    };
    let is_web = ["http://", "https://", "ws://", "wss://", "ftp://"].iter().any(|web| scheme.ends_with(web));
    let is_port = |port: &str| {
        // Of a sentence, what follows it is no part of it.
        let port = port.trim_end_matches([',', '.', ';', ')', ']', '}', '\'']);
        (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let first = region.find('@');
    let is_certain = match (port, bytes.get(authority)) {
        (None, _) => host.is_empty() || is_web || host.starts_with('['),
        (Some(port), delimiter) if is_port(port) => match delimiter {
            Some(b'/') => is_web,
            Some(b'?') => first.is_none_or(|first| region[authority..first].contains('=')),
            Some(b'#') => false,
            _ => true,
        },
        (Some(_), _) => false,
    };
    if is_certain {
        return None;
    }
    // A query may hold an `@` of its own.
    let has_query = |part: &str| {
        let name = part.find('=').map(|equals| &part[..equals]);
        name.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    if let Some(first) = first {
        let query = region[first..].match_indices('?').find(|(at, _)| has_query(&region[first + at + 1..]));
        let end = query.map_or(region.len(), |(at, _)| first + at);
        return region[..end].rfind('@');
    }
    // `user:my password@host`
    if port.is_some_and(|port| !is_port(port)) && next == hard && hard < rest.len() {
        let line = rest[hard..].find('\n').map_or(rest.len(), |end| hard + end);
        let line = floor(rest, line.min(hard + 128));
        let at = hard + rest[hard..line].find('@')?;
        return (is_host(&bytes[at + 1..]) && !rest[hard..at].contains("://")).then_some(at);
    }
    None
}

/// The character's boundary at or before `at`.
pub(super) fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

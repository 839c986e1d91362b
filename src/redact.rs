//! Takes secrets out of URLs, of texts in which they stand, and of command lines.

mod arguments;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub(crate) use arguments::arguments;

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "REDACTED";

/// Query parameters whose values are secrets, in small letters: those that the semantic conventions name and those that
/// services have in common.
const SECRETS: &[&str] = &[
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "api-key",
    "key",
    "auth",
    "authorization",
    "code_verifier",
    "jwt",
    "session_token",
];

/// A query, without its `?`, with the values of secrets replaced.
pub(crate) fn query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut clean = String::with_capacity(query.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            clean.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => {
                clean.push_str(name);
                clean.push('=');
                clean.push_str(REDACTED);
            }
            _ => clean.push_str(pair),
        }
    }
    Cow::Owned(clean)
}

fn is_secret(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let name = percent_decode_str(name).decode_utf8_lossy();
    !value.is_empty() && SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A URL without credentials and secrets. Works on text that no parser would take, too.
pub(crate) fn url(url: &str) -> Cow<'_, str> {
    let (rest, fragment) = match url.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (url, None),
    };
    let (base, found_query) = match rest.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (rest, None),
    };
    let authority = base.find("://").map(|at| at + 3);
    let user_info = authority.and_then(|from| {
        let to = base[from..].find('/').map_or(base.len(), |at| from + at);
        base[from..to].rfind('@').map(|at| (from, from + at))
    });
    let clean_query = found_query.map(query);
    if user_info.is_none() && matches!(clean_query, None | Some(Cow::Borrowed(_))) {
        return Cow::Borrowed(url);
    }
    let mut clean = match user_info {
        // The form that the conventions give: both parts are replaced, whether or not both were there.
        Some((from, at)) => format!("{}{REDACTED}:{REDACTED}{}", &base[..from], &base[at..]),
        None => base.to_owned(),
    };
    if let Some(query) = clean_query {
        clean.push('?');
        clean.push_str(&query);
    }
    if let Some(fragment) = fragment {
        clean.push('#');
        clean.push_str(fragment);
    }
    Cow::Owned(clean)
}

/// An endpoint as somebody wrote it, be it one or not. Nobody knows what its parameters mean to its server, so none of
/// their values shows; and what stands before an `@` is taken for credentials wherever it stands.
pub(crate) fn endpoint(text: &str) -> Cow<'_, str> {
    let (text, has_fragment) = text.split_once('#').map_or((text, false), |(text, _)| (text, true));
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let host = rest.rfind('@');
    let after = host.map_or(rest, |at| &rest[at..]);
    let (base, query) = match after.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (after, None),
    };
    if host.is_none() && query.is_none() && !has_fragment {
        return Cow::Borrowed(text);
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
    if text.contains("://") || text.contains('@') { endpoint(text) } else { Cow::Borrowed(text) }
}

/// A message in which URLs may stand.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'' | '`' | '<' | '>' | ',' | ';');
    let mut clean = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let end = piece.char_indices().next_back().filter(|(_, last)| ends(*last)).map_or(piece.len(), |(at, _)| at);
        clean.push_str(&url(&piece[..end]));
        clean.push_str(&piece[end..]);
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_secret_parameters_are_replaced() {
        for (raw, clean) in [
            ("http://a/b?c=d", "http://a/b?c=d"),
            ("https://user:pass@host:8443/p", "https://REDACTED:REDACTED@host:8443/p"),
            ("https://user@host", "https://REDACTED:REDACTED@host"),
            ("https://u:p@ss@host/x@y", "https://REDACTED:REDACTED@host/x@y"),
            ("https://host/x@y?m=a@b", "https://host/x@y?m=a@b"),
            ("http://h/?a=1&sig=xyz#f", "http://h/?a=1&sig=REDACTED#f"),
            ("http://h/?AWSAccessKeyId=AK&Signature=s", "http://h/?AWSAccessKeyId=REDACTED&Signature=REDACTED"),
            ("http://h/?pass%77ord=x", "http://h/?pass%77ord=REDACTED"),
            ("http://h/?token=&tokens=1&token", "http://h/?token=&tokens=1&token"),
            ("not a url", "not a url"),
            ("", ""),
        ] {
            assert_eq!(url(raw), clean, "{raw}");
        }
    }

    /// Written down once more, so that none can be forgotten by mistake.
    #[test]
    fn every_name_of_a_secret_hides_its_value() {
        let names = "awsaccesskeyid signature sig x-goog-signature x-amz-signature x-amz-credential \
                     x-amz-security-token token access_token refresh_token id_token password passwd pwd secret \
                     client_secret api_key apikey api-key key auth authorization code_verifier jwt session_token";
        let names: Vec<&str> = names.split_whitespace().collect();
        for name in &names {
            for name in [(*name).to_owned(), name.to_uppercase()] {
                let clean = format!("http://h/?a=1&{name}=REDACTED");
                assert_eq!(url(&format!("http://h/?a=1&{name}=hunter2")), clean);
                assert_eq!(message(&format!("at http://h/?a=1&{name}=hunter2 gone")), format!("at {clean} gone"));
                assert_eq!(query(&format!("{name}=hunter2&b=2")), format!("{name}=REDACTED&b=2"));
            }
        }
        assert_eq!(SECRETS, names, "each name is guarded above");
    }

    #[test]
    fn endpoints_keep_all_their_parameters_to_themselves() {
        for (raw, clean) in [
            ("http://host:4318/v1/traces", "http://host:4318/v1/traces"),
            ("me:secret@host:4317", "REDACTED@host:4317"),
            ("ftp://me:se?cret@host/x", "ftp://REDACTED@host/x"),
            ("https://host/in?tenant=a&lic#x", "https://host/in?tenant=REDACTED&REDACTED"),
            ("https://host/in#token", "https://host/in"),
        ] {
            assert_eq!(endpoint(raw), clean, "{raw}");
        }
        assert_eq!(written("how?"), "how?");
    }

    #[test]
    fn urls_inside_messages_are_found() {
        assert_eq!(
            message("error sending request for url (http://u:p@h/?token=abc): refused"),
            "error sending request for url (http://REDACTED:REDACTED@h/?token=REDACTED): refused"
        );
        assert_eq!(message("plain"), "plain");
        assert_eq!(message("ünï http://h/?sig=x\u{2014}"), "ünï http://h/?sig=REDACTED");
    }
}

//! How far a value reaches that stands behind a name in a text of any kind.

/// What is no secret: the value's absence, and what others have hidden already.
const HARMLESS: &[&str] = &["null", "none", "nil", "true", "false", "undefined", "redacted"];

/// The value that begins at `at`, or behind blanks there: from where to where it is to be hidden. `None` if there is none.
pub(super) fn extent(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let from = at + bytes.get(at..)?.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    let escapes = backslashes_at(bytes, from);
    let (from, to) = match bytes.get(from + escapes).copied()? {
        b'\n' | b'\r' => return None,
        quote @ (b'"' | b'\'' | b'`') => {
            let from = from + escapes + 1;
            (from, quoted(bytes, from, quote, escapes))
        }
        b'[' | b'{' | b'(' => (from, bracketed(bytes, from)),
        _ => plain(text, from),
    };
    (!is_harmless(&bytes[from..to])).then_some((from, to))
}

/// The rest of a line, or of what is in quotes if the name at `name` is within them.
pub(super) fn line(text: &str, name: usize, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let from = at + bytes.get(at..)?.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(from + backslashes_at(bytes, from)) {
        let escapes = backslashes_at(bytes, from);
        let from = from + escapes + 1;
        return Some((from, quoted(bytes, from, *quote, escapes)));
    }
    let line_end = memchr::memchr2(b'\n', b'\r', &bytes[from..]).map_or(bytes.len(), |end| from + end);
    let to = match name.checked_sub(1).map(|before| bytes[before]) {
        // The value may have quotes of its own.
        Some(quote @ (b'"' | b'\'')) => match memchr::memrchr(quote, &bytes[from..line_end]) {
            Some(close) => from + close - backslashes_before(&bytes[from..], close),
            None => line_end,
        },
        _ => line_end,
    };
    (from < to && !is_harmless(&bytes[from..to])).then_some((from, to))
}

/// Whether what stands at `at` is no word of a sentence: it has digits, capitals or signs, or is long.
pub(super) fn is_no_word(text: &str, at: usize) -> bool {
    let Some((from, to)) = extent(text, at) else { return false };
    let value = &text.as_bytes()[from..to];
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let has_capital = value.iter().skip(1).any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let has_sign = value.iter().any(|byte| byte.is_ascii_punctuation() && !b"-_.:/".contains(byte));
    value.len() >= 16 || has_capital || has_sign || (has_digit && value.len() >= 4)
}

/// Whether a value without quotes ends at the `&` of a form.
pub(super) fn is_of_form(bytes: &[u8], from: usize) -> bool {
    let value = bytes[from..].iter().take(256);
    let end = value.take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'&').count();
    bytes.get(from + end) == Some(&b'&') && begins_pair(&bytes[from + end + 1..])
}

/// The text of an XML element.
pub(super) fn element(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let to = memchr::memchr(b'<', &bytes[from..]).map_or(bytes.len(), |end| from + end);
    (!is_harmless(&bytes[from..to])).then_some((from, to))
}

/// The end of the word at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(u8::is_ascii_whitespace).map_or(bytes.len(), |end| at + end)
}

fn is_harmless(value: &[u8]) -> bool {
    let bare = value.trim_ascii();
    // `{}`, `[]` and `()` are empty; stars, and the mark of a bound value, stand for something that is not there.
    bare.iter().all(|byte| matches!(byte, b'*' | b'?' | b'{' | b'}' | b'[' | b']' | b'(' | b')'))
        || HARMLESS.iter().any(|word| bare.eq_ignore_ascii_case(word.as_bytes()))
}

fn backslashes_at(bytes: &[u8], at: usize) -> usize {
    bytes[at.min(bytes.len())..].iter().take_while(|byte| **byte == b'\\').count()
}

fn backslashes_before(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// The end of a text in quotes that were opened behind so many backslashes, as in JSON within JSON: where the closing quote
/// or its backslashes begin.
fn quoted(bytes: &[u8], from: usize, quote: u8, escapes: usize) -> usize {
    let mut at = from;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(quote, rest)) {
        let close = at + found;
        let before = backslashes_before(&bytes[from..], close - from);
        let is_doubled = escapes == 0 && close > from && bytes.get(close + 1) == Some(&quote);
        if before % (2 * (escapes + 1)) == escapes && !is_doubled {
            return close - escapes;
        }
        at = close + 1 + usize::from(is_doubled);
    }
    bytes.len()
}

/// The end of what is in brackets, the closing one included.
fn bracketed(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => {
                let escapes = backslashes_before(bytes, at);
                at = quoted(bytes, at + 1, b'"', escapes) + escapes;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// A value without quotes: to the next blank, but for what closes around it, and for the next pair.
fn plain(text: &str, from: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() && !bytes[at].is_ascii_whitespace() {
        let rest = &bytes[at + 1..];
        let ends = match bytes[at] {
            b';' | b',' | b'&' | b'|' => rest.is_empty() || rest[0].is_ascii_whitespace() || begins_pair(rest),
            b'"' | b'\'' | b'`' => rest.first().is_none_or(|next| !next.is_ascii_alphanumeric()),
            b'<' => rest.first() == Some(&b'/'),
            // `Some("…")`, `Password { … }`
            b'(' | b'{' | b'[' if at > from => return (from, bracketed(bytes, at)),
            _ => false,
        };
        if ends {
            break;
        }
        at += 1;
    }
    // `Token { … }`
    if bytes[from..at].iter().all(u8::is_ascii_alphanumeric)
        && bytes[from].is_ascii_uppercase()
        && bytes.get(at) == Some(&b' ')
        && bytes.get(at + 1) == Some(&b'{')
    {
        return (from, bracketed(bytes, at + 1));
    }
    let mut to = match blanks_within(&bytes[at..]) {
        Some(more) => at + more,
        None => at,
    };
    while to > from
        && matches!(bytes[to - 1], b',' | b';' | b':' | b'.' | b')' | b']' | b'}' | b'>' | b'"' | b'\'' | b'\\' | b'`')
    {
        to -= 1;
    }
    (from, to)
}

/// Whether a name and what separates it from a value begin here.
fn begins_pair(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    // `"name":`
    if let Some(name) = bytes.strip_prefix(b"\"") {
        let length =
            name.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte)).count();
        return name[length..].starts_with(b"\":");
    }
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'[' | b']' | b'%');
    let name = bytes.iter().take(64).take_while(|byte| is_name(byte)).count();
    name > 0 && bytes.get(name) == Some(&b'=')
}

/// `Password=my secret;Database=x`: in a list of pairs, blanks are part of a value.
fn blanks_within(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b' ') {
        return None;
    }
    let end = bytes.iter().take(128).position(|byte| matches!(byte, b';' | b'=' | b'\n' | b':'))?;
    (bytes[end] == b';' && (begins_pair(&bytes[end + 1..]))).then_some(end)
}

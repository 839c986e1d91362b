//! Secrets in texts of any kind: messages, bodies of log records, headers, command lines. One pass from left to right,
//! in which nothing is looked at from further than a bounded distance or more than a few times.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::names::{Secrecy, is_compound, secrecy};
use super::{REDACTED, arguments, database, shapes, url, value};

/// What is encoded again that was decoded to be looked at.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How often a text may be encoded within a text.
const DEEPEST: usize = 3;
/// Bytes in which the credentials of a URL are looked for.
const LONGEST_URL: usize = 1024;
/// What is followed by a colon and is no user.
const NO_USERS: &[&str] = &["mailto", "sip", "sips", "xmpp", "acct", "npm", "pkg", "urn", "im"];
/// Schemes of authorization that are followed by one word.
const ONE_WORD: &[&str] = &["bearer", "basic", "token", "apikey", "negotiate", "ntlm", "key", "jwt", "bot"];

/// A message in which secrets may stand.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    database::quoting(Scan::new(text, Secrecy::Pair, 0).run())
}

/// A text without its secrets, where names are those of parameters, as in an argument or a query. There `code` and
/// `key` count as secrets, too, which they do not in a message.
pub(super) fn parameters(text: &str) -> Cow<'_, str> {
    database::quoting(Scan::new(text, Secrecy::Parameter, 0).run())
}

/// An encoded text, encoded again without its secrets; `None` if there are none.
pub(super) fn encoded(text: &str, depth: usize) -> Option<String> {
    if depth >= DEEPEST || !text.contains('%') {
        return None;
    }
    let decoded = percent_decode(text.as_bytes()).decode_utf8_lossy();
    if decoded == text {
        return None;
    }
    match database::quoting(Scan::new(&decoded, Secrecy::Parameter, depth + 1).run()) {
        Cow::Owned(clean) => Some(utf8_percent_encode(&clean, ENCODED).to_string()),
        Cow::Borrowed(_) => None,
    }
}

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Up to where the text has been taken over.
    kept: usize,
    clean: String,
    /// From when on a name counts where nothing else is known.
    threshold: Secrecy,
    depth: usize,
    /// The next `@`, if it has been looked for already.
    next_at: usize,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str, threshold: Secrecy, depth: usize) -> Self {
        Scan { text, bytes: text.as_bytes(), at: 0, kept: 0, clean: String::new(), threshold, depth, next_at: 0 }
    }

    fn run(mut self) -> Cow<'t, str> {
        while self.at < self.bytes.len() {
            if is_word(self.bytes[self.at]) {
                self.word();
            } else {
                self.at += 1;
            }
        }
        if self.kept == 0 && self.clean.is_empty() {
            return Cow::Borrowed(self.text);
        }
        self.clean.push_str(&self.text[self.kept..]);
        Cow::Owned(self.clean)
    }

    /// Hides a part of the text that begins where nothing has been taken over.
    fn hide(&mut self, (from, to): (usize, usize)) {
        self.put(from, to, REDACTED);
    }

    fn put(&mut self, from: usize, to: usize, text: &str) {
        let from = from.max(self.kept);
        if self.text.is_char_boundary(from) && self.text.is_char_boundary(to) && from <= to {
            self.clean.push_str(&self.text[self.kept..from]);
            self.clean.push_str(text);
            self.kept = to;
            self.at = to;
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn word(&mut self) {
        // `\nname=value`, where the line feed is written as two characters.
        let is_escape =
            self.at > 0 && self.bytes[self.at - 1] == b'\\' && matches!(self.byte(self.at), b'n' | b'r' | b't');
        let start = self.at + usize::from(is_escape);
        let end =
            start + self.bytes[start..].iter().position(|byte| !is_word(*byte)).unwrap_or(self.bytes.len() - start);
        self.at = end;
        let word = &self.text[start..end];
        if self.shape(start, end) || self.scheme(word, end) || (word.starts_with('-') && self.option(start, end)) {
            return;
        }
        if self.byte(end) == b':' && self.text[end..].starts_with("://") {
            return self.url(start, end + 3);
        }
        if self.byte(end) == b'/' && self.secret_path(start, end) {
            return;
        }
        if word.contains('%')
            && let Some(clean) = encoded(word, self.depth)
        {
            return self.put(start, end, &clean);
        }
        if !self.pair(start, end) {
            self.user(start, end);
        }
    }

    /// What gives itself away by its looks.
    fn shape(&mut self, start: usize, end: usize) -> bool {
        let word = &self.text[start..end];
        if word.ends_with("-----BEGIN") {
            let from = end - "-----BEGIN".len();
            if let Some(length) = shapes::private_key(&self.text[from..]) {
                self.hide((from, from + length));
                return true;
            }
        }
        if word.len() < 12 || !shapes::may_begin(self.byte(start)) {
            return false;
        }
        let word = word.trim_end_matches(['.', '-']);
        if !shapes::is_key(word.as_bytes()) {
            return false;
        }
        // What is behind belongs to it: a token may be in base64.
        let is_more = |byte: &&u8| is_word(**byte) || matches!(byte, b'+' | b'~');
        let more = self.bytes[end..].iter().take_while(is_more).count();
        self.hide((start, if more == 0 { start + word.len() } else { end + more }));
        true
    }

    /// An address whose knowledge alone grants access.
    fn secret_path(&mut self, start: usize, end: usize) -> bool {
        let behind = shapes::secret_path(&self.text[start..end], &self.text[end..]);
        let Some(from) = behind.map(|behind| end + behind) else { return false };
        let to = self.bytes[from..].iter().position(|byte| ends_value(*byte)).map_or(self.bytes.len(), |to| from + to);
        self.hide((from, to));
        true
    }

    /// `Bearer x`, `Basic x`: but no bearer of good news.
    fn scheme(&mut self, word: &str, end: usize) -> bool {
        let is_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
        if !is_scheme || self.byte(end) != b' ' {
            return false;
        }
        let from = end + self.bytes[end..].iter().take_while(|byte| **byte == b' ').count();
        let word_end = value::word(self.bytes, from);
        let to = self.bytes[from..word_end].iter().position(|byte| ends_token(*byte)).map_or(word_end, |to| from + to);
        let token = self.text[from..to].trim_end_matches(['.', ':', ')']);
        let is_prose = token.len() <= 16
            && token
                .char_indices()
                .all(|(at, c)| c.is_ascii_lowercase() || (at == 0 && c.is_ascii_uppercase()) || c == '-');
        // `token_type=bearer expires_in=3600`
        let is_pair = token.find('=').is_some_and(|equals| !token[equals..].trim_start_matches('=').is_empty());
        if token.is_empty() || is_prose || is_pair || token == REDACTED || token.bytes().all(|byte| byte == b'*') {
            return false;
        }
        self.hide((from, from + token.len()));
        true
    }

    /// `name=value` in all its forms.
    fn pair(&mut self, start: usize, end: usize) -> bool {
        let Some((separator, behind)) = self.separator(start, end) else { return false };
        let name = &self.text[start..end];
        let decoded =
            if name.contains('%') { percent_decode(name.as_bytes()).decode_utf8_lossy() } else { name.into() };
        if separator == Separator::Equals && self.statement(&decoded, start, behind) {
            return true;
        }
        let found = match secrecy(&decoded) {
            Secrecy::Parameter => self.of_two_words(start, end),
            found => found,
        };
        if found == Secrecy::None {
            return false;
        }
        let is_header = decoded.to_ascii_lowercase();
        if matches!(is_header.as_str(), "authorization" | "proxy-authorization" | "cookie" | "set-cookie" | "cookie2") {
            return self.header(&is_header, start, behind);
        }
        let needed = self.needed(start, end, separator, behind);
        let is_word_of_sentence = separator == Separator::Colon && needed == Secrecy::Always;
        if found < needed && !(is_word_of_sentence && found == Secrecy::Pair && value::is_no_word(self.text, behind)) {
            return false;
        }
        let extent = match self.bytes[behind - 1] {
            b'>' if self.byte(end) == b'>' => value::element(self.bytes, behind),
            _ => value::extent(self.text, behind),
        };
        let Some(extent) = extent else { return false };
        self.hide(extent);
        true
    }

    /// A statement for a database, as a parameter of a URL.
    fn statement(&mut self, name: &str, start: usize, behind: usize) -> bool {
        let before = start.checked_sub(1).map_or(0, |before| self.bytes[before]);
        if !matches!(before, b'?' | b'&') {
            return false;
        }
        let ends = |byte: &u8| *byte == b'&' || ends_value(*byte);
        let to = self.bytes[behind..].iter().position(ends).map_or(self.bytes.len(), |end| behind + end);
        let is_statement = url::is_statement(name, &self.text[behind..to]);
        if is_statement {
            self.hide((behind, to));
        }
        is_statement
    }

    /// `api key`, `access code`: how sure a name is whose first part is a word of its own.
    fn of_two_words(&self, start: usize, end: usize) -> Secrecy {
        let before = self.text[..start].strip_suffix(' ').unwrap_or_default();
        let before = &before[url::floor(before, before.len().saturating_sub(16))..];
        let before = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match secrecy(&format!("{before}_{}", &self.text[start..end])) {
            Secrecy::Always => Secrecy::Always,
            // Any word may stand before a key; only some before a code make a secret of it.
            Secrecy::Pair if self.text[start..end].eq_ignore_ascii_case("code") => Secrecy::Always,
            _ => Secrecy::Parameter,
        }
    }

    /// `-u user:password`, and in a command line `-p password`, too.
    fn option(&mut self, start: usize, end: usize) -> bool {
        let option = &self.text[start..end];
        let is_user = matches!(option, "-u" | "-U" | "--user" | "--proxy-user");
        let is_command = self.threshold == Secrecy::Parameter;
        let is_password = is_command && matches!(option, "-p" | "-P");
        if is_command && !is_password && arguments::is_glued_password(option) {
            self.hide((start + 2, end));
            return true;
        }
        if !(is_user || is_password) || self.byte(end) != b' ' || !self.begins_word(start) {
            return false;
        }
        let Some(extent) = value::extent(self.text, end) else { return false };
        if (is_user && !self.text[extent.0..extent.1].contains(':')) || self.byte(extent.0) == b'-' {
            return false;
        }
        self.hide(extent);
        true
    }

    fn begins_word(&self, start: usize) -> bool {
        let before = start.checked_sub(1).map_or(b' ', |before| self.bytes[before]);
        before.is_ascii_whitespace() || matches!(before, b'"' | b'\'' | b'`' | b'(')
    }

    /// How sure a name must be for its value to be hidden.
    fn needed(&self, start: usize, end: usize, separator: Separator, behind: usize) -> Secrecy {
        let before = start.checked_sub(1).map_or(0, |before| self.bytes[before]);
        let is_parameter = matches!(before, b'?' | b'&' | b'#');
        match separator {
            Separator::Equals if is_parameter || value::is_of_form(self.bytes, behind) => Secrecy::Parameter,
            // A sentence may have any word before its colon.
            Separator::Colon if self.threshold == Secrecy::Pair && !is_compound(&self.text[start..end]) => {
                Secrecy::Always
            }
            _ => self.threshold,
        }
    }

    /// What separates the name from a value, and where it ends.
    fn separator(&self, start: usize, end: usize) -> Option<(Separator, usize)> {
        let is_between = |byte: &&u8| matches!(byte, b'[' | b']' | b'"' | b'\'' | b'`' | b'\\' | b' ');
        let between = self.bytes[end..].iter().take(8).take_while(is_between).count();
        let at = end + between;
        let is_quoted = between > 0 && self.bytes[end..at].iter().any(|byte| matches!(byte, b'"' | b'\''));
        match (self.byte(at), self.byte(at + 1)) {
            (b'=', b'=' | b'>') => Some((Separator::Equals, at + 2)),
            (b'=', _) => Some((Separator::Equals, at + 1)),
            (b':', b'=') => Some((Separator::Equals, at + 2)),
            (b':', b':') => None,
            (b':', _) if is_quoted => Some((Separator::Equals, at + 1)),
            (b':', _) => Some((Separator::Colon, at + 1)),
            // ("authorization", "Bearer …")
            (b',', b' ' | b'"' | b'\'') if is_quoted => {
                let value = self.bytes[at + 1..].iter().find(|byte| !matches!(byte, b' ' | b'\\'));
                matches!(value, Some(b'"' | b'\'')).then_some((Separator::Equals, at + 1))
            }
            (b'>', _) if between == 0 && start.checked_sub(1).is_some_and(|before| self.bytes[before] == b'<') => {
                Some((Separator::Equals, at + 1))
            }
            // `--password x`
            _ if self.byte(end) == b' ' && between == 1 && self.is_option(start, end) && self.byte(at) != b'-' => {
                Some((Separator::Equals, at))
            }
            _ => None,
        }
    }

    fn is_option(&self, start: usize, end: usize) -> bool {
        let dashes = self.bytes[start..end].iter().take_while(|byte| **byte == b'-').count();
        (1..=2).contains(&dashes) && end - start > dashes + 1 && self.begins_word(start)
    }

    /// Headers whose values have blanks in them.
    fn header(&mut self, name: &str, start: usize, behind: usize) -> bool {
        let Some((from, to)) = value::line(self.text, start, behind) else { return false };
        let value = &self.text[from..to];
        if value.starts_with(REDACTED) {
            return false;
        }
        let mut words = value.splitn(2, ' ');
        let first = words.next().unwrap_or_default();
        let is_one_word =
            name.ends_with("authorization") && ONE_WORD.iter().any(|known| first.eq_ignore_ascii_case(known));
        let to = match words.next() {
            Some(rest) if is_one_word => {
                let blanks = rest.len() - rest.trim_start().len();
                let credentials = from + first.len() + 1 + blanks;
                value::word(self.bytes, credentials).min(to)
            }
            _ => to,
        };
        self.hide((from, to));
        true
    }

    /// A URL whose authority begins at `authority`. What is behind its credentials is a text like any other.
    fn url(&mut self, start: usize, authority: usize) {
        let room = self.bytes.len().min(authority + LONGEST_URL);
        let hard = self.bytes[authority..room].iter().position(|byte| ends_value(*byte));
        let hard = hard.map_or_else(|| url::floor(self.text, room), |end| authority + end);
        let mut host = authority;
        if let Some(at) = url::credentials(&self.text[start..authority], &self.text[authority..], hard - authority) {
            let twice = format!("{REDACTED}:{REDACTED}");
            host += at;
            self.put(authority, host, &twice);
            host += 1;
        }
        let end = self.bytes[host..].iter().position(|byte| !is_word(*byte) && *byte != b':');
        let end = end.map_or(self.bytes.len(), |end| host + end);
        if !self.secret_path(host, end) {
            // A host and its port are no user with a password.
            self.at = end;
        }
    }

    /// `user:password@host`
    fn user(&mut self, start: usize, end: usize) -> bool {
        if self.byte(end) != b':' || matches!(self.byte(end + 1), b' ' | b':' | 0) || start == end {
            return false;
        }
        if self.next_at <= end {
            let found = memchr::memchr(b'@', &self.bytes[end..]);
            self.next_at = found.map_or(usize::MAX, |found| end + found);
        }
        if self.next_at == usize::MAX || NO_USERS.iter().any(|known| self.text[start..end].eq_ignore_ascii_case(known))
        {
            return false;
        }
        // A password that is longer than this is none.
        let room = &self.bytes[end..self.bytes.len().min(end + 256)];
        let stop = room.iter().position(|byte| ends_value(*byte) || matches!(byte, b'{' | b'}')).unwrap_or(room.len());
        let room = &room[..stop];
        let next_url = memchr::memmem::find(room, b"://").unwrap_or(room.len());
        let Some(at) = memchr::memrchr(b'@', &room[..next_url]).filter(|at| *at > 1) else { return false };
        let host = &self.bytes[end + at + 1..];
        if !url::is_host(host) || host.starts_with(b"sha256:") || host.starts_with(b"sha512:") {
            return false;
        }
        let twice = format!("{REDACTED}:{REDACTED}");
        self.put(start, end + at, &twice);
        true
    }
}

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `=`, or anything by which the two are certainly a pair.
    Equals,
    /// A colon, which a sentence may have as well.
    Colon,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%') || byte >= 0x80
}

/// What certainly is behind a URL or a word without blanks.
fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>' | b'`')
}

fn ends_token(byte: u8) -> bool {
    ends_value(byte) || matches!(byte, b'\'' | b',' | b';' | b'\\' | b'}' | b']')
}

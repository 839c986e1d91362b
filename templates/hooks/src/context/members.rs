//! The members of baggage: what programs read and set of it, in the form of W3C's header.

use std::borrow::Cow;

use super::propagate::{is_baggage_member, is_token, trim, MAX_CARRIED};
use super::Context;

/// A member of baggage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaggageMember<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value, decoded.
    pub value: Cow<'a, str>,
    /// Its properties: `p;q=2`. Empty where there are none.
    pub properties: &'a str,
}

impl Context {
    /// The members of the baggage that travels with the work, in their order.
    pub fn baggage_members(&self) -> impl Iterator<Item = BaggageMember<'_>> + '_ {
        self.baggage().split(',').filter_map(|member| {
            let (pair, properties) = member.split_once(';').unwrap_or((member, ""));
            let (key, value) = pair.split_once('=')?;
            Some(BaggageMember { key: key.trim(), value: decoded(value.trim()), properties: properties.trim() })
        })
    }

    /// The same context with these members as its baggage. Those that cannot stand in the header, or find no room in it,
    /// are left out.
    pub fn with_baggage_members<'a>(self, members: impl Iterator<Item = BaggageMember<'a>>) -> Context {
        let mut list = String::new();
        for BaggageMember { key, value, properties } in members {
            let start = list.len();
            if start > 0 {
                list.push(',');
            }
            list.push_str(key);
            list.push('=');
            value.bytes().for_each(|byte| push_encoded(&mut list, byte));
            let is_valid = is_token(key.as_bytes()) && list.len() <= MAX_CARRIED;
            if is_valid && !properties.is_empty() {
                let end = list.len();
                list.push(';');
                list.push_str(properties);
                let member = list.get(start..).unwrap_or("").trim_start_matches(',');
                if list.len() > MAX_CARRIED || properties.contains(',') || !is_baggage_member(trim(member.as_bytes())) {
                    list.truncate(end);
                }
            }
            if !is_valid {
                list.truncate(start);
            }
        }
        self.with_baggage(&list)
    }
}

/// Percent-encoded where the specification requires it, and where it does not allow the character at all.
fn push_encoded(list: &mut String, byte: u8) {
    match byte {
        0x21 | 0x23 | 0x24 | 0x26..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e => list.push(byte as char),
        _ => {
            list.push('%');
            for digit in [byte >> 4, byte & 15] {
                list.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 } as char);
            }
        }
    }
}

/// Percent-decoded; what is no UTF-8 then is replaced, as the specification has it.
fn decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let digit = |at: Option<&u8>| at.and_then(|byte| (*byte as char).to_digit(16)).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = after.get(2..).unwrap_or(&[]);
            }
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member<'a>(key: &'a str, value: &'a str, properties: &'a str) -> BaggageMember<'a> {
        BaggageMember { key, value: value.into(), properties }
    }

    #[test]
    fn members_are_read_and_written() {
        let list = "user=J%C3%BCrgen,empty=,a = b=c ; p ; q = 2,odd=100%,bad=%ff%";
        let context = Context::EMPTY.with_baggage(list);
        let members: Vec<_> = context.baggage_members().collect();
        let expected = [
            member("user", "J\u{fc}rgen", ""),
            member("empty", "", ""),
            member("a", "b=c", "p ; q = 2"),
            member("odd", "100%", ""),
            member("bad", "\u{fffd}%", ""),
        ];
        assert_eq!(members, expected);
        let again = Context::EMPTY.with_baggage_members(members.iter().cloned());
        assert_eq!(again.baggage(), "user=J%C3%BCrgen,empty=,a=b=c;p ; q = 2,odd=100%25,bad=%EF%BF%BD%25");
        assert_eq!(again.baggage_members().collect::<Vec<_>>(), expected);
        assert_eq!(Context::EMPTY.baggage_members().count(), 0);
    }

    #[test]
    fn what_cannot_stand_in_the_header_is_left_out() {
        let long = "v".repeat(MAX_CARRIED);
        let members = [
            member("two words", "1", ""),
            member("", "1", ""),
            member("k", " ,;\\\"\n", ""),
            member("long", &long, ""),
            member("p", "1", "x=\n"),
            member("q", "1", "x,y=1"),
            member("r", "1", &long),
            member("s", "1", "x"),
        ];
        let context = Context::EMPTY.with_baggage_members(members.into_iter());
        assert_eq!(context.baggage(), "k=%20%2C%3B%5C%22%0A,p=1,q=1,r=1,s=1;x");
    }
}

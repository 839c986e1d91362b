//! Entries of baggage as attributes, as the baggage span processors of other languages have it: key and value as they are.

use percent_encoding::percent_decode_str;

use crate::config::glob_matches;
use crate::records::facts::Facts;
use crate::wire::key;

/// The entries whose keys some pattern matches, with decoded values. A key that is there several times has its last value.
pub(crate) fn baggage(facts: &Facts<'_>, patterns: &[String]) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    if patterns.is_empty() {
        return entries;
    }
    let list = facts.text(key::BAGGAGE).unwrap_or_default();
    for member in list.split(',') {
        let pair = member.split(';').next().unwrap_or_default();
        let Some((key, value)) = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        if key.is_empty() || !patterns.iter().any(|pattern| glob_matches(pattern, key)) {
            continue;
        }
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => entries.push((key.to_owned(), value)),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn entries_are_chosen_by_their_keys_and_decoded() {
        let list = "tenant=acme, user.id = a%20b%2C;p=1,user.role=x=y,other=1,tenant=zoo,,=,user.=";
        let facts = testing::facts(&[(key::BAGGAGE, list)]);
        let chosen = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            let entries = baggage(&facts, &patterns).into_iter();
            entries.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&["tenant", "user.*"]), ["tenant=zoo", "user.id=a b,", "user.role=x=y", "user.="]);
        assert_eq!((chosen(&["*"]).len(), chosen(&[]).len(), chosen(&["Tenant"]).len()), (5, 0, 0));
        assert_eq!(baggage(&testing::facts(&[]), &["*".to_owned()]), []);
    }
}

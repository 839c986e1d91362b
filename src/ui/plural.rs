//! Singular, plural and lists in messages.

/// The noun that fits `count`: `noun(2, "match", "matches")` is `matches`.
pub(crate) fn noun(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// The count with its noun: `1 span`, `2 spans`.
pub(crate) fn counted(count: u64, one: &'static str, many: &'static str) -> String {
    format!("{count} {}", noun(count, one, many))
}

/// A list in words: `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let joined = |items: &[T]| items.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match items {
        [first @ .., last] if !first.is_empty() => format!("{} and {}", joined(first), last.as_ref()),
        _ => joined(items),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let spans = [0, 1, 2].map(|count| counted(count, "span", "spans"));
        assert_eq!(spans, ["0 spans", "1 span", "2 spans"]);
    }

    #[test]
    fn the_last_two_items_are_joined_by_and() {
        let items = ["a", "b", "c"];
        assert_eq!([0, 1, 2, 3].map(|count| list(&items[..count])), ["", "a", "a and b", "a, b and c"]);
    }
}

//! Messages of databases: they quote the values that they complain about.

use std::borrow::Cow;

use super::message;

/// What PostgreSQL adds to a message, which may quote whole rows and statements.
const MORE: &[&str] = &["DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:", "QUERY:", "LINE "];
/// Words behind which a quoted text is the name of something that the database has.
const OBJECTS: &[&str] =
    &["constraint", "relation", "table", "index", "schema", "sequence", "view", "trigger", "extension"];
/// Pairs of words behind which it is, too.
const OBJECTS_OF: &[&str] = &["value in column", "for column", "for key", "foreign key"];
/// How a message begins that quotes a value, and what it has behind that.
const MARKERS: &[(&str, &str)] = &[
    (")=(", ""),
    ("Failing row contains (", ""),
    ("Duplicate entry '", ""),
    ("Incorrect ", " value: '"),
    ("Truncated incorrect ", " value: '"),
    ("invalid input syntax for ", ": \""),
    ("invalid input value for ", ": \""),
    ("syntax error at or near \"", ""),
    ("to use near '", ""),
    ("near \"", "\": syntax error"),
    ("unrecognized token: \"", ""),
    ("no such column: \"", ""),
];
/// What MySQL has between two texts that it quotes.
const BETWEEN: &[&str] = &[" for key ", " for column ", " in ", "@", " to database ", " near "];
const QUOTES: &[char] = &['\'', '"', '`', '»', '«', '„', '“', '”', '‘', '’'];
/// What SQLite names without quotes, be it a column or a value whose quotes were forgotten.
const UNQUOTED: &[&str] = &["no such column: ", "no such column:"];
/// How a statement begins that is quoted without quotes.
const STATEMENTS: &[&str] = &[
    "select ", "insert ", "update ", "delete ", "replace ", "with ", "create ", "alter ", "drop ", "pragma ",
    "attach ", "merge ", "set ", "grant ", "call ", "copy ",
];

/// A database's message without the values that it quotes: `?` stands for them.
pub(crate) fn database_message(text: &str) -> String {
    let text = message(text);
    let (text, more) = first_of(&text, MORE).map_or((&*text, ""), |at| text.split_at(at));
    let mut clean = quoted(&parenthesised(&unquoted(text)));
    // Of all that PostgreSQL adds, only the names of a key's columns are known to be no values.
    if let Some((columns, _)) = more.split_once("Key (").and_then(|(_, key)| key.split_once(")=(")) {
        clean.push_str(&format!("DETAIL: Key ({columns})=(?)"));
    }
    clean.trim_end().to_owned()
}

/// A message that may quote a database's message: only unmistakable values are hidden.
pub(super) fn quoting(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(['(', '\'', '"']) {
        return text;
    }
    let begins = MARKERS.iter().filter_map(|(start, rest)| {
        let at = text.find(start)?;
        text[at..].contains(rest).then_some(at)
    });
    match begins.min() {
        Some(at) => Cow::Owned(format!("{}{}", &text[..at], quoted(&parenthesised(&unquoted(&text[at..]))))),
        None => text,
    }
}

/// `Key (email)=(?)`, `Failing row contains (?)`: up to the last parenthesis, since a value may have some.
fn parenthesised(text: &str) -> String {
    let start =
        [")=(", "Failing row contains ("].iter().filter_map(|start| Some(text.find(start)? + start.len())).min();
    let Some(from) = start else { return text.to_owned() };
    let to = text[from..].rfind(')').map_or(text.len(), |to| from + to);
    format!("{}?{}", &text[..from], &text[to..])
}

/// A name that may be a value, and a whole statement: `… in INSERT INTO t VALUES ('x') at offset 5`.
fn unquoted(text: &str) -> String {
    let small = text.to_ascii_lowercase();
    let statement = small.match_indices(" in ").map(|(at, _)| at + 4);
    let statement = statement.filter(|at| STATEMENTS.iter().any(|start| small[*at..].starts_with(start))).min();
    let mut clean = match statement {
        Some(at) => format!("{}?", &text[..at]),
        None => text.to_owned(),
    };
    for start in UNQUOTED {
        if let Some(at) = clean.find(start) {
            let from = at + start.len();
            let to = clean[from..].find(" in ").map_or(clean.len(), |to| from + to);
            if !clean[from..to].trim().is_empty() {
                clean.replace_range(from..to, "?");
            }
            break;
        }
    }
    clean
}

/// Replaces what is in quotes. No database escapes a quote within a value: where it is in doubt which one closes it, the
/// last one does.
fn quoted(text: &str) -> String {
    let quotes: Vec<(usize, char)> =
        text.char_indices().filter(|(at, c)| QUOTES.contains(c) && !is_apostrophe(text, *at)).collect();
    let mut clean = String::with_capacity(text.len());
    let mut kept = 0;
    let mut index = 0;
    // Where the last name ends that was one of the database's.
    let mut named = 0;
    while let Some((open, quote)) = quotes.get(index).copied() {
        // Names of the database's own, which may have several parts.
        let is_next_part = named > 0 && &text[named..open] == ".";
        if let Some((close, _)) = quotes.get(index + 1).copied()
            && quote != '\''
            && (is_next_part || is_announced(&text[..open]))
            && text[open + quote.len_utf8()..close]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.$-".contains(&byte))
        {
            named = close + quote.len_utf8();
            index += 2;
            continue;
        }
        let rest = &quotes[index..];
        let last = rest[1..].iter().rposition(|(_, other)| *other == closing(quote)).map(|at| at + 1);
        clean.push_str(&text[kept..open]);
        clean.push('?');
        let Some(last) = last else {
            // Never closed.
            return clean;
        };
        // One text, or two with known words in between: certainly so.
        let is_pair = |at: usize| rest.len() >= at + 2 && rest[at + 1].1 == closing(rest[at].1);
        let behind = |at: usize| rest[at].0 + rest[at].1.len_utf8();
        let is_plain = is_pair(0)
            && (rest.len() == 2 || rest.len() == 4 && is_pair(2) && BETWEEN.contains(&&text[behind(1)..rest[2].0]));
        kept = behind(if is_plain { 1 } else { last });
        index = if is_plain { index + 2 } else { quotes.len() };
    }
    clean.push_str(&text[kept..]);
    clean
}

fn closing(quote: char) -> char {
    match quote {
        '»' => '«',
        '«' => '»',
        '„' => '“',
        '“' => '”',
        '‘' => '’',
        other => other,
    }
}

/// `doesn't`, `can't`
fn is_apostrophe(text: &str, at: usize) -> bool {
    text[..at].ends_with('n') && text[at..].starts_with("'t ")
}

fn is_announced(before: &str) -> bool {
    let before = before.trim_end();
    let ends = |word: &&&str| before.strip_suffix(**word).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '));
    OBJECTS.iter().any(|word| ends(&word)) || OBJECTS_OF.iter().any(|words| ends(&words))
}

fn first_of(text: &str, needles: &[&str]) -> Option<usize> {
    let begins = |at: usize| at == 0 || text[..at].ends_with(|c: char| c.is_whitespace() || c == ';' || c == ',');
    needles.iter().filter_map(|needle| text.match_indices(needle).map(|(at, _)| at).find(|at| begins(*at))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_databases_quote_are_replaced() {
        for (raw, clean) in [
            // PostgreSQL
            (
                r#"duplicate key value violates unique constraint "users_email_key""#,
                r#"duplicate key value violates unique constraint "users_email_key""#,
            ),
            (
                "ERROR: duplicate key value violates unique constraint \"users_email_key\"\nDETAIL: Key (email)=(a(hunter2)b) already exists.",
                "ERROR: duplicate key value violates unique constraint \"users_email_key\"\nDETAIL: Key (email)=(?)",
            ),
            ("Key (email, \"n\")=(x, hunter2) already exists.", "Key (email, ?)=(?) already exists."),
            (r#"invalid input syntax for type integer: "hunter2""#, "invalid input syntax for type integer: ?"),
            (r#"invalid input syntax for type integer: "a"hunter2"b""#, "invalid input syntax for type integer: ?"),
            (r#"invalid input value for enum mood: "hunter2""#, "invalid input value for enum mood: ?"),
            (r#"value "99999999999" is out of range for type integer"#, "value ? is out of range for type integer"),
            (r#"syntax error at or near "hunter2""#, "syntax error at or near ?"),
            (r#"column "hunter2" does not exist"#, "column ? does not exist"),
            (r#"relation "shop.users" does not exist"#, r#"relation "shop.users" does not exist"#),
            (
                "null value in column \"c\" of relation \"r\" violates not-null constraint\nDETAIL:  Failing row contains (1, hunter2).",
                "null value in column \"c\" of relation \"r\" violates not-null constraint",
            ),
            ("Failing row contains (1, (hunter2), x).", "Failing row contains (?)."),
            ("value too long for type character varying(10)", "value too long for type character varying(10)"),
            ("ungültige Eingabesyntax für Typ integer: »hunter2«", "ungültige Eingabesyntax für Typ integer: ?"),
            ("invalid json CONTEXT: JSON data, line 1: hunter2", "invalid json"),
            (r#"unterminated quoted string at or near "'hunter2"#, "unterminated quoted string at or near ?"),
            // MySQL
            ("Duplicate entry 'ada@example.com' for key 'users.email'", "Duplicate entry ? for key ?"),
            ("Duplicate entry 'it's hunter2' for key 'email'", "Duplicate entry ?"),
            ("Duplicate entry 'a' hunter2 'b' for key 'email'", "Duplicate entry ?"),
            (
                "Incorrect integer value: 'hunter2' for column 'c' at row 1",
                "Incorrect integer value: ? for column ? at row 1",
            ),
            (
                "Incorrect integer value: 'hunter2' for column `d`.`t`.`c` at row 1",
                "Incorrect integer value: ? for column `d`.`t`.`c` at row 1",
            ),
            ("Data truncated for column 'c' at row 1", "Data truncated for column ? at row 1"),
            ("Table 'shop.x' doesn't exist", "Table ? doesn't exist"),
            (
                "Access denied for user 'ada'@'10.0.0.1' (using password: YES)",
                "Access denied for user ?@? (using password: REDACTED)",
            ),
            (
                "You have an error in your SQL syntax; check the manual for the right syntax to use near 'x = 'hunter2' AND' at line 1",
                "You have an error in your SQL syntax; check the manual for the right syntax to use near ? at line 1",
            ),
            // SQLite
            ("UNIQUE constraint failed: t.c", "UNIQUE constraint failed: t.c"),
            (r#"near "hunter2": syntax error"#, "near ?: syntax error"),
            (r#"unrecognized token: "'hunter2""#, "unrecognized token: ?"),
            ("no such column: hunter2", "no such column: ?"),
            (
                r#"no such column: "hunter2" - should this be a string literal in single-quotes?"#,
                "no such column: ? in single-quotes?",
            ),
            ("no such table: users", "no such table: users"),
            (
                "near \"x\": syntax error in INSERT INTO t VALUES (4111, hunter2) at offset 5",
                "near ?: syntax error in ?",
            ),
            ("database is locked", "database is locked"),
            ("cannot open postgres://u:hunter2@h/d", "cannot open postgres://REDACTED:REDACTED@h/d"),
            ("", ""),
        ] {
            assert_eq!(database_message(raw), clean, "{raw}");
        }
    }
}

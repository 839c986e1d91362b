//! Queries that are a command and its arguments, as in Redis.

use super::sql::Statement;

/// The most arguments that are shown; commands with more look the same.
const MAX_ARGUMENTS: usize = 16;
/// The longest name of a command; a longer word is not a command.
const MAX_COMMAND: usize = 64;

/// Keeps the command; each argument becomes `?`. Quoted text is one argument.
pub(super) fn read(text: &str) -> Statement {
    let text = text.trim_start();
    let end = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
    let (command, rest) = text.split_at(end);
    if !is_command(command) {
        return Statement::default();
    }
    let mut clean = command.to_owned();
    for _ in 0..arguments(rest).min(MAX_ARGUMENTS) {
        clean.push_str(" ?");
    }
    if arguments(rest) > MAX_ARGUMENTS {
        clean.push_str(" …");
    }
    Statement { text: Some(clean), operation: Some(command.to_owned()), ..Statement::default() }
}

/// Keeps text that holds no values as it is.
pub(super) fn plain(text: &str) -> Statement {
    const MAX_TEXT: usize = 4096;
    let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_TEXT).last().unwrap_or(0);
    let kept = if text.len() > MAX_TEXT { format!("{}…", &text[..cut]) } else { text.to_owned() };
    Statement { text: Some(kept), ..Statement::default() }
}

fn is_command(word: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    word.len() <= MAX_COMMAND && word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(may)
}

/// How many arguments there are.
fn arguments(text: &str) -> usize {
    let (mut count, mut quote, mut is_escaped, mut is_between) = (0, None, false, true);
    for c in text.chars() {
        if is_between && !c.is_whitespace() {
            count += 1;
        }
        is_between = quote.is_none() && c.is_whitespace();
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_is_kept() {
        for (text, clean) in [
            ("GET user:7", "GET ?"),
            ("  SET  \"a b\"\t'c \\' d' ", "SET ? ?"),
            ("HMSET h f1 v1 f2 v2", "HMSET ? ? ? ? ?"),
            ("AUTH hunter2", "AUTH ?"),
            ("PING", "PING"),
            ("SET a \"hunter2 hunter2", "SET ? ?"),
            ("JSON.GET a\nAUTH hunter2", "JSON.GET ? ? ?"),
        ] {
            assert_eq!(read(text).text.as_deref(), Some(clean), "{text}");
        }
        assert_eq!(read("get a").operation.as_deref(), Some("get"));
    }

    #[test]
    fn text_without_a_command_is_dropped() {
        for text in ["", " ", "7 hunter2", "hunter2=x", "\"hunter2\"", &"x".repeat(65)] {
            assert_eq!(read(text), Statement::default(), "{text}");
        }
    }

    #[test]
    fn many_arguments_are_cut() {
        let text = read(&format!("MGET {}", "key ".repeat(5000))).text.unwrap();
        assert_eq!(text, format!("MGET{} …", " ?".repeat(MAX_ARGUMENTS)));
    }

    #[test]
    fn plain_text_stays_as_it_is_and_is_cut() {
        assert_eq!(plain("FIND orders WHERE id = :id").text.as_deref(), Some("FIND orders WHERE id = :id"));
        let long = plain(&"ü".repeat(5000)).text.unwrap();
        assert!(long.len() <= 4096 + '…'.len_utf8() && long.ends_with("ü…"), "{}", long.len());
    }
}

//! Bodies of routines, within which a semicolon ends no statement of the text.

use super::lexer::Token;

/// Where in a body the reader is.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The words at the beginning of the statement.
    words: usize,
    is_definition: bool,
    /// A body may begin.
    is_routine: bool,
    /// The word before was a `BEGIN` that may begin a transaction as well.
    after_begin: bool,
    /// The word before was `END`, which may end something else than a block.
    after_end: bool,
    depth: usize,
}

impl Body {
    /// Whether the token belongs to a body.
    pub(super) fn is_within(&mut self, token: &Token<'_>) -> bool {
        let word = if let Token::Word(word) = token { *word } else { "" };
        let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let after_end = std::mem::take(&mut self.after_end);
        if after_end && !is(&["IF", "LOOP", "WHILE", "REPEAT", "FOR"]) {
            self.depth -= 1;
        }
        if std::mem::take(&mut self.after_begin) && !word.is_empty() {
            const TRANSACTION: &[&str] = &[
                "TRANSACTION",
                "WORK",
                "TRAN",
                "IMMEDIATE",
                "DEFERRED",
                "EXCLUSIVE",
                "CONCURRENT",
                "ISOLATION",
                "READ",
                "NOT",
                "DEFERRABLE",
                "DISTRIBUTED",
            ];
            self.depth += usize::from(!is(TRANSACTION));
        }
        if self.depth > 0 {
            // `END CASE`
            if is(&["BEGIN"]) || (is(&["CASE"]) && !after_end) {
                self.depth += 1;
            }
            self.after_end = is(&["END"]);
            return true;
        }
        if !word.is_empty() {
            self.words += 1;
            match self.words {
                1 => {
                    self.is_definition = is(&["CREATE", "ALTER"]);
                    self.after_begin = is(&["BEGIN"]);
                }
                _ if self.is_routine => self.depth = usize::from(is(&["BEGIN"])),
                2..=8 if self.is_definition => {
                    self.is_routine = is(&["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"]);
                }
                _ => {}
            }
        }
        false
    }
}

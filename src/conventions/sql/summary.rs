//! Which operations a statement consists of, and on which tables.

use super::body::Body;
use super::lexer::Token;
use super::words::{AFTER_OR, DEFINITIONS, DIRECT, FILLERS, KINDS_OF_NEW_TABLE, OBJECTS, OPERATIONS, PLAIN};

/// Longest summary in bytes; more is left out by whole words.
const MAX_SUMMARY: usize = 255;

/// The summary, or the operation, of a batch of what has this one. Words that do not fit are left out.
pub(in crate::conventions) fn name_of_batch(of_one: &str) -> String {
    let mut name = of_one;
    while "BATCH ".len() + name.len() > MAX_SUMMARY {
        name = name.rsplit_once(' ').map_or("", |(shorter, _)| shorter);
    }
    format!("BATCH {name}").trim_end().to_owned()
}

fn among(list: &[&'static str], word: &str) -> Option<&'static str> {
    list.iter().copied().find(|known| known.eq_ignore_ascii_case(word))
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Await {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// The word for what the statement does.
    Operation,
    /// The kind of object that a definition is about.
    Object,
    /// A table's name. `callable`: what is followed by `(` is a function instead.
    Table { callable: bool },
    /// The name of something that is no table.
    Name,
}

#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// An operation began between these parentheses: `FROM` announces a table and is not part of `EXTRACT(…)`.
    operation: bool,
    /// Between FROM and the clause after it, where a comma announces the next table.
    from: bool,
}

/// What a text is about.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) summary: Option<String>,
    pub(super) operation: Option<String>,
    /// The table, if there is exactly one.
    pub(super) table: Option<String>,
    /// How many statements there are.
    pub(super) statements: usize,
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(super) struct Reader {
    /// The statements before this one.
    before: Vec<Summary>,
    /// Some token of this one has been read.
    begun: bool,
    body: Body,
    parts: Vec<String>,
    tables: Vec<String>,
    ctes: Vec<String>,
    operation: Option<String>,
    awaiting: Await,
    levels: Vec<Level>,
    /// A name being read, and what it is the name of.
    name: Option<(String, Await)>,
    dotted: bool,
    /// Within `WITH … AS (…)`, before the operation.
    with: bool,
    /// The rest of the statement does not matter.
    done: bool,
    /// The token before could stand before a statement within the statement.
    opening: bool,
    after_distinct: bool,
    after_or: bool,
    /// The table that is awaited is one that `SELECT … INTO` makes.
    makes_table: bool,
    /// The kind of that table, or its name.
    filler: Option<String>,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            before: Vec::new(),
            begun: false,
            body: Body::default(),
            parts: Vec::new(),
            tables: Vec::new(),
            ctes: Vec::new(),
            operation: None,
            awaiting: Await::Operation,
            levels: vec![Level::default()],
            name: None,
            dotted: false,
            with: false,
            done: false,
            opening: true,
            after_distinct: false,
            after_or: false,
            makes_table: false,
            filler: None,
        }
    }
}

impl Reader {
    pub(super) fn token(&mut self, token: &Token<'_>) {
        if !matches!(token, Token::Word(_) | Token::Quoted(..))
            && let Some(name) = self.filler.take()
        {
            self.start_name(&name);
        }
        if self.continue_name(token) {
            return;
        }
        let is_within = self.body.is_within(token);
        self.begun |= *token != Token::Punct(";");
        let opening = std::mem::replace(&mut self.opening, matches!(token, Token::Punct("(" | ")")));
        match token {
            Token::Punct(";") if !is_within => self.next_statement(),
            _ if self.done || is_within => {}
            Token::Punct("(") => self.levels.push(Level::default()),
            Token::Punct(")") => {
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
            }
            Token::Punct(",") if self.level().from => self.awaiting = Await::Table { callable: true },
            Token::Quoted(_, inner) => {
                self.filler = None;
                self.start_name(inner);
            }
            Token::Word(word) => self.word(word, opening),
            _ if matches!(self.awaiting, Await::Operation) => {}
            _ => self.awaiting = Await::Nothing,
        }
    }

    /// Sums up. Of several statements only what they have in common is known of all: the conventions call them a batch.
    pub(super) fn finish(mut self) -> Summary {
        let last = self.end_statement();
        let mut all = std::mem::take(&mut self.before);
        all.extend(last);
        let statements = all.len();
        if statements < 2 {
            return all.pop().unwrap_or_default();
        }
        let batch = |common: Option<&str>| Some(common.map_or("BATCH".into(), name_of_batch));
        Summary {
            summary: batch(common(&all, |statement| statement.summary.as_deref())),
            operation: batch(common(&all, |statement| statement.operation.as_deref())),
            table: common(&all, |statement| statement.table.as_deref()).map(str::to_owned),
            statements,
        }
    }

    /// What the statement was about, if there was one.
    fn end_statement(&mut self) -> Option<Summary> {
        if let Some(name) = self.filler.take() {
            self.start_name(&name);
        }
        self.end_name(false);
        let mut summary = String::new();
        for part in &self.parts {
            if summary.len() + 1 + part.len() > MAX_SUMMARY {
                break;
            }
            if !summary.is_empty() {
                summary.push(' ');
            }
            summary.push_str(part);
        }
        let table = if self.tables.len() == 1 { self.tables.pop() } else { None };
        let summary = (!summary.is_empty()).then_some(summary);
        self.begun.then(|| Summary { summary, operation: self.operation.take(), table, statements: 1 })
    }

    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn next_statement(&mut self) {
        let mut before = std::mem::take(&mut self.before);
        before.extend(self.end_statement());
        *self = Reader { before, ..Reader::default() };
    }

    fn word(&mut self, word: &str, opening: bool) {
        let after_distinct = std::mem::replace(&mut self.after_distinct, word.eq_ignore_ascii_case("DISTINCT"));
        if self.awaiting == Await::Operation {
            return self.first_word(word, opening);
        }
        // Only SELECT may follow other words; `FOR UPDATE`, `ON DELETE`, `DO UPDATE` and `REPLACE(…)` are no operations.
        if let Some(operation) = among(OPERATIONS, word).filter(|operation| *operation == "SELECT" || opening) {
            return self.begin(operation);
        }
        match self.awaiting {
            Await::Object => {
                let is_truncated = self.operation.as_deref() == Some("TRUNCATE");
                if let Some(object) = among(OBJECTS, word).filter(|object| !is_truncated || *object == "TABLE") {
                    self.parts.push(object.into());
                    let table = matches!(object, "TABLE" | "VIEW");
                    self.awaiting = if table { Await::Table { callable: false } } else { Await::Name };
                } else if is_truncated && among(FILLERS, word).is_none() {
                    self.awaiting = Await::Table { callable: false };
                    self.start_name(word);
                }
            }
            Await::Table { .. } | Await::Name => self.name_or_filler(word, after_distinct),
            Await::Nothing | Await::Operation => self.clause(word, after_distinct),
        }
    }

    /// A word where a name is awaited: the name, or a word before it.
    fn name_or_filler(&mut self, word: &str, after_distinct: bool) {
        let before = std::mem::take(&mut self.filler);
        // `SELECT a INTO temp FROM t`
        if let Some(name) = before.as_deref().filter(|_| word.eq_ignore_ascii_case("FROM")) {
            self.start_name(name);
            self.end_name(false);
            self.clause(word, after_distinct);
        } else if among(KINDS_OF_NEW_TABLE, word).is_some() && self.makes_table {
            self.filler = Some(word.to_owned());
        } else if self.after_or && among(AFTER_OR, word).is_some() {
            self.after_or = false;
        } else if self.awaiting == Await::Name && word.eq_ignore_ascii_case("ON") {
            // An index without a name.
            self.done = true;
        } else if among(FILLERS, word).is_some() {
            self.after_or = word.eq_ignore_ascii_case("OR");
        } else {
            self.start_name(word);
        }
    }

    fn clause(&mut self, word: &str, after_distinct: bool) {
        const ENDS_FROM: &[&str] = &[
            "WHERE",
            "GROUP",
            "ORDER",
            "HAVING",
            "LIMIT",
            "SET",
            "ON",
            "VALUES",
            "RETURNING",
            "WINDOW",
            "UNION",
            "EXCEPT",
            "INTERSECT",
            "OFFSET",
            "FETCH",
            "FOR",
        ];
        let announced = among(&["FROM", "JOIN", "INTO", "USING"], word);
        self.makes_table &= announced.is_none();
        match announced {
            Some("FROM") if after_distinct || !self.level().operation => {}
            Some("FROM") => {
                self.level().from = true;
                self.awaiting = Await::Table { callable: true };
            }
            Some("INTO") => {
                self.awaiting = Await::Table { callable: false };
                self.makes_table = self.parts.iter().rev().find_map(|part| among(OPERATIONS, part)) == Some("SELECT");
            }
            Some("USING") if !matches!(self.operation.as_deref(), Some("DELETE" | "MERGE")) => {}
            Some(_) => self.awaiting = Await::Table { callable: true },
            None if among(ENDS_FROM, word).is_some() => self.level().from = false,
            None => {}
        }
    }

    fn first_word(&mut self, word: &str, opening: bool) {
        if self.with {
            match among(OPERATIONS, word) {
                // At the outermost level this is what the CTEs are for; deeper, it is part of one.
                Some(operation) if self.levels.len() > 1 && opening => self.begin_inner(operation),
                Some(operation) if self.levels.len() == 1 => self.begin(operation),
                _ if self.levels.len() > 1 => {
                    let after_distinct = self.after_distinct;
                    self.awaiting = Await::Nothing;
                    self.clause(word, after_distinct);
                    if self.awaiting == Await::Nothing {
                        self.awaiting = Await::Operation;
                    }
                }
                _ if among(&["RECURSIVE", "AS", "NOT", "MATERIALIZED"], word).is_none() => {
                    self.ctes.push(word.to_ascii_lowercase());
                }
                _ => {}
            }
            return;
        }
        if word.eq_ignore_ascii_case("WITH") {
            self.with = true;
        } else if word.eq_ignore_ascii_case("EXPLAIN") {
            self.name_operation("EXPLAIN");
        } else if let Some(operation) = among(OPERATIONS, word) {
            self.begin(operation);
        } else if let Some(definition) = among(DEFINITIONS, word) {
            self.name_operation(definition);
            self.awaiting = Await::Object;
        } else if let Some(direct) = among(DIRECT, word) {
            self.name_operation(direct);
            self.awaiting =
                if direct == "COPY" || direct == "LOCK" { Await::Table { callable: false } } else { Await::Name };
        } else if let Some(plain) = among(PLAIN, word) {
            // `EXPLAIN ANALYZE SELECT …`: still to come.
            if self.operation.as_deref() != Some("EXPLAIN") {
                self.name_operation(plain);
                self.done = true;
            }
        }
    }

    fn name_operation(&mut self, operation: &'static str) {
        self.operation.get_or_insert_with(|| operation.into());
        self.parts.push(operation.into());
    }

    fn begin(&mut self, operation: &'static str) {
        self.name_operation(operation);
        self.start_operation(operation);
        self.with = false;
    }

    /// An operation within a CTE: part of the summary, but not what the statement is called after.
    fn begin_inner(&mut self, operation: &'static str) {
        self.parts.push(operation.into());
        self.start_operation(operation);
        if self.awaiting == Await::Nothing {
            self.awaiting = Await::Operation;
        }
    }

    fn start_operation(&mut self, operation: &'static str) {
        *self.level() = Level { operation: true, from: false };
        self.awaiting = if operation == "UPDATE" { Await::Table { callable: false } } else { Await::Nothing };
    }

    fn start_name(&mut self, text: &str) {
        match self.awaiting {
            Await::Table { .. } | Await::Name => {
                self.name = Some((text.to_owned(), self.awaiting));
                self.dotted = false;
                self.awaiting = if self.with { Await::Operation } else { Await::Nothing };
            }
            Await::Operation if self.with && self.levels.len() == 1 => self.ctes.push(text.to_ascii_lowercase()),
            _ => {}
        }
    }

    /// Whether the token was part of a name.
    fn continue_name(&mut self, token: &Token<'_>) -> bool {
        let Some((name, _)) = &mut self.name else { return false };
        match token {
            Token::Punct(".") => {
                self.dotted = true;
                name.push('.');
                return true;
            }
            Token::Word(part) | Token::Quoted(_, part) if self.dotted => {
                self.dotted = false;
                name.push_str(part);
                return true;
            }
            _ => {}
        }
        self.end_name(matches!(token, Token::Punct("(")));
        false
    }

    fn end_name(&mut self, called: bool) {
        let Some((name, kind)) = self.name.take() else { return };
        let name = name.trim_end_matches('.').to_owned();
        match kind {
            Await::Table { callable: true } if called => {}
            Await::Table { .. } => {
                if !name.is_empty() && !self.ctes.contains(&name.to_ascii_lowercase()) {
                    self.parts.push(name.clone());
                    if !self.tables.contains(&name) {
                        self.tables.push(name);
                    }
                }
                let ends = ["CREATE", "DROP", "ALTER", "TRUNCATE", "COPY", "LOCK"];
                self.done |= self.operation.as_deref().is_some_and(|operation| ends.contains(&operation));
            }
            _ => {
                self.parts.push(name);
                self.done = true;
            }
        }
    }
}

/// The value that all statements have in common, if there is one.
fn common<'s>(all: &'s [Summary], of: impl Fn(&'s Summary) -> Option<&'s str>) -> Option<&'s str> {
    let first = of(all.first()?)?;
    all.iter().all(|statement| of(statement) == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests;

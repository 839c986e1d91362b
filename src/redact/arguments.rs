//! Secrets among the arguments of a program. There is no grammar of command lines, so this is rather too careful than not
//! careful enough.

use super::names::{Secrecy, secrecy};
use super::{REDACTED, text};

/// Options that take `user:password`, or a user whose password is asked for.
const USERS: &[&str] = &["-u", "-U", "--user", "--proxy-user"];
/// Programs whose short options take a secret, besides `-p` and `-P`, which do so for many.
const OPTIONS: &[(&str, &[&str])] = &[
    ("curl", &["-u", "-U", "--user", "--proxy-user", "-b", "--cookie", "-E", "--cert", "--oauth2-bearer"]),
    ("wget", &["--http-user", "--user"]),
    ("http", &["-a", "--auth"]),
    ("https", &["-a", "--auth"]),
    ("xh", &["-a", "--auth"]),
    ("redis-cli", &["-a"]),
    ("ldapsearch", &["-w"]),
    ("ldapadd", &["-w"]),
    ("ldapmodify", &["-w"]),
    ("ldapwhoami", &["-w"]),
    ("smbclient", &["-U"]),
    ("openssl", &["-passin", "-passout", "-pass", "-k", "-K"]),
    ("zip", &["-P"]),
];
/// Options that begin like `-pX` and are words.
const NO_PASSWORDS: &[&str] = &[
    "path", "port", "print", "printf", "prune", "parents", "parallel", "pid", "pidfile", "prefix", "project", "plugin",
    "protocol", "proxy", "policy", "progress", "pretty", "preserve", "profile", "package", "page", "pattern", "perm",
    "pie", "pthread", "pedantic", "pipe", "poll", "pool", "priority", "public", "push", "pull",
];

/// A program's words with all that looks like a secret replaced. The first is its name.
pub(crate) fn arguments(words: &[String]) -> Vec<String> {
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    let own = OPTIONS.iter().find(|(known, _)| *known == program).map_or(&[][..], |(_, options)| options);
    let mut awaits = Awaits::Nothing;
    let clean = words.iter().enumerate().map(|(index, word)| {
        let next = if index == 0 { Awaits::Nothing } else { Awaits::after(word, own) };
        match std::mem::replace(&mut awaits, next) {
            Awaits::Secret if !word.starts_with("--") && !word.is_empty() => {
                awaits = Awaits::Nothing;
                REDACTED.to_owned()
            }
            Awaits::User if word.contains([':', '%']) => REDACTED.to_owned(),
            _ if index == 0 => text::parameters(word).into_owned(),
            _ => argument(word, own),
        }
    });
    clean.collect()
}

/// What an option makes of the word behind it.
#[derive(PartialEq, Eq)]
enum Awaits {
    Nothing,
    Secret,
    User,
}

impl Awaits {
    fn after(word: &str, own: &[&str]) -> Awaits {
        let name = word.trim_start_matches('-');
        if !word.starts_with('-') || name.is_empty() || word.contains(['=', ':', ' ']) {
            Awaits::Nothing
        } else if own.contains(&word) || matches!(word, "-p" | "-P") {
            // For some a port, a path or a package. Who reads it knows; we cannot.
            Awaits::Secret
        } else if USERS.contains(&word) {
            Awaits::User
        } else if ["no-", "without-", "disable-", "skip-"].iter().any(|not| name.starts_with(not)) {
            Awaits::Nothing
        } else if secrecy(name) >= Secrecy::Parameter {
            Awaits::Secret
        } else {
            Awaits::Nothing
        }
    }
}

/// `-psecret`, but not `-port`.
pub(super) fn is_glued_password(word: &str) -> bool {
    let value = word.strip_prefix("-p").or_else(|| word.strip_prefix("-P")).unwrap_or_default();
    let name = word.split(['=', ':']).next().unwrap_or_default();
    !value.is_empty() && !NO_PASSWORDS.contains(&&name[1..])
}

/// One argument, which may be a whole command line.
fn argument(word: &str, own: &[&str]) -> String {
    let Some(option) = word.strip_prefix('-').filter(|option| !option.starts_with('-')) else {
        return text::parameters(word).into_owned();
    };
    let glued = |flag: &str| option.strip_prefix(flag).filter(|value| !value.is_empty());
    // `-uuser:password`, `-psecret`; what has blanks in it is more than one option.
    let is_user = ["u", "U"]
        .iter()
        .any(|flag| glued(flag).is_some_and(|value| value.contains(':') || own.contains(&format!("-{flag}").as_str())));
    let is_own = own.iter().any(|known| known.len() == 2 && word.len() > 2 && word.starts_with(known));
    if is_user || is_own || is_glued_password(word) {
        let equals = usize::from(option[1..].starts_with('='));
        return format!("{}{REDACTED}", &word[..2 + equals]);
    }
    text::parameters(word).into_owned()
}

//! Secrets among the arguments of a program. There is no grammar of command lines, so this is rather too careful than not
//! careful enough; what no name and no shape gives away, it cannot find.

use super::{REDACTED, message};

/// A name that has one of these in it, letters only, is a secret's.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "accountkey",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "deploykey",
    "connectionstring",
];
/// A name of which one of these is a whole word is a secret's.
const WORDS: &[&str] = &["pwd", "pass", "auth", "authorization", "jwt", "sig", "signature", "cookie", "bearer", "dsn"];
/// Options that take `user:password`.
const USERS: &[&str] = &["-u", "-U", "--user", "--proxy-user"];
/// How keys of well-known services begin.
const KEYS: &[&str] = &[
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "pypi-",
    "dop_v1_",
    "eyJ",
];
/// Shorter words are no keys.
const KEY_LENGTH: usize = 20;

/// A program's words with all that looks like a secret replaced. The first is its name.
pub(crate) fn arguments(words: &[String]) -> Vec<String> {
    let mut awaits = Awaits::Nothing;
    let clean = words.iter().map(|word| {
        let awaited = std::mem::replace(&mut awaits, Awaits::after(word));
        match awaited {
            Awaits::Secret if !word.starts_with("--") => {
                awaits = Awaits::Nothing;
                REDACTED.to_owned()
            }
            Awaits::User if word.contains(':') => REDACTED.to_owned(),
            _ => argument(word),
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
    fn after(word: &str) -> Awaits {
        if USERS.contains(&word) {
            Awaits::User
        } else if word.starts_with('-') && !word.contains(['=', ':', ' ']) && is_secret(word) {
            Awaits::Secret
        } else {
            Awaits::Nothing
        }
    }
}

/// One argument, which may be a whole command line: behind a secret's name nothing of it is told.
fn argument(text: &str) -> String {
    // `-uuser:password`
    if text.starts_with("-u") && text.contains(':') {
        return format!("-u{REDACTED}");
    }
    let mut at = 0;
    for piece in text.split_inclusive(is_between) {
        let word = piece.trim_end_matches(is_between);
        let name = &word[..word.find(['=', ':']).unwrap_or(word.len())];
        let behind = &text[at + name.len()..];
        // In JSON a quote stands between the two.
        let value = behind.trim_start_matches(['"', '\'', ' ']).strip_prefix(['=', ':']);
        let value = value.or_else(|| behind.strip_prefix(' ').filter(|_| name.starts_with('-')));
        if let Some(value) = value
            && is_secret(name)
        {
            return format!("{}{REDACTED}", message(&text[..text.len() - value.len()]));
        }
        let own = if name.len() < word.len() { name.len() + 1 } else { 0 };
        if is_key(&word[own..]) {
            return format!("{}{REDACTED}", message(&text[..at + own]));
        }
        at += piece.len();
    }
    message(text).into_owned()
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ';' | '&' | '|' | ',' | '{' | '}' | '(' | ')')
}

/// Whether an option, variable or header of this name holds a secret.
fn is_secret(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    let letters: String = small.chars().filter(char::is_ascii_alphanumeric).collect();
    PARTS.iter().any(|part| letters.contains(part))
        || small.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word))
}

fn is_key(word: &str) -> bool {
    word.len() >= KEY_LENGTH && KEYS.iter().any(|start| word.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(words: &[&str]) -> String {
        arguments(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).join(" ")
    }

    #[test]
    fn secrets_are_found_by_name_and_by_shape() {
        for (words, expected) in [
            (&["job", "--port", "80", "-v"][..], "job --port 80 -v"),
            (&["job", "--password=hunter2", "x"], "job --password=REDACTED x"),
            (&["job", "--password", "hunter2", "x"], "job --password REDACTED x"),
            (&["job", "--password", "-hunter2", "x"], "job --password REDACTED x"),
            (&["job", "--no-password", "--host", "h"], "job --no-password --host h"),
            (&["job", "--token", "--secret", "hunter2", "x"], "job --token --secret REDACTED x"),
            (&["job", "-token", "hunter2"], "job -token REDACTED"),
            (&["job", "PGPASSWORD=hunter2", "A=b"], "job PGPASSWORD=REDACTED A=b"),
            (&["job", "--dbPassword=hunter2"], "job --dbPassword=REDACTED"),
            (&["job", "-Dspring.datasource.password=hunter2"], "job -Dspring.datasource.password=REDACTED"),
            (&["job", "--api-key=hunter2", "--key=k"], "job --api-key=REDACTED --key=k"),
            (&["curl", "-u", "me:hunter2", "h"], "curl -u REDACTED h"),
            (&["curl", "-ume:hunter2", "h"], "curl -uREDACTED h"),
            (&["docker", "run", "-u", "1000", "i"], "docker run -u 1000 i"),
            (&["curl", "-H", "Authorization: Bearer hunter2"], "curl -H Authorization:REDACTED"),
            (&["curl", "-H", "X-Api-Key: hunter2"], "curl -H X-Api-Key:REDACTED"),
            (&["curl", "-H", "Accept: text/html"], "curl -H Accept: text/html"),
            (
                &["job", "https://me:hunter2@h/p?token=hunter2&a=b"],
                "job https://REDACTED:REDACTED@h/p?token=REDACTED&a=b",
            ),
            (&["job", "--url=https://me:hunter2@h/"], "job --url=https://REDACTED:REDACTED@h/"),
            (&["sh", "-c", "curl -H 'Authorization: Bearer hunter2' h"], "sh -c curl -H 'Authorization:REDACTED"),
            (&["sh", "-c", "TOKEN=hunter2 ./run --token hunter2"], "sh -c TOKEN=REDACTED"),
            (&["sh", "-c", "./run --token hunter2; ls"], "sh -c ./run --token REDACTED"),
            (&["sh", "-c", "echo a:b && ls"], "sh -c echo a:b && ls"),
            (&["job", r#"{"user":"a","password":"hunter2"}"#], r#"job {"user":"a","password":REDACTED"#),
            (&["job", "ghp_hunter2hunter2hunter2"], "job REDACTED"),
            (&["job", "--with=ghp_hunter2hunter2hunter2"], "job --with=REDACTED"),
            (&["job", "sk-ip"], "job sk-ip"),
            (&["job", "a b", ""], "job a b "),
        ] {
            assert_eq!(clean(words), expected, "{words:?}");
        }
    }
}

//! Which names are those of secrets: one table for URLs, headers, arguments, attributes and texts.
//!
//! The table joins what the scrubbers of Sentry, Elastic APM, Datadog and Rails hide by default with what the semantic
//! conventions name. A name is judged by its parts (`user[newPassword]` is `user`, `new`, `password`), so that one entry
//! stands for all the names that services make of it.

/// How sure it is that a name is that of a secret: where its value is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Secrecy {
    /// Nowhere.
    None,
    /// Where names are those of parameters: queries, forms, headers, options. Elsewhere `code` and `key` are harmless.
    Parameter,
    /// In every pair (`name=value`, `"name": value`), but not behind a word of a sentence: `session: started`.
    Pair,
    /// Behind a colon in a sentence as well.
    Always,
}

/// In whatever name they stand, without its punctuation.
const ALWAYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "passwrd",
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
    "sharedkey",
    "authkey",
    "connectionstring",
    "authorization",
    "samlresponse",
    "samlrequest",
    "sessionkey",
];
const PAIRS: &[&str] =
    &["sessionid", "sessid", "signature", "bearer", "csrf", "xsrf", "creditcard", "cardnumber", "cardnum", "passkey"];
/// A part of a name.
const PARTS: &str = "session sess pass pwd pw auth sig sid otp totp pin cvv cvc ssn psk jwt cookie cookies cred creds dsn assertion verifier \
     mnemonic salt authcode";
/// What ends in these is a password (`dbpass`, `oldpwd`), but for some words.
const ENDS: &[&str] = &["pass", "pwd"];
const NOT_ENDS: &str = "bypass compass trespass surpass overpass underpass encompass";
/// The last part of a name that is about a secret and does not hold it: `token_type`, `password_length`.
const ABOUT: &str = "type kind length len count size limit max min ttl expiry expires expiration expired timeout age at in on \
     policy name username user file path dir stdin env url uri endpoint host port domain server provider method \
     mode alg algorithm scheme realm scope scopes enabled disabled required valid invalid status attempts retries \
     failures errors error level version format time date created updated used usage";
/// Keys that lead to things and open none.
const KEYS: &str = "primary foreign partition sort sorting order range unique composite natural cache public pub idempotency \
     object row group index map routing lookup message record event parent child shift hot short start end last \
     next first prev column field tag label metric dict json translation resource dedup feature flag project \
     issue ticket config setting registry bucket shard sharding distribution item entity attribute header param \
     property state job task lock hash press any the no duplicate missing unknown invalid s3 kafka";
/// Kinds of codes that grant access.
const CODES: &str = "auth authorization oauth oauth2 access security verification verify confirm confirmation pin otp mfa 2fa tfa \
     sms login signin sso reset recovery backup invite invitation device user pass time activation unlock pairing";
/// Whose tokens are secrets in the plural; others are counted: `max_tokens`.
const TOKENS: &str = "api access refresh auth bearer session secret device";

/// Longer names are judged by their end.
const LONGEST: usize = 96;

/// Judges a name.
pub(crate) fn secrecy(name: &str) -> Secrecy {
    let from = name.len().saturating_sub(LONGEST);
    let name = name.as_bytes().get(from..).unwrap_or_default();
    if !name
        .windows(2)
        .enumerate()
        .any(|(at, pair)| may_hold([pair[0], pair[1], name.get(at + 2).copied().unwrap_or(0)]))
    {
        return Secrecy::None;
    }
    let mut letters = [0; LONGEST];
    let parts = Parts::of(name, &mut letters);
    let (last, before) = (parts.last(0), parts.last(1));
    if !before.is_empty() && among(ABOUT, last) {
        return Secrecy::None;
    }
    let whole = parts.whole();
    let token = (0..parts.count).map(|index| is_token(parts.get(index), index.checked_sub(1).map(|at| parts.get(at))));
    if ALWAYS.iter().any(|stem| whole.contains(stem)) || holds_secret(whole) || token.into_iter().any(|is| is) {
        return Secrecy::Always;
    }
    let is_part = |part: &str| {
        let part = part.trim_end_matches(|c: char| c.is_ascii_digit());
        among(PARTS, part) || (ENDS.iter().any(|end| part.ends_with(end)) && !among(NOT_ENDS, part))
    };
    if PAIRS.iter().any(|stem| whole.contains(stem)) || (0..parts.count).any(|index| is_part(parts.get(index))) {
        return Secrecy::Pair;
    }
    match last {
        "key" | "keys" if before.is_empty() => Secrecy::Parameter,
        "key" | "keys" if !among(KEYS, before) => Secrecy::Pair,
        "code" if before.is_empty() => Secrecy::Parameter,
        "code" if among(CODES, before) => Secrecy::Pair,
        _ => Secrecy::None,
    }
}

/// Whether a name has more than one part: a header's or a variable's rather than a word of a sentence.
pub(crate) fn is_compound(name: &str) -> bool {
    let mut letters = [0; LONGEST];
    let from = name.len().saturating_sub(LONGEST);
    Parts::of(name.as_bytes().get(from..).unwrap_or_default(), &mut letters).count > 1
}

/// Whether three letters begin anything that the table has. Most names in a text have none of them.
fn may_hold(letters: [u8; 3]) -> bool {
    let small = letters.map(|letter| letter.to_ascii_lowercase());
    small.starts_with(b"pw")
        || matches!(
            &small,
            b"pas"
                | b"sec"
                | b"tok"
                | b"key"
                | b"aut"
                | b"ses"
                | b"cre"
                | b"cod"
                | b"con"
                | b"sam"
                | b"sig"
                | b"bea"
                | b"srf"
                | b"car"
                | b"sid"
                | b"otp"
                | b"pin"
                | b"cvv"
                | b"cvc"
                | b"ssn"
                | b"psk"
                | b"jwt"
                | b"coo"
                | b"dsn"
                | b"ass"
                | b"ver"
                | b"mne"
                | b"sal"
        )
}

fn among(list: &str, part: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == part)
}

/// `secret` in whatever form, but no secretary.
fn holds_secret(whole: &str) -> bool {
    whole.find("secret").is_some_and(|at| !whole[at + 6..].starts_with("ar"))
}

fn is_token(part: &str, before: Option<&str>) -> bool {
    let Some(at) = part.find("token") else { return false };
    match &part[at + 5..] {
        "s" => before.is_some_and(|before| among(TOKENS, before)) || among(TOKENS, &part[..at]),
        rest if rest.starts_with("iz") || rest.starts_with("is") || rest.starts_with("om") => false,
        _ => !before.is_some_and(|before| matches!(before, "max" | "min" | "num")),
    }
}

/// The parts of a name in small letters, one behind the other.
struct Parts<'b> {
    letters: &'b [u8],
    ends: [u8; 24],
    count: usize,
}

impl<'b> Parts<'b> {
    /// Ends a part at punctuation, before a capital behind a small letter, and before the last of several capitals:
    /// `SAMLResponse`.
    fn of(name: &[u8], letters: &'b mut [u8; LONGEST]) -> Parts<'b> {
        let (mut ends, mut count, mut length) = ([0; 24], 0, 0_u8);
        let mut end = |length: u8| {
            let start = if count == 0 { 0 } else { ends[count - 1] };
            if length > start && count < ends.len() {
                ends[count] = length;
                count += 1;
            }
        };
        for (at, byte) in name.iter().copied().enumerate() {
            if !byte.is_ascii_alphanumeric() {
                end(length);
                continue;
            }
            let before = at.checked_sub(1).map_or(b' ', |before| name[before]);
            let after = name.get(at + 1).copied().unwrap_or(b' ');
            let is_new = before.is_ascii_lowercase() || before.is_ascii_digit() || after.is_ascii_lowercase();
            if byte.is_ascii_uppercase() && before.is_ascii_alphanumeric() && is_new {
                end(length);
            }
            letters[usize::from(length)] = byte.to_ascii_lowercase();
            length += 1;
        }
        end(length);
        Parts { letters: &letters[..usize::from(length)], ends, count }
    }

    fn get(&self, index: usize) -> &str {
        let from = if index == 0 { 0 } else { usize::from(self.ends[index - 1]) };
        std::str::from_utf8(&self.letters[from..usize::from(self.ends[index])]).unwrap_or_default()
    }

    /// The last part, or one before it; empty if there is none.
    fn last(&self, before: usize) -> &str {
        self.count.checked_sub(before + 1).map_or("", |index| self.get(index))
    }

    fn whole(&self) -> &str {
        std::str::from_utf8(self.letters).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_their_parts() {
        let always = "password passwd user[password] newPassword user.password pass_word db_password PASSWORD2 \
                      secret client_secret clientSecret ClientSecret SECRET secrets token access_token accessToken \
                      refresh_token id_token csrf_token token[] tokens[token] XSRF-TOKEN stripeToken authtoken \
                      api_key apiKey APIKEY x-api-key X_API_KEY AWSAccessKeyId aws_secret_access_key AccountKey \
                      SharedAccessKey private-key credentials x-amz-credential X-Amz-Security-Token SAMLResponse \
                      SAMLRequest authorization proxy-authorization connectionString passphrase access_tokens authorization_code";
        let pair = "pass pwd pw dbpass dbpwd oldpwd user_pass auth x-auth basicAuth sig X-Amz-Signature signature sid \
                    connect.sid session PHPSESSID JSESSIONID sessionid session_id otp totp pin card_pin cvv cvv2 cvc \
                    ssn psk jwt cookie set-cookie creds dsn client_assertion code_verifier oauth_verifier csrf _csrf \
                    auth_code auth_code[] user_code license_key consumerKey Ocp-Apim-Subscription-Key \
                    my_key bearer credit_card card_number salt";
        let parameter = "key KEY keys code Code";
        let none = "monkey keyboard keyword keywords hotkey turkey key_id keyspace country_code zipcode zip_code \
                    status_code error_code promo_code currencyCode codes encode code_challenge author authority \
                    author_id session_timeout sessions token_type token_count max_tokens tokens total_tokens \
                    tokenizer tokenized expires_in client_id user name username email page q state grant_type \
                    redirect_uri primary_key sort_key partition_key cache_key public_key idempotency-key \
                    bypass compass pass_count passed passenger password_length passwordFile password_policy \
                    secretary secretariat auth_type auth_method design signal sign_in assign pink spin shipping \
                    classname process_id accept host content-type x-request-id compassion passive cardinality \
                    discard dashboard key.length keyName access spinner considered resident  usid";
        for (names, expected) in
            [(always, Secrecy::Always), (pair, Secrecy::Pair), (parameter, Secrecy::Parameter), (none, Secrecy::None)]
        {
            for name in names.split_whitespace() {
                assert_eq!(secrecy(name), expected, "{name}");
            }
        }
        assert_eq!(secrecy(&format!("{}password", "x_".repeat(4000))), Secrecy::Always);
        assert_eq!(secrecy("ключ_password_ü"), Secrecy::Always);
        assert_eq!(secrecy(""), Secrecy::None);
    }

    /// Written down once more, so that none can be forgotten by mistake.
    #[test]
    fn names_that_conventions_and_known_scrubbers_hide_are_hidden() {
        let conventions = "AWSAccessKeyId Signature sig X-Goog-Signature X-Amz-Signature X-Amz-Credential \
                           X-Amz-Security-Token";
        let scrubbers = "password secret passwd api_key apikey auth credentials mysql_pwd privatekey private_key token \
                         session csrftoken sessionid x_csrftoken x_xsrftoken set_cookie cookie authorization \
                         proxy-authorization x_api_key aiohttp_session connect.sid csrf_token csrf _csrf \
                         _csrf_token PHPSESSID _session user_session _xsrf XSRF-TOKEN pwd passphrase \
                         access_token refresh_token secret_key consumer_key consumer_secret signature \
                         passw0rd_token api-key jwt session_token code_verifier client_secret id_token cvv ssn otp";
        for name in conventions.split_whitespace().chain(scrubbers.split_whitespace()) {
            for name in [name.to_owned(), name.to_uppercase()] {
                assert!(secrecy(&name) >= Secrecy::Pair, "{name}");
            }
        }
    }
}

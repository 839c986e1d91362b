//! From a variable's text to a value. `Err` is what would have been right.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::wire;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("`true` or `false`".into()),
    }
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<u32>() {
        Ok(0) | Err(_) => Err("a whole number of milliseconds above 0".into()),
        Ok(number) => Ok(Duration::from_millis(number.into())),
    }
}

/// A time to wait, which may be none.
pub(super) fn delay(text: &str) -> Result<Duration, String> {
    let number = text.trim().parse::<u32>().map_err(|_| "a whole number of milliseconds".to_owned())?;
    Ok(Duration::from_millis(number.into()))
}

/// A time limit; 0 means none, as in the specification, which here is a year: clocks can be added to that.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    const NONE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    match delay(text) {
        Ok(Duration::ZERO) => Ok(NONE),
        Ok(limit) => Ok(limit),
        Err(expected) => Err(format!("{expected}, 0 for no limit")),
    }
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    let number = text.trim().parse::<u32>().map_err(|_| "a whole number, 0 or more".to_owned())?;
    Ok(number as usize)
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.trim().parse().map_err(|_| "a port, 0 to 65535".to_owned())
}

/// Comma-separated words, each once.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    Ok(found)
}

/// Names of headers, in small letters.
pub(super) fn header_names(text: &str) -> Result<Vec<String>, String> {
    let names = header_patterns(text).ok().filter(|names| !names.iter().any(|name| name.contains('*')));
    names.ok_or_else(|| "whole names of headers separated by commas".into())
}

/// Names of headers, in small letters, in which `*` stands for any characters. Other SDKs take regular expressions,
/// which would be names that no header has.
pub(super) fn header_patterns(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = words(text)?.iter().map(|name| name.to_ascii_lowercase()).collect();
    let fits = |name: &String| {
        http::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && !name.contains(".*")
            && !name.contains(['^', '$', '|', '+'])
    };
    match names.iter().all(fits) {
        true => Ok(names),
        false => Err("names of headers separated by commas, in which `*` stands for any characters".into()),
    }
}

/// Paths or whole URLs, in which `*` stands for any characters.
pub(super) fn url_patterns(text: &str) -> Result<Vec<String>, String> {
    let found = words(text)?;
    // A path begins with a slash, so that nothing else is ever like one.
    let fits = |pattern: &String| {
        (pattern.starts_with(['/', '*']) || pattern.contains("://"))
            && !pattern.contains("/.*")
            && !pattern.contains(['^', '\\', '(', '|'])
    };
    match found.iter().all(fits) {
        true => Ok(found),
        false => {
            Err("paths from `/` on or whole URLs, separated by commas, in which `*` stands for any characters".into())
        }
    }
}

/// Directives as `tracing-subscriber`'s `EnvFilter` has them, without spans and fields: levels, targets with a level, targets.
pub(super) fn directives(text: &str) -> Result<Vec<String>, String> {
    let levels = wire::settings::LEVELS.map(|(name, _)| name);
    let is_level = |word: &str| levels.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_target = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '/'))
    };
    let found = words(text)?;
    let fits = |directive: &String| match directive.split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_target(directive),
    };
    match found.iter().all(fits) {
        true => Ok(found),
        false => Err(format!("levels ({}) and `target=level`, separated by commas", names(&levels))),
    }
}

/// Methods of HTTP, at least one.
pub(super) fn methods(text: &str) -> Result<Vec<String>, String> {
    let found = words(text)?;
    match !found.is_empty() && found.iter().all(|name| http::Method::from_bytes(name.as_bytes()).is_ok()) {
        true => Ok(found),
        false => Err("methods of HTTP separated by commas".into()),
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse::<u32>() {
        Ok(0) | Err(_) => Err("a whole number above 0".into()),
        Ok(number) => Ok(number as usize),
    }
}

/// The smallest memory that telemetry may be given: less holds no batch of usual size.
const LEAST_SIZE: usize = 1_000_000;

/// A size in bytes, with a decimal or a binary unit.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" => Some(1_000),
        "ki" | "kib" => Some(1 << 10),
        "mb" => Some(1_000_000),
        "mi" | "mib" => Some(1 << 20),
        "gb" => Some(1_000_000_000),
        "gi" | "gib" => Some(1 << 30),
        _ => None,
    };
    let size = unit.and_then(|unit| number.parse::<usize>().ok()?.checked_mul(unit));
    size.filter(|size| *size >= LEAST_SIZE)
        .ok_or_else(|| "a size such as `64MB`, `64MiB` or a number of bytes, `1MB` or more".into())
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a number between 0 and 1".into()),
    }
}

pub(super) fn choice(text: &str, allowed: &'static [&'static str]) -> Result<&'static str, String> {
    let text = text.trim();
    allowed
        .iter()
        .copied()
        .find(|name| name.eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("one of {}", names(allowed)))
}

/// Comma-separated names, each once. `none` yields an empty list and may not be mixed with others.
pub(super) fn list(text: &str, allowed: &'static [&'static str]) -> Result<Vec<&'static str>, String> {
    let mut found = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let name = choice(item, allowed).map_err(|_| format!("some of {}", names(allowed)))?;
        if !found.contains(&name) {
            found.push(name);
        }
    }
    match found.as_slice() {
        ["none"] => Ok(Vec::new()),
        many if many.contains(&"none") => Err("`none` alone, or no `none`".into()),
        [] => Err(format!("some of {}", names(allowed))),
        _ => Ok(found),
    }
}

/// `key=value` pairs separated by commas; keys and values are percent-decoded. One bad pair makes the whole
/// value invalid, as the specification requires.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let expected = || "key=value pairs separated by commas, special characters percent-encoded".to_owned();
        let (key, value) = pair.split_once('=').ok_or_else(expected)?;
        let (key, value) = (decode(key).ok_or_else(expected)?, decode(value).ok_or_else(expected)?);
        if key.is_empty() {
            return Err(expected());
        }
        found.retain(|(known, _)| *known != key);
        found.push((key.into_owned(), value.into_owned()));
    }
    Ok(found)
}

/// Pairs that can be sent as headers; names in small letters.
pub(super) fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = pairs(text)?;
    for (name, value) in &mut found {
        name.make_ascii_lowercase();
        let fits = http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
        if !fits {
            return Err("names and values that HTTP allows in headers".into());
        }
    }
    Ok(found)
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text.trim()).decode_utf8().ok()
}

pub(super) fn names(allowed: &[&str]) -> String {
    allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTERS: &[&str] = &["otlp", "console", "none"];

    #[test]
    fn directives_are_levels_and_targets() {
        let found = directives("info, hyper=OFF,shop::cart=debug,my-app,info");
        assert_eq!(found, Ok(vec!["info".into(), "hyper=OFF".into(), "shop::cart=debug".into(), "my-app".into()]));
        assert_eq!(directives(""), Ok(Vec::new()));
        for wrong in ["shop=loud", "=info", "shop[span]=info", "shop=", "a b", "shop=debug=info"] {
            assert!(directives(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_keep_order_drop_repeats_and_reject_a_mixed_none() {
        assert_eq!(list("console, otlp,console", EXPORTERS), Ok(vec!["console", "otlp"]));
        assert_eq!(list("none", EXPORTERS), Ok(vec![]));
        assert!(list("none,otlp", EXPORTERS).is_err());
        assert!(list("zipkin", EXPORTERS).unwrap_err().contains("`console`"));
    }

    #[test]
    fn pairs_are_percent_decoded_and_the_last_of_a_key_wins() {
        let parsed = pairs("team=a%2Cb, zone = eu%20west ,team=c,").unwrap();
        assert_eq!(parsed, [("zone".into(), "eu west".into()), ("team".into(), "c".into())]);
        assert!(pairs("novalue").is_err());
        assert!(pairs("=x").is_err());
        assert!(pairs("k=%ff").is_err());
    }

    #[test]
    fn headers_that_http_forbids_are_refused() {
        assert_eq!(headers("Authorization=Basic%20abc"), Ok(vec![("authorization".into(), "Basic abc".into())]));
        assert!(headers("a=x%0ay").is_err());
        assert!(headers("a b=x").is_err());
    }

    #[test]
    fn words_are_taken_as_they_are_and_header_names_in_small_letters() {
        assert_eq!(words(" /a/*, /b,,/a/*"), Ok(vec!["/a/*".into(), "/b".into()]));
        assert_eq!(header_names("X-Tenant, accept"), Ok(vec!["x-tenant".into(), "accept".into()]));
        assert!(header_names("x tenant").is_err());
        assert!(header_names("x-*").is_err(), "names have no patterns");
        assert_eq!(header_patterns("X-*,*token*"), Ok(vec!["x-*".into(), "*token*".into()]));
    }

    #[test]
    fn regular_expressions_are_not_taken_for_patterns() {
        for text in [".*session.*", "x-.*", "^x-id$", "a|b", "x-[0-9]+"] {
            assert!(header_patterns(text).is_err() && header_names(text).is_err(), "{text}");
        }
        for text in ["client/.*/info", "healthcheck", "/client/.*", "^/health", "/(a|b)"] {
            assert!(url_patterns(text).is_err(), "{text}");
        }
        assert!(url_patterns("/health,/internal/*,https://example.com/*,*.css").is_ok());
        assert!(methods("GET,PURGE").is_ok() && methods(",").is_err() && methods("GET POST").is_err());
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, bytes) in [
            ("64MB", 64_000_000),
            (" 64 mib ", 64 << 20),
            ("64Mi", 64 << 20),
            ("5000KB", 5_000_000),
            ("2048KiB", 2 << 20),
            ("2GB", 2_000_000_000),
            ("1GiB", 1 << 30),
            ("64000000", 64_000_000),
            ("1000000b", 1_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "64", "MB", "64 potatoes", "-64MB", "1.5GB", "64M", "999KB", "99999999999999999999GB"] {
            assert!(size(text).unwrap_err().contains("`64MB`"), "{text}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(milliseconds("0").is_err() && milliseconds("-1").is_err() && milliseconds("5s").is_err());
        assert_eq!(delay("0"), Ok(Duration::ZERO));
        assert!(delay("-1").is_err() && limit("-1").is_err() && port("65536").is_err());
        assert_eq!(timeout("20"), Ok(Duration::from_millis(20)));
        assert!(timeout("0").unwrap() > Duration::from_secs(1 << 20), "no limit");
        assert!(fraction("1.5").is_err() && fraction("NaN").is_err());
        assert_eq!(fraction(" 0.25 "), Ok(0.25));
        assert_eq!(boolean("TRUE"), Ok(true));
        assert!(boolean("1").is_err());
    }
}

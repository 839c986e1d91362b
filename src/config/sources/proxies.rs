//! Proxies between exporters and collectors, by the variables that most programs read.
//!
//! `HTTP_PROXY` counts for endpoints with `http`, `HTTPS_PROXY` for those with `https`, `ALL_PROXY` for both, in capitals or
//! small letters; `NO_PROXY` excepts hosts. What they mean is `hyper-util`'s matter, which follows curl: no host is excepted
//! by itself, this machine neither. In a CGI program `HTTP_PROXY` is a header of the request, so only `http_proxy` counts.

use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::texts::set_in;
use crate::config::model::{Config, Endpoint, Proxy, Reader};
use crate::config::warnings::Warnings;

/// The warning of a value that is no URL, and its hint. The value is not shown, since it may hold a password.
const BAD: (&str, &str) = (
    "expected the URL of an HTTP proxy, such as `http://proxy:3128`",
    "special characters in its password must be percent-encoded",
);

/// The environment's proxies.
pub(in crate::config) struct Proxies<'a> {
    pub(in crate::config) env: &'a dyn Fn(&str) -> Option<String>,
    pub(in crate::config) warnings: &'a mut Warnings,
}

impl Proxies<'_> {
    /// Finds out which collectors are behind a proxy.
    pub(in crate::config) fn set_in(&mut self, config: &mut Config) {
        let processors = config.traces.processors.iter_mut().chain(&mut config.logs.processors);
        let readers = config.metrics.readers.iter_mut().filter_map(|reader| match reader {
            Reader::Periodic(periodic) => Some(&mut periodic.exporter),
            Reader::Prometheus(_) => None,
        });
        let exporters = processors.map(|processor| &mut processor.exporter).chain(readers);
        for otlp in exporters.filter_map(|exporter| exporter.otlp_mut()) {
            otlp.proxy = self.before(&otlp.endpoint).map(Box::new);
        }
    }

    fn before(&mut self, endpoint: &Endpoint) -> Option<Proxy> {
        let (variable, value) = self.named_for(endpoint.is_https())?;
        let endpoint: http::Uri = endpoint.as_str().parse().ok()?;
        let found = Matcher::builder().all(value.trim()).build().intercept(&endpoint);
        let excepted = self.first_of(&["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, hosts)| hosts);
        Matcher::builder().all("http://proxy").no(excepted).build().intercept(&endpoint)?;
        let is_socks = |found: &Intercept| found.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks"));
        let (message, hint) = match found {
            // A second `@` would leave a part of the password in the host.
            Some(found) if found.uri().to_string().contains('@') => BAD,
            Some(found) if !is_socks(&found) => {
                let authorization = found.basic_auth().cloned();
                return Some(Proxy { url: found.uri().to_string(), authorization, variable });
            }
            Some(_) => {
                ("exports cannot use a SOCKS proxy", "name an HTTP proxy, or the collector's host in `NO_PROXY`")
            }
            None => BAD,
        };
        self.warnings.warn(variable, format!("ignoring `{variable}` for exports: {message}"), Some(hint.into()));
        None
    }

    fn named_for(&self, is_https: bool) -> Option<(&'static str, String)> {
        let is_cgi = set_in(self.env, "REQUEST_METHOD").is_some();
        let own: &[&str] = match is_https {
            true => &["HTTPS_PROXY", "https_proxy"],
            false if is_cgi => &["http_proxy"],
            false => &["HTTP_PROXY", "http_proxy"],
        };
        self.first_of(own).or_else(|| self.first_of(&["ALL_PROXY", "all_proxy"]))
    }

    fn first_of(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, set_in(self.env, name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Exporter, Processor, resolve};

    /// The proxy of spans, and the warnings.
    fn found(env: &[(&str, &str)]) -> (Option<Proxy>, Vec<String>) {
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let resolved = resolve(&[], &get).unwrap();
        let [Processor { exporter: Exporter::Otlp(otlp), .. }] = &resolved.config.traces.processors[..] else {
            panic!()
        };
        (otlp.proxy.as_deref().cloned(), resolved.warnings.iter().map(ToString::to_string).collect())
    }

    fn url(env: &[(&str, &str)]) -> Option<String> {
        let (proxy, warnings) = found(env);
        assert_eq!(warnings, [""; 0], "{env:?}");
        proxy.map(|proxy| proxy.url)
    }

    const PLAIN: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test:4318");
    const SECURE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.test");

    #[test]
    fn the_endpoint_s_scheme_selects_the_proxy() {
        let all = [("HTTP_PROXY", "http://h:1"), ("https_proxy", "http://s:2"), ("all_proxy", "http://a:3")];
        for (endpoint, set, expected) in [
            (PLAIN, &all[..], Some("http://h:1/")),
            (SECURE, &all, Some("http://s:2/")),
            (PLAIN, &all[1..], Some("http://a:3/")),
            (SECURE, &all[..1], None),
            (PLAIN, &[("http_proxy", "h:1")], Some("http://h:1/")),
            (PLAIN, &[("HTTP_PROXY", " ")], None),
            (SECURE, &[("ALL_PROXY", "https://a:3/path")], Some("https://a:3/")),
            (PLAIN, &[("HTTP_PROXY", "http://h:1"), ("REQUEST_METHOD", "GET")], None),
            (PLAIN, &[("http_proxy", "http://h:1"), ("REQUEST_METHOD", "GET")], Some("http://h:1/")),
            (PLAIN, &[], None),
        ] {
            let env: Vec<_> = [endpoint].into_iter().chain(set.iter().copied()).collect();
            assert_eq!(url(&env).as_deref(), expected, "{env:?}");
        }
    }

    #[test]
    fn hosts_of_no_proxy_are_excepted() {
        let proxied = |endpoint, excepted| {
            let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("ALL_PROXY", "http://a:3"), ("no_proxy", excepted)];
            url(&env).is_some()
        };
        for (endpoint, excepted, expected) in [
            ("http://localhost:4318", "", true),
            ("http://localhost:4318", "localhost", false),
            ("http://10.1.2.3:4317", "10.0.0.0/8", false),
            ("https://otlp.example.com", "other.com, .example.com", false),
            ("https://otlp.example.com", "example.org", true),
            ("http://[::1]:4317", "::1", false),
            ("http://any", "*", false),
        ] {
            assert_eq!(proxied(endpoint, excepted), expected, "{endpoint} {excepted}");
        }
    }

    #[test]
    fn credentials_of_a_proxy_are_a_header_and_never_shown() {
        let (proxy, warnings) = found(&[PLAIN, ("HTTP_PROXY", "http://me:hunter%2B2@h:1")]);
        let proxy = proxy.unwrap();
        assert_eq!((proxy.url.as_str(), warnings.len()), ("http://h:1/", 0));
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic bWU6aHVudGVyKzI=");
        assert!(!format!("{proxy:?}").contains("bWU6"));
        let (proxy, warnings) = found(&[PLAIN, ("HTTP_PROXY", "http://me:hunter@2@h:1")]);
        assert_eq!(proxy, None);
        assert!(warnings.len() == 1 && !warnings[0].contains("hunter"), "{warnings:?}");
    }

    #[test]
    fn an_unusable_proxy_is_warned_of_once_and_only_where_it_would_count() {
        for bad in ["socks5://s:1080", "ftp://f", "http://", "a b"] {
            let (proxy, warnings) = found(&[PLAIN, ("ALL_PROXY", bad)]);
            assert_eq!((proxy, warnings.len()), (None, 1), "{bad}: {warnings:?}");
            assert!(warnings[0].starts_with("ignoring `ALL_PROXY` for exports: "), "{warnings:?}");
            assert_eq!(url(&[PLAIN, ("ALL_PROXY", bad), ("NO_PROXY", "collector.test")]), None);
            assert_eq!(url(&[PLAIN, ("ALL_PROXY", bad), ("HTTP_PROXY", "h:1")]).as_deref(), Some("http://h:1/"));
        }
    }
}

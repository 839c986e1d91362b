//! The headers of proxies that describe a request.

use super::{get, run, versions};
use crate::support::expect::server;
use crate::support::metrics::Metrics;

#[test]
fn the_url_is_the_one_that_the_client_requested() {
    for versions in &versions() {
        for (headers, scheme, address, port, client) in [
            (
                &[
                    ("x-forwarded-proto", "https, http"),
                    ("x-forwarded-host", "shop.test, in.test"),
                    ("x-forwarded-port", "443"),
                ][..],
                "https",
                "shop.test",
                Some(443),
                "127.0.0.1",
            ),
            (
                &[(
                    "forwarded",
                    "for=\"[2001:db8::17]:4711\";proto=https;host=\"shop.test:8443\", for=1.2.3.4;proto=http",
                )],
                "https",
                "shop.test",
                Some(8443),
                "2001:db8::17",
            ),
            (&[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")], "http", "127.0.0.1", None, "127.0.0.1"),
        ] {
            let (traces, metrics) = run(versions, &[], |edge| assert_eq!(get(edge, "/hello", headers).0, 200));
            let hello = traces.require(
                server()
                    .attr("url.path", "/hello")
                    .attr("url.scheme", scheme)
                    .attr("server.address", address)
                    .attr("client.address", client)
                    .attr("network.peer.address", "127.0.0.1"),
            );
            if let Some(port) = port {
                assert_eq!(hello.get("server.port"), Some(&port.into()), "{hello}");
            }
            let count = |metrics: &Metrics, name| metrics.all(name, &[("url.scheme", scheme.into())]).len();
            for name in ["http.server.request.duration", "http.server.active_requests"] {
                assert_eq!((count(&metrics, name), metrics.all(name, &[]).len()), (1, 1), "{metrics}");
            }
        }
    }
}

//! The fixture `orders`, woven: a service and a worker, with a database, a cache and a broker between them. What the two
//! do is the same with telemetry and without.

mod losses;
mod picture;

use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};

use crate::launcher::{Launched, launch_file};
use crate::support::brokers::Broker;
use crate::support::http::{Answer, ClientRequest, Http};
use crate::support::services::{self, Database};
use crate::support::{Fixture, Otlp, with_default_signals};

/// What stands between the service and the worker.
struct Servers {
    store: Database,
    cache: Broker,
    broker: Broker,
}

impl Servers {
    /// Starts them at the same time.
    fn start() -> Result<Servers, String> {
        let start = |name: &'static str| Broker::start(name).expect("a broker of that name");
        std::thread::scope(|scope| {
            let (cache, broker) = (scope.spawn(move || start("redis")), scope.spawn(move || start("rabbitmq")));
            // PostgreSQL ends with the thread that has started it.
            let store = services::postgres();
            let [cache, broker] = [cache, broker].map(|started| started.join().expect("no panic"));
            Ok(Servers { store: store?, cache: cache?, broker: broker? })
        })
    }

    /// The variables by which programs find them, with passwords.
    fn environment(&self) -> [(&'static str, String); 3] {
        let with = |url: &str, user: &str| url.replace("://", &format!("://{user}@"));
        [
            ("DATABASE_URL", self.store.url.replace("shop@", "shop:password-of-the-store@")),
            ("REDIS_URL", with(&self.cache.url, "default:password-of-the-cache")),
            ("AMQP_URL", with(&self.broker.url, "guest:guest")),
        ]
    }
}

/// The service and the worker.
struct Orders {
    service: Launched,
    worker: Launched,
    address: String,
    http: Http,
}

impl Orders {
    /// Starts both: under the launcher, or as they are.
    fn start(servers: &Servers, fixture: &Arc<Fixture>, otlp: Option<&Otlp>) -> Orders {
        let start = |mode: &str| {
            let mut command = match otlp {
                Some(otlp) => {
                    let mut command = launch_file(&fixture.program);
                    for signal in ["TRACES", "METRICS", "LOGS"] {
                        command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
                    }
                    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("OTEL_SERVICE_NAME", mode);
                    command
                }
                None => {
                    let mut command = Command::new(&fixture.program);
                    with_default_signals(&mut command);
                    command
                }
            };
            command.arg(mode).envs(servers.environment());
            Launched::start(command)
        };
        let (mut service, mut worker) = (start("service"), start("worker"));
        let line = service.line();
        let address = line.strip_prefix("listening at ").unwrap_or_else(|| panic!("the service printed {line:?}"));
        let address = address.to_owned();
        assert_eq!(worker.line(), "consuming");
        Orders { service, worker, address, http: Http::new(false) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Orders an item; the body of the request is what is confidential.
    fn order(&self, item: &str, card: &str) -> Answer {
        self.http.post(&self.url(&format!("/orders/{item}")), [card.as_bytes().to_vec()])
    }

    fn get(&self, path: &str) -> Answer {
        self.http.send(ClientRequest { method: "GET", url: self.url(path), headers: Vec::new() })
    }

    /// The next lines of the worker, in alphabetical order: what it does at the same time has none.
    fn worked(&mut self, lines: usize) -> Vec<String> {
        let mut lines: Vec<_> = (0..lines).map(|_| self.worker.line()).collect();
        lines.sort();
        lines
    }

    /// Ends both as a supervisor would, after which all telemetry is out.
    fn stop(mut self) {
        // A client has its answer, and a test its line, a moment before the work is over.
        std::thread::sleep(std::time::Duration::from_millis(200));
        for launched in [&mut self.service, &mut self.worker] {
            kill(launched.app, Signal::SIGTERM).expect("it runs");
            launched.launcher.wait().expect("its end");
        }
    }
}

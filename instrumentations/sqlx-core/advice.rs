//! Metrics of a pool of connections: how many it has, how many requests wait for one, and for how long. The spans are made by the drivers.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Instant;

use otel_rs_hooks::metrics::{self, on_collect_or_idle, AttributeText, AttributeValue, Series};

use crate::connection::Connection;
use crate::database::Database;
use crate::error::Error;

/// A pool's numbers, which can be looked up without keeping the pool.
pub(crate) struct Pool {
    pub(crate) size: Arc<AtomicU32>,
    pub(crate) idle: Arc<AtomicUsize>,
    is_closed: AtomicBool,
    max: u32,
    min: u32,
    /// `None` where metrics are not exported.
    series: Option<PoolSeries>,
}

/// The series of a pool.
#[derive(Clone, Copy)]
struct PoolSeries {
    pending: Series,
    timeouts: Series,
    create_time: Series,
    wait_time: Series,
    use_time: Series,
}

/// What is looked up, and what was recorded of it.
struct Observed([(Series, AtomicI64); 5]);

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

impl Pool {
    /// A pool is made, without connections yet.
    pub(crate) fn open<DB: Database>(
        options: &crate::pool::PoolOptions<DB>,
        connect_options: &Options<DB>,
    ) -> Arc<Pool> {
        let mut pool = Pool {
            size: Arc::default(),
            idle: Arc::default(),
            is_closed: AtomicBool::new(false),
            max: options.get_max_connections(),
            min: options.get_min_connections(),
            series: None,
        };
        if !SCOPE.enabled() || !metrics::enabled() {
            return Arc::new(pool);
        }
        let name = name::<DB>(connect_options);
        let item = || ("db.client.connection.pool.name", AttributeValue::Text(AttributeText::Borrowed(&name)));
        let state =
            |state| [item(), ("db.client.connection.state", AttributeValue::Text(AttributeText::Static(state)))];
        pool.series = Some(PoolSeries {
            pending: metric::DB_CLIENT_CONNECTION_PENDING_REQUESTS.bind(&[item()]),
            timeouts: metric::DB_CLIENT_CONNECTION_TIMEOUTS.bind(&[item()]),
            create_time: metric::DB_CLIENT_CONNECTION_CREATE_TIME.bind(&[item()]),
            wait_time: metric::DB_CLIENT_CONNECTION_WAIT_TIME.bind(&[item()]),
            use_time: metric::DB_CLIENT_CONNECTION_USE_TIME.bind(&[item()]),
        });
        // What is looked up is recorded as how much it has changed: pools that have the same name add up.
        let observed = Observed([
            (metric::DB_CLIENT_CONNECTION_COUNT.bind(&state("used")), AtomicI64::new(0)),
            (metric::DB_CLIENT_CONNECTION_COUNT.bind(&state("idle")), AtomicI64::new(0)),
            (metric::DB_CLIENT_CONNECTION_MAX.bind(&[item()]), AtomicI64::new(0)),
            (metric::DB_CLIENT_CONNECTION_IDLE_MAX.bind(&[item()]), AtomicI64::new(0)),
            (metric::DB_CLIENT_CONNECTION_IDLE_MIN.bind(&[item()]), AtomicI64::new(0)),
        ]);
        observed.record(pool.numbers());
        let pool = Arc::new(pool);
        let weak = Arc::downgrade(&pool);
        on_collect_or_idle(move || {
            let pool = weak.upgrade();
            observed.record(pool.as_ref().map_or([0; 5], |pool| pool.numbers()));
            pool.map_or(false, |pool| !pool.is_over())
        });
        pool
    }

    /// Connections in use and idle, how many there may be, how many idle, and how many there should be at least.
    fn numbers(&self) -> [i64; 5] {
        // A connection that is given back is idle a moment after others may have it.
        let idle = self.idle.load(Acquire);
        let size = i64::from(self.size.load(Acquire));
        let idle = i64::try_from(idle).unwrap_or(i64::MAX).min(size);
        let (max, min) = if self.is_closed.load(Acquire) { (0, 0) } else { (self.max.into(), self.min.into()) };
        [size - idle, idle, max, max, min]
    }

    fn is_over(&self) -> bool {
        self.is_closed.load(Acquire) && self.size.load(Acquire) == 0
    }

    /// The pool gives out no more connections.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// A connection is requested.
    pub(crate) fn wait(&self) -> Wait {
        let series = self.series;
        if let Some(series) = series {
            series.pending.measure(1_i64);
        }
        Wait { series, since: series.map(|_| Instant::now()) }
    }

    /// A connection is given out.
    pub(crate) fn using(&self) -> Use {
        Use(self.series.map(|series| (series.use_time, Instant::now())))
    }

    /// A connection is being made.
    pub(crate) fn create(&self) -> Create {
        Create(self.series.map(|series| (series.create_time, Instant::now())))
    }
}

impl Observed {
    fn record(&self, now: [i64; 5]) {
        for ((series, recorded), now) in self.0.iter().zip(now) {
            let before = recorded.swap(now, Relaxed);
            if before != now {
                series.measure(now - before);
            }
        }
    }
}

/// A request that waits for a connection.
pub(crate) struct Wait {
    series: Option<PoolSeries>,
    since: Option<Instant>,
}

impl Wait {
    /// Until there is one, or none.
    pub(crate) fn ended<T>(self, answer: Result<T, Error>) -> Result<T, Error> {
        if let (Some(series), Some(since)) = (self.series, self.since) {
            match &answer {
                Ok(_) => series.wait_time.measure(since.elapsed().as_secs_f64()),
                Err(Error::PoolTimedOut) => series.timeouts.measure(1_u64),
                Err(_) => {}
            }
        }
        answer
    }

    /// A request that does not wait got one, or none.
    pub(crate) fn tried<T>(self, answer: Option<T>) -> Option<T> {
        if let (Some(series), Some(since), true) = (self.series, self.since, answer.is_some()) {
            series.wait_time.measure(since.elapsed().as_secs_f64());
        }
        answer
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(series) = self.series {
            series.pending.measure(-1_i64);
        }
    }
}

/// A connection in use, until it is given back, closed, or taken out of the pool for good.
pub(crate) struct Use(Option<(Series, Instant)>);

impl Drop for Use {
    fn drop(&mut self) {
        if let Some((use_time, since)) = self.0 {
            use_time.measure(since.elapsed().as_secs_f64());
        }
    }
}

/// A connection that is being made.
pub(crate) struct Create(Option<(Series, Instant)>);

impl Create {
    /// Until it is there, or fails, or takes too long.
    pub(crate) fn ended<T, E, L>(self, answer: Result<Result<T, E>, L>) -> Result<Result<T, E>, L> {
        if let (Some((create_time, since)), Ok(Ok(_))) = (self.0, &answer) {
            create_time.measure(since.elapsed().as_secs_f64());
        }
        answer
    }
}

/// A pool has no name of its own: `server.address:server.port/db.namespace`, as far as they are known; otherwise that of the
/// database system.
fn name<DB: Database>(options: &Options<DB>) -> String {
    #[cfg(feature = "any")]
    if let Some(any) = (options as &dyn std::any::Any).downcast_ref::<crate::any::AnyConnectOptions>() {
        let url = &any.database_url;
        let Some(address) = url.host_str() else { return url.path().to_owned() };
        let port = url.port().map(|port| format!(":{port}"));
        return format!("{address}{}{}", port.unwrap_or_default(), url.path().trim_end_matches('/'));
    }
    // What options have in common is not there in all versions, or panics. How they are shown is known of sqlx's own.
    if !std::any::type_name::<Options<DB>>().starts_with("sqlx_") {
        return DB::NAME.to_lowercase();
    }
    let shown = format!("{options:?}");
    if let Some(file) = text(&shown, "filename") {
        return if shown.contains(" in_memory: true,") { ":memory:".to_owned() } else { file };
    }
    let (host, socket) = (text(&shown, "host"), text(&shown, "socket"));
    // PostgreSQL's own default.
    let default = || text(&shown, "username").filter(|_| DB::NAME == "PostgreSQL");
    let namespace = text(&shown, "database").or_else(default).map_or_else(String::new, |name| format!("/{name}"));
    match (socket.or_else(|| host.clone().filter(|host| host.starts_with('/'))), host) {
        // A path for Unix sockets.
        (Some(socket), _) => format!("{socket}{namespace}"),
        (None, Some(host)) => match value(&shown, "port").and_then(|port| port.split(&[',', ' '][..]).next()) {
            Some(port) => format!("{host}:{port}{namespace}"),
            None => format!("{host}{namespace}"),
        },
        (None, None) => DB::NAME.to_lowercase(),
    }
}

/// What stands behind a field's name. Quotes inside of texts are escaped, so that it cannot stand in a password.
fn value<'a>(shown: &'a str, field: &str) -> Option<&'a str> {
    let (_, value) = shown.split_once(&format!(" {field}: "))?;
    Some(value)
}

/// The text of a field: `"…"` or `Some("…")`.
fn text(shown: &str, field: &str) -> Option<String> {
    let value = value(shown, field)?;
    let value = value.strip_prefix("Some(").unwrap_or(value).strip_prefix('"')?;
    let mut text = String::new();
    let mut characters = value.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

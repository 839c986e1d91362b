//! Spans of the program's own, first without a subscriber and then with one of a few lines, which takes only warnings.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use tracing::field::Empty;
use tracing::instrument::Instrument;
use tracing::span::{Attributes, Id, Record};
use tracing::{debug, debug_span, error, info, info_span, instrument, warn_span, Event, Level, Metadata, Subscriber};

struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        println!("new {}", span.metadata().name());
        Id::from_u64(7)
    }

    fn record(&self, id: &Id, _: &Record<'_>) {
        println!("record {}", id.into_u64());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {
        println!("follows");
    }

    fn event(&self, event: &Event<'_>) {
        println!("event {}", event.metadata().level());
    }

    fn enter(&self, id: &Id) {
        println!("enter {}", id.into_u64());
    }

    fn exit(&self, id: &Id) {
        println!("exit {}", id.into_u64());
    }
}

#[instrument]
fn price(article: &str, count: u8) -> Result<u32, String> {
    info!(teapots = count, "a price for {article}");
    debug!("this is not recorded");
    Ok(10 * u32::from(count))
}

#[instrument(fields(otel.kind = "client"))]
fn pay() {
    error!("no money");
}

#[instrument(skip_all, fields(id = 7))]
async fn ship() {
    Yield(false).await;
    debug_span!("not recorded").in_scope(|| info!("shipped"));
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

fn block_on(future: impl Future<Output = ()>) {
    let waker = Waker::from(Arc::new(Nobody));
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {}
}

fn order() {
    let order = info_span!("order", total = Empty, user = ?Some("a"), open = true, otel.name = "order of tea");
    order.in_scope(|| {
        let total = price("tea", 3);
        tracing::Span::current().record("total", total.unwrap_or_default());
        pay();
    });
    block_on(ship().instrument(order.clone()));
    let elsewhere = info_span!(parent: &order, "elsewhere");
    thread::spawn(move || elsewhere.in_scope(|| debug!("this is not recorded"))).join().unwrap();
    let root = info_span!(parent: None, "root", otel.status_code = "OK");
    root.follows_from(&order);
    root.in_scope(|| error!("failed"));
}

fn main() {
    order();
    println!("a subscriber from here on");
    tracing::subscriber::set_global_default(Lines).expect("the first subscriber");
    let outer = info_span!("outer");
    let entered = outer.enter();
    let warned = warn_span!("warned", n = 1, late = Empty);
    warned.in_scope(|| warned.record("late", &"now"));
    info!("rejected");
    let inner = warned.enter();
    drop(entered);
    info_span!("last").in_scope(|| println!("enabled: {}", tracing::enabled!(Level::INFO)));
    drop(inner);
}

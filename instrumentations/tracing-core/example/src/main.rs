//! A subscriber of a few lines, and events that it accepts or rejects.

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{debug, error, info, warn, Event, Level, Metadata, Subscriber};

struct Lines;

impl Visit for Lines {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        print!(" {field}={value:?}");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target() != "noise"
    }

    fn event(&self, event: &Event<'_>) {
        print!("{}", event.metadata().level());
        event.record(&mut Lines);
        println!();
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn main() {
    error!("nobody listens yet");
    tracing::subscriber::set_global_default(Lines).expect("the first subscriber");
    info!(teapots = 3, price = 1.5, open = true, "the shop is open");
    warn!(target: "stock", item = ?"kettle", "out of stock");
    error!(target: "noise", "rejected");
    debug!("rejected");
}

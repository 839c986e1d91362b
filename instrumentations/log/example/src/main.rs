//! A logger of a few lines, and records that it accepts or rejects.

use log::{debug, error, info, warn, Level, LevelFilter, Log, Metadata, Record};

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Info && metadata.target() != "noise"
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            println!("{} {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

fn main() {
    error!("nobody listens yet");
    log::set_logger(&Lines).expect("the first logger");
    log::set_max_level(LevelFilter::Debug);
    info!("the shop is open");
    warn!(target: "stock", "out of {}", "kettles");
    error!(target: "noise", "rejected");
    debug!("rejected");
}

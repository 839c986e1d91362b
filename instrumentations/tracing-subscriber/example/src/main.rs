//! An error as a field, in the two formats that show errors in their own way.

use std::error::Error;

use tracing_subscriber::prelude::*;

fn main() {
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().without_time().with_ansi(false))
        .with(tracing_subscriber::fmt::layer().pretty().without_time().with_ansi(false))
        .init();
    let error = "teapot".parse::<u32>().unwrap_err();
    tracing::warn!(error = &error as &(dyn Error + 'static), "no number");
}

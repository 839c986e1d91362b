//! Tables for people: columns aligned, no lines drawn.

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// Renders `rows` under `header`, every line without trailing blanks.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut builder = Builder::default();
    builder.push_record(header.iter().map(ToString::to_string));
    for row in rows {
        builder.push_record(row.clone());
    }
    let text = builder.build().with(Style::empty()).with(Padding::new(0, 2, 0, 0)).to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

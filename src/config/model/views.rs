//! Views: how the streams of some instruments differ from what their makers advise.

use super::Selection;

/// How the streams of some instruments differ from what their makers advise.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct View {
    /// A name, in which `*` stands for any characters and `?` for one.
    pub(crate) instrument_name: Option<String>,
    pub(crate) instrument_kind: Option<InstrumentKind>,
    pub(crate) unit: Option<String>,
    pub(crate) meter_name: Option<String>,
    pub(crate) meter_version: Option<String>,
    pub(crate) meter_schema_url: Option<String>,
    pub(crate) stream: Stream,
}

/// Kinds of instruments, as views select them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstrumentKind {
    Counter,
    Gauge,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
}

/// What a view makes of an instrument; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Stream {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) aggregation: Option<Aggregation>,
    pub(crate) cardinality_limit: Option<usize>,
    /// Attributes that are kept; `None` for all.
    pub(crate) attributes: Option<Selection>,
}

/// How measurements become points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Aggregation {
    Default,
    Drop,
    Sum,
    LastValue,
    ExplicitBuckets { boundaries: Option<Vec<f64>>, record_min_max: bool },
    Exponential { max_scale: i8, max_size: u32, record_min_max: bool },
}

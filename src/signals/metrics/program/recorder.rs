//! Recorders: what a program counts goes to the SDK's instruments.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, UpDownCounter};

use super::super::numbers::Number;
use super::super::registry::{FanOut, InstrumentRegistry};
use super::super::streams::InstrumentProperties;
use super::description::InstrumentId;
use crate::config::InstrumentKind;
use crate::wire;
use crate::wire::series::instrument_kind;

/// The SDK's instrument for one of the program's.
pub(super) enum Recorder {
    CounterU64(Counter<u64>),
    CounterF64(Counter<f64>),
    UpDownI64(UpDownCounter<i64>),
    UpDownF64(UpDownCounter<f64>),
    GaugeU64(Gauge<u64>),
    GaugeI64(Gauge<i64>),
    GaugeF64(Gauge<f64>),
}

/// Makes the recorders of an instrument, for all readers.
pub(super) fn recorders(id: &InstrumentId, text: &str, registry: &InstrumentRegistry) -> FanOut<Recorder> {
    use instrument_kind as kind;
    let kind = config_kind(id.kind);
    let properties = InstrumentProperties { scope: &id.scope, name: &id.name, kind, unit: &id.unit };
    let (unit, text) = (id.unit.clone(), text.to_owned());
    registry.instrument(&properties, |meter, name| {
        macro_rules! made {
            ($make:ident) => {
                meter.$make(name).with_unit(unit.clone()).with_description(text.clone()).build()
            };
        }
        match (id.kind, id.number) {
            (kind::COUNTER | kind::OBSERVABLE_COUNTER, wire::series::number::F64) => {
                Recorder::CounterF64(made!(f64_counter))
            }
            (kind::COUNTER | kind::OBSERVABLE_COUNTER, _) => Recorder::CounterU64(made!(u64_counter)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, wire::series::number::F64) => Recorder::GaugeF64(made!(f64_gauge)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, wire::series::number::U64) => Recorder::GaugeU64(made!(u64_gauge)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, _) => Recorder::GaugeI64(made!(i64_gauge)),
            (_, wire::series::number::F64) => Recorder::UpDownF64(made!(f64_up_down_counter)),
            _ => Recorder::UpDownI64(made!(i64_up_down_counter)),
        }
    })
}

impl Recorder {
    /// Adds to a sum, or sets a gauge.
    pub(super) fn record(&self, number: Number, attributes: &[KeyValue]) {
        match self {
            Recorder::CounterU64(counter) => counter.add(number.to_u64(), attributes),
            Recorder::CounterF64(counter) => counter.add(number.to_f64(), attributes),
            Recorder::UpDownI64(counter) => counter.add(number.to_i64(), attributes),
            Recorder::UpDownF64(counter) => counter.add(number.to_f64(), attributes),
            Recorder::GaugeU64(gauge) => gauge.record(number.to_u64(), attributes),
            Recorder::GaugeI64(gauge) => gauge.record(number.to_i64(), attributes),
            Recorder::GaugeF64(gauge) => gauge.record(number.to_f64(), attributes),
        }
    }
}

fn config_kind(kind: u8) -> InstrumentKind {
    match kind {
        instrument_kind::COUNTER => InstrumentKind::Counter,
        instrument_kind::UP_DOWN_COUNTER => InstrumentKind::UpDownCounter,
        instrument_kind::HISTOGRAM => InstrumentKind::Histogram,
        instrument_kind::GAUGE => InstrumentKind::Gauge,
        instrument_kind::OBSERVABLE_COUNTER => InstrumentKind::ObservableCounter,
        instrument_kind::OBSERVABLE_UP_DOWN_COUNTER => InstrumentKind::ObservableUpDownCounter,
        _ => InstrumentKind::ObservableGauge,
    }
}

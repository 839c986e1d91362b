//! Instruments in the SDK's books.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, UpDownCounter};

use super::super::instruments::{Book, Instruments, book};
use super::super::numbers::Number;
use super::super::streams::Selected;
use super::described::InstrumentId;
use crate::config::InstrumentKind;
use crate::wire;
use crate::wire::series::instrument_kind;

/// An instrument in the SDK's books.
pub(super) enum Told {
    CounterU64(Counter<u64>),
    CounterF64(Counter<f64>),
    UpDownI64(UpDownCounter<i64>),
    UpDownF64(UpDownCounter<f64>),
    GaugeU64(Gauge<u64>),
    GaugeI64(Gauge<i64>),
    GaugeF64(Gauge<f64>),
}

/// Makes one.
pub(super) fn told(id: &InstrumentId, text: &str, instruments: &Instruments) -> Book<Told> {
    use instrument_kind as kind;
    let selected = Selected { scope: &id.scope, name: &id.name, kind: config_kind(id.kind), unit: &id.unit };
    let (unit, text) = (id.unit.clone(), text.to_owned());
    book(&instruments.providers, &instruments.views, &selected, |meter, name| {
        macro_rules! made {
            ($make:ident) => {
                meter.$make(name).with_unit(unit.clone()).with_description(text.clone()).build()
            };
        }
        match (id.kind, id.number) {
            (kind::COUNTER | kind::OBSERVABLE_COUNTER, wire::series::number::F64) => {
                Told::CounterF64(made!(f64_counter))
            }
            (kind::COUNTER | kind::OBSERVABLE_COUNTER, _) => Told::CounterU64(made!(u64_counter)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, wire::series::number::F64) => Told::GaugeF64(made!(f64_gauge)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, wire::series::number::U64) => Told::GaugeU64(made!(u64_gauge)),
            (kind::GAUGE | kind::OBSERVABLE_GAUGE, _) => Told::GaugeI64(made!(i64_gauge)),
            (_, wire::series::number::F64) => Told::UpDownF64(made!(f64_up_down_counter)),
            _ => Told::UpDownI64(made!(i64_up_down_counter)),
        }
    })
}

impl Told {
    /// Adds to a sum, or sets a gauge.
    pub(super) fn tell(&self, number: Number, attributes: &[KeyValue]) {
        match self {
            Told::CounterU64(counter) => counter.add(number.to_u64(), attributes),
            Told::CounterF64(counter) => counter.add(number.to_f64(), attributes),
            Told::UpDownI64(counter) => counter.add(number.to_i64(), attributes),
            Told::UpDownF64(counter) => counter.add(number.to_f64(), attributes),
            Told::GaugeU64(gauge) => gauge.record(number.to_u64(), attributes),
            Told::GaugeI64(gauge) => gauge.record(number.to_i64(), attributes),
            Told::GaugeF64(gauge) => gauge.record(number.to_f64(), attributes),
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

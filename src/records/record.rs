//! Records as bytes, and the facts in them. Everything borrows, and every length is checked.

use crate::records::value::FactValue;
use crate::wire;

/// One attribute of a record, as a program has recorded it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fact<'a> {
    /// `wire::key`.
    pub(crate) key: u16,
    /// Its own name when `key` is `NAMED` or a header.
    pub(crate) name: &'a [u8],
    pub(crate) value: FactValue<'a>,
}

/// Reads the facts in some bytes; ends at the first that is cut short.
#[derive(Debug, Clone)]
pub(crate) struct FactReader<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> FactReader<'a> {
    /// At most `count` facts.
    pub(crate) fn new(bytes: &'a [u8], count: usize) -> Self {
        FactReader { bytes, left: count }
    }
}

impl<'a> Iterator for FactReader<'a> {
    type Item = Fact<'a>;

    fn next(&mut self) -> Option<Fact<'a>> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let (header, rest) = self.bytes.split_at_checked(wire::ATTRIBUTE_HEADER)?;
            let key = u16::from_le_bytes([header[0], header[1]]);
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            let (name, rest) = rest.split_at_checked(header[3].into())?;
            let (value, rest) = rest.split_at_checked(length)?;
            self.bytes = rest;
            let Some(value) = FactValue::read(header[2], value) else { continue };
            return Some(Fact { key, name, value });
        }
    }
}

/// A fact that carries its own name, as in a record.
pub(crate) fn named_text(name: &str, text: &str) -> Vec<u8> {
    let mut bytes = wire::key::NAMED.to_le_bytes().to_vec();
    bytes.extend([wire::value::STR, name.len() as u8]);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(name.bytes().chain(text.bytes()));
    bytes
}

/// The start of a span: its identity and circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanStart {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    /// Zeros: none.
    pub(crate) parent: [u8; 8],
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// Id in the string table, 0: given as an attribute.
    pub(crate) scope: u32,
    pub(crate) domain: u8,
    pub(crate) flags: u8,
    pub(crate) parent_remote: bool,
}

/// The header of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogHeader {
    /// Zeros: none.
    pub(crate) trace: [u8; 16],
    /// Zeros: none.
    pub(crate) span: [u8; 8],
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// As in [`SpanStart`].
    pub(crate) scope: u32,
    pub(crate) flags: u8,
    /// OpenTelemetry's severity number.
    pub(crate) severity: u8,
    /// Attributes for which the record had no room.
    pub(crate) left_out: u8,
}

/// The header of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MeasurementHeader {
    /// As in [`SpanStart`].
    pub(crate) scope: u32,
    /// One of `wire::measure`.
    pub(crate) about: u8,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Record<'a> {
    Start(SpanStart, FactBlock<'a>),
    Log(LogHeader, FactBlock<'a>),
    Measure(MeasurementHeader, FactBlock<'a>),
    /// `SPAN_UPDATE`, `SPAN_EVENT`, `SPAN_LINK` or `SPAN_END`.
    Span {
        kind: u8,
        span: [u8; 8],
        time: u64,
        facts: FactBlock<'a>,
    },
}

/// The facts of a record as bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FactBlock<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) count: u16,
}

/// Reads the records in some bytes. `Err` once, and then nothing, when they are corrupt.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Records { bytes }
    }

    fn step(&mut self) -> Result<Option<Record<'a>>, &'static str> {
        let (header, _) = self.bytes.split_at_checked(wire::record::HEADER).ok_or("a record is cut short")?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length < wire::record::HEADER || !length.is_multiple_of(8) {
            return Err("a record has an impossible length");
        }
        let (record, rest) = self.bytes.split_at_checked(length).ok_or("a record is cut short")?;
        self.bytes = rest;
        let kind = record[4];
        let count = u16::from_le_bytes([record[6], record[7]]);
        let body = &record[wire::record::HEADER..];
        match kind {
            wire::kind::SPAN_START => {
                let (fixed, bytes) = body.split_at_checked(wire::record::START).ok_or("a record is too short")?;
                Ok(start(fixed).map(|start| Record::Start(start, FactBlock { bytes, count })))
            }
            wire::kind::LOG => {
                let (fixed, bytes) = body.split_at_checked(wire::record::LOG).ok_or("a record is too short")?;
                Ok(log(fixed).map(|log| Record::Log(log, FactBlock { bytes, count })))
            }
            wire::kind::MEASURE => {
                let (fixed, bytes) = body.split_at_checked(wire::record::MEASURE).ok_or("a record is too short")?;
                let Some(scope) = array(fixed, 0).map(u32::from_le_bytes) else { return Ok(None) };
                Ok(Some(Record::Measure(MeasurementHeader { scope, about: fixed[4] }, FactBlock { bytes, count })))
            }
            wire::kind::SPAN_UPDATE | wire::kind::SPAN_EVENT | wire::kind::SPAN_LINK | wire::kind::SPAN_END => {
                let (fixed, bytes) = body.split_at_checked(wire::record::SPAN).ok_or("a record is too short")?;
                let (Some(span), Some(time)) = (array(fixed, 0), array(fixed, 8)) else { return Ok(None) };
                let facts = FactBlock { bytes, count };
                Ok(Some(Record::Span { kind, span, time: u64::from_le_bytes(time), facts }))
            }
            _ => Ok(None),
        }
    }
}

/// The numbers of items in some records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordCount {
    /// Spans that end.
    pub(crate) spans: u64,
    pub(crate) logs: u64,
    pub(crate) measurements: u64,
}

/// Counts the items in `bytes`.
pub(crate) fn count(bytes: &[u8]) -> RecordCount {
    let mut count = RecordCount::default();
    for record in Records::new(bytes) {
        match record {
            Ok(Record::Span { kind: wire::kind::SPAN_END, .. }) => count.spans += 1,
            Ok(Record::Log(..)) => count.logs += 1,
            Ok(Record::Measure(..)) => count.measurements += 1,
            _ => {}
        }
    }
    count
}

fn start(fixed: &[u8]) -> Option<SpanStart> {
    Some(SpanStart {
        trace: array(fixed, 0)?,
        span: array(fixed, 16)?,
        parent: array(fixed, 24)?,
        time: u64::from_le_bytes(array(fixed, 32)?),
        scope: u32::from_le_bytes(array(fixed, 40)?),
        domain: fixed[44],
        flags: fixed[45],
        parent_remote: fixed[46] == 1,
    })
}

fn log(fixed: &[u8]) -> Option<LogHeader> {
    Some(LogHeader {
        trace: array(fixed, 0)?,
        span: array(fixed, 16)?,
        time: u64::from_le_bytes(array(fixed, 24)?),
        scope: u32::from_le_bytes(array(fixed, 32)?),
        flags: fixed[36],
        severity: fixed[37],
        left_out: fixed[38],
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.bytes.is_empty() {
            match self.step() {
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => {}
                Err(reason) => {
                    self.bytes = &[];
                    return Some(Err(reason));
                }
            }
        }
        None
    }
}

/// Makes records as the hooks do, for tests.
#[cfg(test)]
pub(crate) mod make {
    use super::*;

    pub(crate) enum Given<'a> {
        Text(u16, &'a str),
        Bytes(u16, &'a [u8]),
        Int(u16, i64),
        Named(&'a str, &'a str),
        NamedInt(&'a str, i64),
        /// Key, name, one of `wire::value`, and its bytes.
        Raw(u16, &'a str, u8, &'a [u8]),
    }

    pub(crate) fn attributes(facts: &[Given<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for fact in facts {
            let number;
            let (key, name, kind, value) = match fact {
                Given::Text(key, text) => (*key, "", wire::value::STR, text.as_bytes()),
                Given::Bytes(key, bytes) => (*key, "", wire::value::STR, *bytes),
                Given::Raw(key, name, kind, bytes) => (*key, *name, *kind, *bytes),
                Given::Named(name, text) => (wire::key::NAMED, *name, wire::value::STR, text.as_bytes()),
                Given::Int(key, int) => {
                    number = int.to_le_bytes();
                    (*key, "", wire::value::INT, number.as_slice())
                }
                Given::NamedInt(name, int) => {
                    number = int.to_le_bytes();
                    (wire::key::NAMED, *name, wire::value::INT, number.as_slice())
                }
            };
            bytes.extend(key.to_le_bytes());
            bytes.extend([kind, name.len() as u8]);
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(name.bytes());
            bytes.extend(value);
        }
        bytes
    }

    fn record(kind: u8, fixed: &[u8], facts: &[Given<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes.extend(fixed);
        bytes.extend(attributes(facts));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = kind;
        bytes[6..8].copy_from_slice(&(facts.len() as u16).to_le_bytes());
        bytes
    }

    pub(crate) fn start(start: &SpanStart, facts: &[Given<'_>]) -> Vec<u8> {
        let mut fixed = Vec::new();
        fixed.extend(start.trace);
        fixed.extend(start.span);
        fixed.extend(start.parent);
        fixed.extend(start.time.to_le_bytes());
        fixed.extend(start.scope.to_le_bytes());
        fixed.extend([start.domain, start.flags, u8::from(start.parent_remote), 0]);
        record(wire::kind::SPAN_START, &fixed, facts)
    }

    pub(crate) fn log(log: &LogHeader, facts: &[Given<'_>]) -> Vec<u8> {
        let mut fixed = log.trace.to_vec();
        fixed.extend(log.span);
        fixed.extend(log.time.to_le_bytes());
        fixed.extend(log.scope.to_le_bytes());
        fixed.extend([log.flags, log.severity, log.left_out, 0]);
        record(wire::kind::LOG, &fixed, facts)
    }

    pub(crate) fn measure(about: u8, facts: &[Given<'_>]) -> Vec<u8> {
        record(wire::kind::MEASURE, &[0, 0, 0, 0, about, 0, 0, 0], facts)
    }

    pub(crate) fn span(kind: u8, span: [u8; 8], time: u64, facts: &[Given<'_>]) -> Vec<u8> {
        let mut fixed = span.to_vec();
        fixed.extend(time.to_le_bytes());
        record(kind, &fixed, facts)
    }
}

#[cfg(test)]
mod tests {
    use super::make::Given;
    use super::*;

    fn a_start() -> SpanStart {
        SpanStart {
            trace: [1; 16],
            span: [2; 8],
            parent: [3; 8],
            time: 4,
            scope: 5,
            domain: 1,
            flags: 1,
            parent_remote: true,
        }
    }

    #[test]
    fn a_span_s_records_are_read_back() {
        let mut bytes =
            make::start(&a_start(), &[Given::Text(wire::key::HTTP_METHOD, "GET"), Given::NamedInt("n", -1)]);
        bytes.extend(make::span(wire::kind::SPAN_END, [2; 8], 9, &[]));
        let records: Vec<_> = Records::new(&bytes).map(Result::unwrap).collect();
        let Record::Start(start, facts) = records[0] else { panic!("{records:?}") };
        assert_eq!(start, a_start());
        let facts: Vec<_> = FactReader::new(facts.bytes, facts.count.into()).collect();
        assert_eq!(facts[0].value, FactValue::Bytes(b"GET"));
        assert_eq!((facts[1].name, facts[1].value), (b"n".as_slice(), FactValue::Int(-1)));
        assert_eq!(facts.len(), 2);
        assert!(matches!(records[1], Record::Span { kind: wire::kind::SPAN_END, time: 9, .. }));
    }

    fn a_log() -> LogHeader {
        LogHeader { trace: [1; 16], span: [2; 8], time: 3, scope: 4, flags: 1, severity: 9, left_out: 5 }
    }

    #[test]
    fn a_log_record_is_read_back_and_counted() {
        let mut bytes = make::log(&a_log(), &[Given::Text(wire::key::LOG_BODY, "hello")]);
        bytes.extend(make::span(wire::kind::SPAN_END, [2; 8], 9, &[]));
        let Some(Ok(Record::Log(log, facts))) = Records::new(&bytes).next() else { panic!("a log record") };
        assert_eq!(log, a_log());
        assert_eq!(FactReader::new(facts.bytes, facts.count.into()).next().unwrap().value, FactValue::Bytes(b"hello"));
        let bytes = [bytes, make::measure(1, &[]), make::measure(2, &[])].concat();
        assert_eq!(count(&bytes), RecordCount { spans: 1, logs: 1, measurements: 2 });
    }

    #[test]
    fn unknown_kinds_and_padding_are_skipped() {
        let mut bytes = make::span(wire::kind::PAD, [0; 8], 0, &[]);
        bytes.extend(make::span(200, [0; 8], 0, &[]));
        bytes.extend(make::span(wire::kind::SPAN_END, [7; 8], 1, &[]));
        assert_eq!(Records::new(&bytes).count(), 1);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let facts = [Given::Text(wire::key::HTTP_METHOD, "GET"), Given::Named("a", "b")];
        for whole in [make::start(&a_start(), &facts), make::log(&a_log(), &facts)] {
            for end in 0..whole.len() {
                for record in Records::new(&whole[..end]) {
                    assert!(record.is_err());
                }
            }
            for at in 0..whole.len() {
                for value in [0, 1, 7, 8, 0x7f, 0xff] {
                    let mut broken = whole.clone();
                    broken[at] = value;
                    for record in Records::new(&broken).flatten() {
                        let (Record::Start(_, facts)
                        | Record::Log(_, facts)
                        | Record::Measure(_, facts)
                        | Record::Span { facts, .. }) = record;
                        assert!(FactReader::new(facts.bytes, facts.count.into()).count() <= 65535);
                    }
                }
            }
        }
    }
}

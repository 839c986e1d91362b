//! What the conventions make of a span: it borrows from the span's records.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};

use crate::attributes::attribute::{Attribute, AttributeValue, Name, Text};
use crate::attributes::redacted;
use crate::conventions::OVERFLOW;
use crate::conventions::catalog::Metric;
use crate::records::facts::emptied;

/// What the conventions make of a span.
#[derive(Debug, Clone)]
pub(crate) struct Described<'a> {
    pub(crate) name: SpanName<'a>,
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) status: Status,
    /// The measurements that the span makes.
    pub(crate) measured: Measurements,
}

/// A span's name, which may be made of two words.
#[derive(Clone)]
pub(crate) struct SpanName<'a> {
    pub(crate) first: Text<'a>,
    /// What follows a blank.
    pub(crate) second: Option<Text<'a>>,
}

impl<'a> SpanName<'a> {
    /// Two words.
    pub(crate) fn of_two(first: impl Into<Text<'a>>, second: impl Into<Text<'a>>) -> SpanName<'a> {
        SpanName { first: first.into(), second: Some(second.into()) }
    }

    /// As the SDK holds it.
    pub(crate) fn into_sdk(self) -> Cow<'static, str> {
        match self {
            SpanName { first, second: None } => Cow::Owned(first.into_string()),
            both => Cow::Owned(both.to_string()),
        }
    }
}

impl<'a, T: Into<Text<'a>>> From<T> for SpanName<'a> {
    fn from(name: T) -> Self {
        SpanName { first: name.into(), second: None }
    }
}

impl fmt::Display for SpanName<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.first)?;
        match &self.second {
            Some(second) => write!(to, " {second}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SpanName<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?}", self.to_string())
    }
}

#[cfg(test)]
impl PartialEq<&str> for SpanName<'_> {
    fn eq(&self, other: &&str) -> bool {
        match &self.second {
            Some(second) => other.strip_prefix(&*self.first).and_then(|rest| rest.strip_prefix(' ')) == Some(&**second),
            None => self.first == *other,
        }
    }
}

#[cfg(test)]
impl PartialEq<String> for SpanName<'_> {
    fn eq(&self, other: &String) -> bool {
        *self == other.as_str()
    }
}

/// A point of a histogram, or what is added to a counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) metric: &'static Metric,
    pub(crate) amount: Amount,
    /// Which of the attributes that it was made with the point has.
    pub(crate) attributes: Selection,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    /// How long the span lasted, in seconds.
    Duration,
    /// A recorded value, in the metric's unit.
    Recorded(f64),
    /// One if the span lasted so long, otherwise nothing.
    OneIfLasted(Duration),
}

/// Some of the first 64 attributes of a list: a bit for each. The conventions give no more to a span whose measurements
/// have any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Selection(u64);

impl Selection {
    /// Those that are selected.
    pub(crate) fn of<'l, 'a>(self, attributes: &'l [Attribute<'a>]) -> impl Iterator<Item = &'l Attribute<'a>> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let index = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            attributes.get(index)
        })
    }

    /// The attributes that the metric may have: only those with few different values.
    pub(super) fn for_metric(attributes: &[Attribute<'_>], metric: &Metric) -> Selection {
        // Most names differ in length already.
        let is =
            |name: &str, known: &&str| name.len() == known.len() && (name.as_ptr() == known.as_ptr() || name == *known);
        Selection::by(attributes, |name| metric.attributes.iter().any(|known| is(name, known)) || is(name, &OVERFLOW))
    }

    /// Those whose names are `selected`.
    pub(crate) fn by(attributes: &[Attribute<'_>], selected: impl Fn(&str) -> bool) -> Selection {
        let bits = attributes.iter().take(64).enumerate().filter(|(_, attribute)| selected(&attribute.name));
        Selection(bits.fold(0, |all, (index, _)| all | 1 << index))
    }

    /// These but for those of that name.
    pub(super) fn without(self, attributes: &[Attribute<'_>], name: &str) -> Selection {
        Selection(self.0 & !Selection::by(attributes, |other| other == name).0)
    }
}

impl Measured {
    /// A duration in seconds.
    pub(crate) fn duration(metric: &'static Metric, attributes: Selection) -> Measured {
        Measured { metric, amount: Amount::Duration, attributes }
    }

    /// Bytes or rows that were counted, if they were.
    pub(super) fn counted(metric: &'static Metric, count: Option<i64>, attributes: Selection) -> Option<Measured> {
        let amount = Amount::Recorded(count.filter(|count| *count >= 0)? as f64);
        Some(Measured { metric, amount, attributes })
    }

    /// The value, for a span that lasted so long, if there is one.
    pub(crate) fn value(&self, lasted: Duration) -> Option<f64> {
        match self.amount {
            Amount::Duration => Some(lasted.as_secs_f64()),
            Amount::Recorded(value) => Some(value),
            Amount::OneIfLasted(limit) => (lasted >= limit).then_some(1.0),
        }
    }
}

/// Up to three measurements.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measurements([Option<Measured>; 3]);

impl Measurements {
    /// Those that there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Measured> {
        self.0.iter().flatten()
    }
}

impl<const N: usize> From<[Option<Measured>; N]> for Measurements {
    fn from(measured: [Option<Measured>; N]) -> Self {
        const { assert!(N <= 3) };
        let mut all = Measurements::default();
        all.0.iter_mut().zip(measured).for_each(|(to, from)| *to = from);
        all
    }
}

/// A measurement of no span, with its attributes.
#[derive(Debug, Default)]
pub(crate) struct Measures<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) measured: Measurements,
}

/// Attributes on their way into a span.
#[derive(Debug)]
pub(super) struct Attributes<'a>(pub(super) Vec<Attribute<'a>>);

thread_local! {
    /// Memory for the attributes of the next span.
    static SPARE: Cell<Vec<Attribute<'static>>> = const { Cell::new(Vec::new()) };
}

impl Default for Attributes<'_> {
    fn default() -> Self {
        Attributes(emptied(SPARE.take()))
    }
}

impl<'a> Described<'a> {
    /// Adds an attribute that came from outside, unless there is one of that name.
    pub(crate) fn add(&mut self, name: impl Into<Text<'a>>, value: impl Into<AttributeValue<'a>>) {
        let name = name.into();
        if !self.attributes.iter().any(|known| *known.name == *name) {
            let value = redacted::recorded(&name, value.into());
            self.attributes.push(Attribute { name: Name::Recorded(name), value });
        }
    }

    /// Gives the memory of its attributes to the next one.
    pub(crate) fn reuse(self) {
        SPARE.set(emptied(self.attributes));
    }
}

impl<'a> Attributes<'a> {
    pub(super) fn text(&mut self, name: &'static str, value: Option<impl Into<Text<'a>>>) {
        if let Some(value) = value {
            self.0.push(Attribute::new(name, value));
        }
    }

    pub(super) fn int(&mut self, name: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.0.push(Attribute::int(name, value));
        }
    }

    pub(super) fn truth(&mut self, name: &'static str, value: bool) {
        self.0.push(Attribute::truth(name, value));
    }

    /// The attributes that the metric may have.
    pub(super) fn of(&self, metric: &Metric) -> Selection {
        Selection::for_metric(&self.0, metric)
    }
}

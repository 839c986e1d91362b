use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use super::*;
use crate::region::Region;
use crate::wire::{self, header, series};
use crate::Scope;

static SCOPE: Scope = Scope::new("otel-rs:layer:5|metrics|1.0.0|0.1.0|\n");
const LIMIT: usize = 50;

/// A region without a launcher.
fn region() -> &'static Region {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let path = std::env::temp_dir().join(format!("otel-rs-hooks-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        std::env::set_var(wire::CHANNEL_VARIABLE, format!("v1;series-limit={LIMIT};socket={}", path.display()));
        // Another test may be attaching at this moment, without a launcher.
        while !crate::active() {
            attach::reset_for_tests();
        }
        // Held until the process ends.
        std::mem::forget(listener);
        std::fs::remove_file(path).unwrap();
    });
    attach::region().unwrap()
}

fn described(name: &str, kind: InstrumentKind, number: NumberKind) -> Description<'_> {
    let owner = Owner::Layer(&SCOPE);
    Description { owner, kind, number, name, unit: "", description: "", boundaries: None, is_observed: false }
}

fn made(name: &str, kind: InstrumentKind, number: NumberKind) -> Instrument {
    region();
    instrument(&described(name, kind, number))
}

/// The shown entries that hold `text`, as units.
fn shown(what: u8, text: &str) -> Vec<u32> {
    let region = region();
    let slots = region.at::<AtomicU32>(header::SERIES_COUNT).load(SeqCst);
    let units = (0..slots).map(|slot| {
        let word = region.word(0, slot as usize / 2 * 8).load(SeqCst);
        (word >> (32 * (slot % 2))) as u32
    });
    let fits = |unit: &u32| {
        let length = region.word(*unit, series::LEN).load(SeqCst) as u32 as usize;
        let bytes: Vec<u8> =
            (0..length / 8).flat_map(|n| region.word(*unit, n * 8).load(SeqCst).to_le_bytes()).collect();
        bytes[4] == what && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    units.filter(|unit| *unit != 0).filter(fits).collect()
}

fn value(unit: u32, offset: usize) -> u64 {
    let word = |offset| region().word(unit, offset).load(SeqCst);
    let is_counter = word(series::LEN).to_le_bytes()[5] == InstrumentKind::Counter as u8
        && word(series::LEN).to_le_bytes()[6] == NumberKind::U64 as u8;
    if offset == series::VALUE && is_counter {
        word(offset).wrapping_add(word(series::OWN))
    } else {
        word(offset)
    }
}

struct Strings(Vec<(String, String)>);

impl AttributeSet for Strings {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
        self.0
            .get(index)
            .map(|(key, value)| (AttributeText::Borrowed(key), AttributeValue::Text(AttributeText::Borrowed(value))))
    }
}

#[test]
fn adds_of_all_threads_are_counted() {
    let counter = made("test.adds", InstrumentKind::Counter, NumberKind::U64);
    let sums = made("test.fractions", InstrumentKind::UpDownCounter, NumberKind::F64);
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            scope.spawn(move || {
                for _ in 0..10_000 {
                    counter.measure(1_u64, &[("adds", "of all".into()), ("half", (thread % 2).into())]);
                    sums.measure(0.5, &[("adds", "of fractions".into())]);
                }
            });
        }
    });
    let found = shown(series::what::SERIES, "of all");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [20_000, 20_000]);
    let found = shown(series::what::SERIES, "of fractions");
    assert_eq!(found.iter().map(|unit| f64::from_bits(value(*unit, series::VALUE))).collect::<Vec<_>>(), [20_000.0]);
}

#[test]
fn no_count_is_lost_when_the_first_counting_thread_ends() {
    let counter = made("test.succession", InstrumentKind::Counter, NumberKind::U64);
    let add = move |times: u64| {
        (0..times).for_each(|_| counter.measure(1_u64, &[("adds", "of generations".into())]));
    };
    // Each may be at the address of the one before.
    (0..50).for_each(|_| std::thread::spawn(move || add(100)).join().unwrap());
    let bound = counter.bind(&[("adds", "of generations".into())]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || (0..200_000).for_each(|_| bound.measure(1_u64)));
        }
    });
    let found = shown(series::what::SERIES, "of generations");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [805_000]);
    #[cfg(target_arch = "x86_64")]
    assert!(region().word(found[0], series::OWN).load(SeqCst) > 0, "one thread had a word of its own");
}

#[test]
fn a_set_is_the_same_in_any_order_and_from_anywhere() {
    let counter = made("test.orders", InstrumentKind::Counter, NumberKind::U64);
    counter.measure(1_u64, &[("a", "any order".into()), ("b", f64::NAN.into_value())]);
    counter.measure(1_u64, &[("b", f64::NAN.into_value()), ("a", "any order".into())]);
    counter.measure(1_u64, &[("a", "earlier".into()), ("b", f64::NAN.into_value()), ("a", "any order".into())]);
    let found = shown(series::what::SERIES, "any order");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [3]);
    for text in ["from anywhere", "or elsewhere "] {
        for _ in 0..3 {
            // The memory of one is likely that of the next.
            counter.measure(1_u64, &Strings(vec![("x".into(), text.into())]));
        }
    }
    counter.measure(1_u64, &[("x", "from anywhere".into())]);
    for (text, times) in [("from anywhere", 4), ("or elsewhere ", 3)] {
        let found = shown(series::what::SERIES, text);
        assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [times], "{text}");
    }
    let many: Vec<_> = (0..20).map(|n| (format!("key{n}"), "many at once".to_owned())).collect();
    counter.measure(1_u64, &Strings(many.clone()));
    counter.measure(1_u64, &Strings(many.into_iter().rev().collect()));
    let found = shown(series::what::SERIES, "many at once");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [2]);
}

trait IntoValue {
    fn into_value(self) -> AttributeValue<'static>;
}
impl IntoValue for f64 {
    fn into_value(self) -> AttributeValue<'static> {
        AttributeValue::Float(self)
    }
}

#[test]
fn series_beyond_the_limit_are_counted_together() {
    let counter = made("test.many", InstrumentKind::Counter, NumberKind::U64);
    for round in 0..2 {
        for n in 0..2 * LIMIT as i64 {
            counter.measure(1_u64, &[("beyond-limit", n.into())]);
        }
        assert_eq!(shown(series::what::SERIES, "beyond-limit").len(), LIMIT - 1, "{round}");
    }
    let over = shown(series::what::SERIES, "otel.metric.overflow");
    assert_eq!(over.iter().map(|unit| value(*unit, series::VALUE)).max(), Some(2 * (LIMIT as u64 + 1)));
}

#[test]
fn a_histogram_counts_by_size() {
    let description = Description {
        boundaries: Some(&[1.0, 10.0]),
        ..described("test.sizes", InstrumentKind::Histogram, NumberKind::F64)
    };
    region();
    let histogram = instrument(&description).bind(&[("kind", "of sizes".into())]);
    for size in [0.5, 1.0, 1.5, 10.5, f64::NAN, f64::INFINITY] {
        histogram.measure(size);
    }
    let [unit] = shown(series::what::SERIES, "of sizes")[..] else { panic!("one series") };
    let buckets: Vec<_> = (0..3).map(|n| value(unit, series::BUCKETS + 8 * n)).collect();
    assert_eq!(buckets, [2, 1, 1]);
    let float = |offset| f64::from_bits(value(unit, offset));
    assert_eq!((float(series::VALUE), float(series::MIN), float(series::MAX)), (13.5, 0.5, 10.5));
    let [unit] = shown(series::what::INSTRUMENT, "test.sizes")[..] else { panic!("one instrument") };
    assert_eq!(f64::from_bits(value(unit, series::BUCKETS + 8)), 10.0);
}

#[test]
fn a_distribution_takes_the_place_of_the_one_before() {
    let description = Description {
        boundaries: Some(&[1.0, 10.0]),
        is_observed: true,
        ..described("test.known", InstrumentKind::Histogram, NumberKind::F64)
    };
    region();
    let histogram = instrument(&description);
    let (bounds, attributes) = (&[1.0, 10.0], [("kind", "of known".into())]);
    let before = value_of_header(header::REFUSED);
    histogram.observe(&Distribution { bounds, counts: &[2, 1, 1], sum: 13.5 }, &attributes);
    histogram.observe(&Distribution { bounds, counts: &[3, 1, 2], sum: 25.0 }, &attributes);
    // None of these can be recorded.
    histogram.observe(&Distribution { bounds, counts: &[9, 9], sum: 9.0 }, &attributes);
    histogram.observe(&Distribution { bounds: &[1.0, 9.0], counts: &[9, 9, 9], sum: 9.0 }, &attributes);
    histogram.observe(&Distribution { bounds, counts: &[9, 9, 9], sum: f64::NAN }, &attributes);
    let [unit] = shown(series::what::SERIES, "of known")[..] else { panic!("one series") };
    let buckets: Vec<_> = (0..3).map(|n| value(unit, series::BUCKETS + 8 * n)).collect();
    assert_eq!(buckets, [3, 1, 2]);
    let float = |offset| f64::from_bits(value(unit, offset));
    assert_eq!(float(series::VALUE), 25.0);
    assert!(float(series::MIN).is_infinite() && float(series::MAX).is_infinite(), "they are unknown");
    assert!(value_of_header(header::REFUSED) >= before + 3);
}

#[test]
fn distributions_add_up() {
    let histogram = made("test.added", InstrumentKind::Histogram, NumberKind::F64);
    let series = histogram.bind(&[("kind", "of added".into())]);
    let bounds = histogram.bounds();
    let mut counts = vec![0; bounds.len() + 1];
    (counts[0], counts[bounds.len()]) = (2, 1);
    series.add(&Distribution { bounds, counts: &counts, sum: 20_000.5 });
    series.measure(-1.5);
    series.add(&Distribution { bounds, counts: &counts, sum: 20_000.0 });
    // Neither of these can be recorded.
    let before = value_of_header(header::REFUSED);
    series.add(&Distribution { bounds: &[], counts: &[9], sum: 9.0 });
    let counter =
        made("test.no_histogram", InstrumentKind::Counter, NumberKind::F64).bind(&[("kind", "of none".into())]);
    counter.add(&Distribution { bounds: &[], counts: &[9], sum: 9.0 });
    assert!(value_of_header(header::REFUSED) >= before + 2);
    let [unit] = shown(series::what::SERIES, "of added")[..] else { panic!("one series") };
    let bucket = |n: usize| value(unit, series::BUCKETS + 8 * n);
    assert_eq!((bucket(0), bucket(1), bucket(bounds.len())), (5, 0, 2));
    assert_eq!(f64::from_bits(value(unit, series::VALUE)), 39_999.0);
    let [unit] = shown(series::what::SERIES, "of none")[..] else { panic!("one series") };
    assert_eq!(value(unit, series::VALUE), 0);
}

#[test]
fn a_counter_never_falls_and_a_gauge_may() {
    static GAUGE: Metric = Metric::new(&SCOPE, InstrumentKind::Gauge, NumberKind::I64, "test.level", "1", "A level.");
    let counter = made("test.rising", InstrumentKind::Counter, NumberKind::F64).bind(&[("which", "rising".into())]);
    let before = value_of_header(header::REFUSED);
    [1.5, -1.0, f64::NAN, f64::NEG_INFINITY].into_iter().for_each(|by| counter.measure(by));
    let [unit] = shown(series::what::SERIES, "rising")[..] else { panic!("one series") };
    assert_eq!(f64::from_bits(value(unit, series::VALUE)), 1.5);
    assert!(value_of_header(header::REFUSED) >= before + 3);
    GAUGE.measure(7_i64, &[("which", "a level".into())]);
    GAUGE.measure(-7_i64, &[("which", "a level".into())]);
    let [unit] = shown(series::what::SERIES, "a level")[..] else { panic!("one series") };
    assert_eq!((value(unit, series::VALUE) as i64, value(unit, series::TIMES)), (-7, 2));
}

#[test]
fn nan_and_infinities_do_not_change_a_gauge() {
    let heat = made("test.heat", InstrumentKind::Gauge, NumberKind::F64).bind(&[("which", "heat".into())]);
    [21.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().for_each(|value| heat.measure(value));
    let [unit] = shown(series::what::SERIES, "heat")[..] else { panic!("one series") };
    assert_eq!((f64::from_bits(value(unit, series::VALUE)), value(unit, series::TIMES)), (21.5, 1));
}

fn value_of_header(offset: usize) -> u64 {
    region().at::<AtomicU64>(offset).load(SeqCst)
}

#[test]
fn an_instrument_is_made_once_and_an_invalid_one_never() {
    for _ in 0..3 {
        made("test.once", InstrumentKind::Counter, NumberKind::U64);
        made("TEST.ONCE", InstrumentKind::Counter, NumberKind::U64);
        for wrong in ["1.wrong.name", "wrong.name$", ""] {
            made(wrong, InstrumentKind::Counter, NumberKind::U64).measure(1_u64, &[("never", "counted".into())]);
        }
        let falling = described("wrong.name.bounds", InstrumentKind::Histogram, NumberKind::U64);
        instrument(&Description { boundaries: Some(&[2.0, 1.0]), ..falling });
    }
    assert_eq!(shown(series::what::INSTRUMENT, "test.once").len(), 1);
    assert_eq!(shown(series::what::NOTE, "wrong.name").len(), 3);
    assert!(shown(series::what::SERIES, "never").is_empty());
}

/// Requests a round of callbacks and waits for its end.
fn request_round() {
    let (requested, finished) =
        (region().at::<AtomicU32>(header::REQUESTED_ROUND), region().at::<AtomicU32>(header::FINISHED_ROUND));
    let round = requested.fetch_add(1, SeqCst) + 1;
    crate::sys::wake(requested);
    let since = Instant::now();
    while finished.load(SeqCst) != round {
        assert!(since.elapsed() < Duration::from_secs(20), "the round does not end");
        std::thread::yield_now();
    }
}

#[test]
fn a_failing_callback_stops_no_other() {
    region();
    let calls = Arc::new([0; 4].map(AtomicU32::new));
    let release = Arc::new(AtomicBool::new(false));
    let count = |index: usize| {
        let calls = Arc::clone(&calls);
        move || calls[index].fetch_add(1, SeqCst)
    };
    let (first, panics, blocks, last) = (count(0), count(1), count(2), count(3));
    let free = Arc::clone(&release);
    on_collect(move || first() < 1);
    on_collect(move || panic!("as it should, for the {}. time", panics() + 1));
    on_collect(move || {
        blocks();
        while !free.load(SeqCst) {
            std::thread::yield_now();
        }
        true
    });
    on_collect(move || last() < 1000);
    let seen = || calls.iter().map(|calls| calls.load(SeqCst)).collect::<Vec<_>>();
    let trouble = |offset| region().at::<AtomicU32>(offset).load(SeqCst);
    let since = Instant::now();
    // On a busy machine a good one may seem stuck for a round, and a panic may take long to print its backtrace.
    while seen()[..3] != [2, 1, 1] || seen()[3] < 3 || trouble(header::PANICKED) != 1 || trouble(header::STUCK) == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", seen());
        request_round();
    }
    release.store(true, SeqCst);
    let since = Instant::now();
    while calls[2].load(SeqCst) < 2 {
        assert!(since.elapsed() < Duration::from_secs(20), "a callback that returned is called again");
        request_round();
    }
}

#[test]
fn some_invalid_instruments_are_named_and_the_others_counted() {
    region();
    let counted = value_of_header(header::WITHOUT_ROOM);
    for number in 0..2_000 {
        assert!(!made(&format!("unlawful {number}"), InstrumentKind::Counter, NumberKind::U64).is_read());
        let long = "x".repeat(3000);
        let owner =
            Owner::Named { name: &long, version: Some(&long), schema_url: None, attributes: &Strings(Vec::new()) };
        let name = format!("9unlawful.{number}");
        instrument(&Description { owner, ..described(&name, InstrumentKind::Gauge, NumberKind::F64) });
    }
    assert!(shown(series::what::NOTE, "unlawful").len() <= 32);
    assert!(value_of_header(header::WITHOUT_ROOM) >= counted + 3_900);
}

#[test]
fn an_instrument_whose_scope_is_too_long_is_left_out_and_counted() {
    region();
    let long = "x".repeat(20_000);
    let many = Strings((0..100_000).map(|number| (number.to_string(), "scope".to_owned())).collect());
    let none = Strings(Vec::new());
    let counted = value_of_header(header::WITHOUT_ROOM);
    let owners: [(&str, &dyn AttributeSet); 2] = [(&long, &none), ("short", &many)];
    for (name, attributes) in owners {
        let owner = Owner::Named { name, version: None, schema_url: None, attributes };
        let made = instrument(&Description {
            owner,
            ..described("test.of_long_scope", InstrumentKind::Counter, NumberKind::U64)
        });
        assert!(!made.is_read());
    }
    assert!(value_of_header(header::WITHOUT_ROOM) >= counted + 2);
}

#[test]
fn series_with_too_many_or_too_long_attributes_go_to_the_overflow() {
    let counter = made("test.huge", InstrumentKind::Counter, NumberKind::U64);
    let many = Strings((0..70_000).map(|number| (number.to_string(), "too many".to_owned())).collect());
    let long = Strings((0..20).map(|number| (number.to_string(), "too long".repeat(1000))).collect());
    (0..2).for_each(|_| counter.measure(1_u64, &many));
    (0..2).for_each(|_| counter.measure(1_u64, &long));
    assert!(shown(series::what::SERIES, "too ").is_empty());
    assert!(counter.bind(&many).is_overflow() && counter.bind(&long).is_overflow());
    // A long value is found each time, though its text is not kept for that.
    let long = Strings(vec![("a".into(), "huge value".repeat(700))]);
    (0..3).for_each(|_| counter.measure(1_u64, &long));
    let found = shown(series::what::SERIES, "huge value");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [3]);
}

#[test]
fn one_series_may_be_given_in_any_number_of_ways() {
    let counter = made("test.aliases", InstrumentKind::Counter, NumberKind::U64);
    for number in 0..2_000 {
        let given = [("a", format!("not counted {number}")), ("a", "of many ways".to_owned())];
        counter.measure(1_u64, &Strings(given.map(|(key, value)| (key.to_owned(), value)).into()));
    }
    let found = shown(series::what::SERIES, "of many ways");
    assert_eq!(found.iter().map(|unit| value(*unit, series::VALUE)).collect::<Vec<_>>(), [2_000]);
}

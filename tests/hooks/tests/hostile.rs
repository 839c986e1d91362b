//! A program goes on unharmed while another process that holds its region's descriptor overwrites the region.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use otel_rs_hooks::metrics::{
    instrument, on_collect, AttributeValue, Description, Distribution, InstrumentKind, Metric, NumberKind, Owner,
};
use otel_rs_hooks::{key, log, wire, Cell, CellKind, Domain, Key, Scope, Severity, Span};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|hostile|1.0.0|0.1.0|\n");
static OTHER: [Scope; 4] = [
    Scope::new("otel-rs:layer:5|one|1.0.0|0.1.0|\n"),
    Scope::new("otel-rs:layer:5|two|1.0.0|0.1.0|\n"),
    Scope::new("otel-rs:layer:5|three|1.0.0|0.1.0|\n"),
    Scope::new("otel-rs:layer:5|four|1.0.0|0.1.0|\n"),
];
static COUNTER: Metric = Metric::new(&SCOPE, InstrumentKind::Counter, NumberKind::U64, "hostile.counter", "1", "");
static SUM: Metric = Metric::new(&SCOPE, InstrumentKind::UpDownCounter, NumberKind::F64, "hostile.sum", "1", "");
static GAUGE: Metric = Metric::new(&SCOPE, InstrumentKind::ObservableGauge, NumberKind::I64, "hostile.gauge", "1", "");
static HISTOGRAM: Metric =
    Metric::new(&SCOPE, InstrumentKind::Histogram, NumberKind::F64, "hostile.histogram", "1", "");

/// Attaching happens before `main`, so that the program under test is this one, started once more with a channel.
const NAME: &str = "an_overwritten_region_does_not_harm_the_program";

#[test]
fn an_overwritten_region_does_not_harm_the_program() {
    if std::env::var_os(wire::CHANNEL_VARIABLE).is_some() {
        return be_attacked();
    }
    let path = std::env::temp_dir().join(format!("otel-rs-hostile-{}", std::process::id()));
    let _listener = UnixListener::bind(&path).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([NAME, "--exact", "--nocapture", "--test-threads=1"]);
    again.env(wire::CHANNEL_VARIABLE, format!("v1;series-limit=100000;socket={}", path.display()));
    let output = again.output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("unharmed after"), "{output:?}");
}

/// The region, word by word.
fn region() -> &'static [AtomicU64] {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("memfd:otel-rs")).expect("a region");
    let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
    let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
    // SAFETY: a shared mapping that is never unmapped, aligned to a page; all who use it do so by atomics, or by bytes of
    // which it does not matter here what they are.
    unsafe { std::slice::from_raw_parts(start as *const AtomicU64, (end - start) / 8) }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn be_attacked() {
    assert!(otel_rs_hooks::active(), "there is a launcher");
    let region = region();
    on_collect(|| {
        GAUGE.measure(1_i64, &[]);
        true
    });
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| attack(region, &stop));
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                scope.spawn({
                    let (stop, rounds) = (&stop, &rounds);
                    move || {
                        let mut random = Random(0x9e37_79b9_7f4a_7c15 + thread);
                        while !stop.load(Relaxed) {
                            record(&mut random);
                            rounds.fetch_add(1, Relaxed);
                        }
                    }
                })
            })
            .collect();
        // Time enough for the attacks, and rounds enough on a slow machine. A writer that has panicked is reported below.
        let since = Instant::now();
        let goes_on = |for_seconds: u64| since.elapsed() < Duration::from_secs(for_seconds);
        while (goes_on(4) || rounds.load(Relaxed) < 5_000)
            && goes_on(120)
            && !writers.iter().any(|writer| writer.is_finished())
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Relaxed);
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    });
    assert!(rounds.load(Relaxed) >= 5_000, "writers are held up: {rounds:?}");
    println!("unharmed after {} rounds", rounds.load(Relaxed));
}

/// Overwrites critical words with critical values, and all words with random ones.
fn attack(region: &[AtomicU64], stop: &AtomicBool) {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let half = |region: &[AtomicU64], at: usize, value: u64| {
        let word = region.get(at / 8).expect("in the header");
        let [old, new] = [word.load(Relaxed), value & 0xffff_ffff];
        word.store(if at % 8 == 0 { old >> 32 << 32 | new } else { old & 0xffff_ffff | new << 32 }, Relaxed);
    };
    let at = |region: &[AtomicU64], field: usize| region[field / 8].load(Relaxed) as usize;
    // Read once: this is the layout that is attacked.
    let (controls, series) = (at(region, wire::header::CONTROLS_OFFSET), at(region, wire::header::SERIES_OFFSET));
    let (cells, strings) = (at(region, wire::header::CELLS_OFFSET), at(region, wire::header::STRINGS_OFFSET));
    while !stop.load(Relaxed) {
        let bad =
            [0, 1, u64::MAX, u64::MAX - 63, i64::MAX as u64, 1 << 32, 0xffff_ffff, random.next(), random.next() % 4096]
                [random.below(9)];
        match random.below(8) {
            // The header, which a reader might believe.
            0 => (0..wire::HEADER_SIZE / 8).for_each(|word| region[word].store(bad, Relaxed)),
            1 => [
                wire::header::STRINGS_LEN,
                wire::header::SERIES_COUNT,
                wire::header::REQUESTED_ROUND,
                wire::header::FINISHED_ROUND,
            ]
            .iter()
            .for_each(|field| half(region, *field, bad)),
            2 => half(region, wire::header::SLEEPING, 1),
            // Heads, tails and whatever else stands in the rings' controls.
            3 | 4 => {
                let from = controls / 8 + random.below(2 * wire::RING_CONTROL_SIZE / 8);
                region[from].store(bad, Relaxed);
            }
            // Slots, and the first entries.
            5 => region[series / 8 + random.below(wire::SERIES_SLOTS / 2 + 4096)].store(bad, Relaxed),
            6 => region[[cells, strings][random.below(2)] / 8 + random.below(1024)].store(bad, Relaxed),
            _ => (0..512).for_each(|_| region[random.below(region.len())].store(bad, Relaxed)),
        }
        // This flag would silence the doorbell, so it is mostly 0.
        half(region, wire::header::FILTERED, u64::from(random.below(8) == 0));
        if random.below(64) == 0 {
            std::thread::yield_now();
        }
    }
}

/// Each kind of record and measurement.
fn record(random: &mut Random) {
    static CELLS: [Cell; 2] = [
        Cell::new(&SCOPE, CellKind::Counter, "hostile.cells", "1", "", &[("a", "b")]),
        Cell::new(&SCOPE, CellKind::UpDownCounter, "hostile.cells.open", "1", "", &[]),
    ];
    let scope = &OTHER[random.below(4)];
    let text = "long ".repeat(random.below(400));
    let span = Span::start(scope, Domain::Internal, &[(key::SPAN_NAME, "hostile".into())]);
    {
        let _entered = span.context().enter();
        span.set(&[(Key::Named("text"), text.as_str().into())]);
        span.context().event("event", &[(Key::Named("number"), 1.into())]);
        log(scope, Severity::Info, |attributes| {
            attributes.set(key::LOG_BODY, text.as_str().into());
        });
    }
    span.end(&[]);
    CELLS.iter().for_each(|cell| cell.add(1));
    let number = random.below(3000);
    COUNTER.measure(1_u64, &[("number", AttributeValue::Int(number as i64))]);
    SUM.measure(0.5, &[]);
    HISTOGRAM.measure(number as f64, &[("number", AttributeValue::Int(number as i64 % 10))]);
    let name = format!("hostile.made.{}", number % 300);
    let made = instrument(&Description {
        owner: Owner::Layer(scope),
        kind: InstrumentKind::Histogram,
        number: NumberKind::F64,
        name: &name,
        unit: "",
        description: "",
        boundaries: Some(&[1.0, 2.0]),
        is_observed: true,
    });
    made.observe(&Distribution { bounds: &[1.0, 2.0], counts: &[1, 2, 3], sum: 1.0 }, &[("a", "b".into())]);
    // Not allowed, which leaves a note.
    let wrong = Description {
        owner: Owner::Layer(scope),
        kind: InstrumentKind::Counter,
        number: NumberKind::U64,
        name: "?",
        unit: "",
        description: "",
        boundaries: None,
        is_observed: false,
    };
    instrument(&wrong);
    let _ = otel_rs_hooks::cpu_time();
}

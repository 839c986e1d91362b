//! A ledger for each program: its instruments for all readers, and what its processes count.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::Temporality;

use super::cells::{Cells, Counters};
use super::data::{Collected, Origin};
use super::histograms::{HistogramReader, ProgramHistogram};
use super::instruments::Instruments;
use super::observed::Observed;
use super::program::ProgramMetrics;
use super::registry::InstrumentRegistry;
use super::sdk_reader::{SdkReader, provider};
use super::streams::{ViewConfig, Views};
use crate::attributes::attribute::Attribute;
use crate::channel::SeriesTable;
use crate::config::{CardinalityLimit, ExemplarFilter, HistogramAggregation};
use crate::conventions::Measurements;
use crate::conventions::catalog::PROCESS_UPTIME;
use crate::host::{Attributes, Point};
use crate::resource::{Programs, Source};
use crate::signals::resource::to_sdk;
use crate::wire::ProcessId;

/// How long all callbacks of all processes may take. A process itself gives up a callback sooner.
const CALLBACK_TIMEOUT: Duration = Duration::from_millis(250);

/// How a reader reads.
pub(crate) struct ReaderPlan {
    temporality: Temporality,
    /// The streams that the SDK keeps.
    sdk_views: ViewConfig,
    /// The streams of histograms that programs add up themselves.
    program_views: ViewConfig,
}

impl ReaderPlan {
    /// A plan: the SDK keeps histograms in the buckets of `sdk`; those that programs add up themselves get the buckets
    /// of `programs`.
    pub(crate) fn new(
        temporality: Temporality,
        views: &Views,
        sdk: HistogramAggregation,
        programs: HistogramAggregation,
        cardinality_limit: CardinalityLimit,
    ) -> ReaderPlan {
        let config = |histograms| ViewConfig { views: views.clone(), histograms, cardinality_limit };
        ReaderPlan { temporality, sdk_views: config(sdk), program_views: config(programs) }
    }
}

/// What is kept of one program.
struct Ledger {
    source: Source,
    instruments: Instruments,
    counters: Counters,
    observed: Observed,
    program: ProgramMetrics,
    /// As many as there are readers.
    readers: Vec<(SdkReader, HistogramReader)>,
    /// Histograms that the program adds up, as they were at the last refresh.
    histograms: Vec<ProgramHistogram>,
}

/// The ledgers of all programs.
pub(crate) struct Ledgers {
    plans: Vec<ReaderPlan>,
    views: Views,
    exemplars: ExemplarFilter,
    all: Vec<Ledger>,
}

impl Ledgers {
    pub(crate) fn new(plans: Vec<ReaderPlan>, views: Views, exemplars: ExemplarFilter) -> Ledgers {
        Ledgers { plans, views, exemplars, all: Vec::new() }
    }

    /// The ledger of a program.
    fn of(&mut self, source: &Source) -> &mut Ledger {
        let known = self.all.iter().position(|ledger| ledger.source == *source);
        let index = known.unwrap_or_else(|| {
            self.all.push(Ledger::new(source.clone(), &self.plans, &self.views, self.exemplars));
            self.all.len() - 1
        });
        &mut self.all[index]
    }

    /// Whether nothing has been counted yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Counts what was measured of a span of this program that lasted so long. `origin` is the span, where it is known.
    pub(crate) fn record(
        &mut self,
        source: &Source,
        scope: &Arc<InstrumentationScope>,
        measured: (&Measurements, &[Attribute<'_>]),
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        self.of(source).instruments.record(scope, measured, lasted, origin);
    }

    /// A process of this program has attached, with its counters and the instruments that it will make.
    pub(crate) fn attach(&mut self, process: ProcessId, source: &Source, cells: Cells, series: Option<SeriesTable>) {
        let ledger = self.of(source);
        ledger.counters.attach(process, cells);
        if let Some(series) = series {
            ledger.program.attach(process, series);
        }
    }

    /// A process has exited: its counters stay, what it had open is closed.
    pub(crate) fn detach(&mut self, process: ProcessId) {
        for ledger in &mut self.all {
            ledger.counters.detach(process);
            ledger.program.detach(process);
        }
    }

    /// Requests that processes run their callbacks, and waits for them a little.
    pub(crate) fn observe(&self) {
        let deadline = Instant::now() + CALLBACK_TIMEOUT;
        let requested: Vec<_> = self.all.iter().flat_map(|ledger| ledger.program.request_observation()).collect();
        // A late process gets no further request before it has answered this one.
        requested.iter().for_each(|(table, request)| _ = table.wait(*request, deadline));
    }

    /// Brings all ledgers up to date. A point that was `found` in the kernel goes to the program that it is about,
    /// otherwise to the launched program.
    pub(crate) fn refresh(&mut self, found: &[Point], programs: &mut Programs) {
        let is_others = |point: &Point| point.program.is_none();
        let launched = (self.all.is_empty() || found.iter().any(is_others)).then(|| programs.launched());
        if let Some(launched) = &launched {
            self.of(launched);
        }
        let launched = launched.map(|launched| launched.number());
        for ledger in &mut self.all {
            let number = Some(ledger.source.number());
            ledger.instruments.read(&mut ledger.counters);
            let found = merged(found.iter().filter(|point| point.program.or(launched) == number));
            let registry = ledger.instruments.registry();
            ledger.observed.observe(registry, &found);
            let (instruments, observed) = (&ledger.instruments, &ledger.observed);
            let is_automatic = |name: &str| instruments.has(name) || observed.has(name);
            ledger.histograms = ledger.program.read(registry, is_automatic);
        }
    }

    /// What a reader reads, by program, with the exemplars that were kept `since`.
    pub(crate) fn collect(&mut self, reader: usize, since: SystemTime) -> Vec<Collected> {
        let collected = self.all.iter_mut().filter_map(|ledger| {
            let (sdk, histograms) = ledger.readers.get_mut(reader)?;
            if !sdk.is_cumulative() {
                ledger.instruments.release();
            }
            Some(Collected {
                program: ledger.source.label(),
                metrics: sdk.all(),
                histograms: histograms.read(&ledger.histograms),
                exemplars: ledger.instruments.exemplars().since(since),
            })
        });
        collected.collect()
    }
}

/// Adds up points of one series: of processes of one name, some may report and others not.
fn merged<'a>(found: impl Iterator<Item = &'a Point>) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut known: HashMap<(&str, &Attributes), usize> = HashMap::new();
    for point in found {
        match known.entry((point.metric.name, &point.attributes)) {
            Entry::Vacant(new) => {
                new.insert(points.len());
                points.push(point.clone());
            }
            Entry::Occupied(known) => {
                let sum = &mut points[*known.get()].value;
                let is_age = point.metric.name == PROCESS_UPTIME.name;
                *sum = if is_age { sum.max(point.value) } else { *sum + point.value };
            }
        }
    }
    points
}

impl Ledger {
    fn new(source: Source, plans: &[ReaderPlan], views: &Views, exemplars: ExemplarFilter) -> Ledger {
        let (mut readers, mut providers) = (Vec::new(), Vec::new());
        for plan in plans {
            let shared = SdkReader::new(plan.temporality);
            providers.push(provider(shared.clone(), to_sdk(source.resource()), plan.sdk_views.clone()));
            readers.push((shared, HistogramReader::new(plan.program_views.clone(), plan.temporality)));
        }
        Ledger {
            source,
            instruments: Instruments::new(InstrumentRegistry::new(providers, views.clone()), exemplars),
            counters: Counters::default(),
            observed: Observed::default(),
            program: ProgramMetrics::default(),
            readers,
            histograms: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    use super::*;
    use crate::conventions::catalog::HTTP_SERVER_REQUEST_DURATION;
    use crate::conventions::{Measured, Selection};
    use crate::records::scope;
    use crate::resource::testing::source;

    #[test]
    fn series_that_a_reader_of_deltas_has_read_make_room_for_others() {
        let (views, buckets) = (Views::from(vec![]), HistogramAggregation::ExplicitBuckets);
        let plan = ReaderPlan::new(Temporality::Delta, &views, buckets, buckets, CardinalityLimit::all(2));
        let mut ledgers = Ledgers::new(vec![plan], views, ExemplarFilter::AlwaysOff);
        let program = source(0, "test");
        for number in 0..8 {
            let attributes = [Attribute::new("http.route", format!("/{number}"))];
            let measured = Measured::duration(&HTTP_SERVER_REQUEST_DURATION, Selection::by(&attributes, |_| true));
            let points = (&[Some(measured)].into(), attributes.as_slice());
            for _ in 0..3 {
                ledgers.record(&program, &scope::own(), points, Duration::from_millis(1), None);
            }
            let all = ledgers.collect(0, SystemTime::UNIX_EPOCH);
            let metric = all[0].metrics.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
            let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!() };
            let points: Vec<_> = histogram
                .data_points()
                .map(|point| (point.attributes().map(|kv| kv.value.to_string()).collect::<Vec<_>>(), point.count()))
                .collect();
            assert_eq!(points, [(vec![format!("/{number}")], 3)]);
        }
    }
}

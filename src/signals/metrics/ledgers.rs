//! A ledger for each program: its instruments in the books of all readers, and what its processes count.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::metrics::Temporality;

use super::cells::Counters;
use super::data::Collected;
use super::histograms::{Histogram, Telling};
use super::instruments::Instruments;
use super::readers::{self, Shared};
use super::streams::{Shaping, Views};
use super::user::User;
use crate::config::ExemplarFilter;
use crate::conventions::catalog::PROCESS_UPTIME;
use crate::host::{Attributes, Point};
use crate::resource::{Programs, Source};

/// How long all callbacks of all processes may take. One that takes longer is left behind by its process before.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a reader wants to read.
pub(super) struct Plan {
    pub(super) temporality: Temporality,
    /// Of what the SDK keeps.
    pub(super) shaping: Shaping,
    /// Of what programs add up themselves.
    pub(super) of_programs: Shaping,
}

/// What is kept of one program.
pub(super) struct Ledger {
    source: Source,
    pub(super) instruments: Instruments,
    pub(super) counters: Counters,
    pub(super) user: User,
    /// As many as there are readers.
    reads: Vec<(Shared, Telling)>,
    /// As they were when they were last refreshed.
    histograms: Vec<Histogram>,
}

/// All of them.
pub(super) struct Ledgers {
    plans: Vec<Plan>,
    views: Views,
    exemplars: ExemplarFilter,
    all: Vec<Ledger>,
}

impl Ledgers {
    pub(super) fn new(plans: Vec<Plan>, views: Views, exemplars: ExemplarFilter) -> Ledgers {
        Ledgers { plans, views, exemplars, all: Vec::new() }
    }

    /// The ledger of a program.
    pub(super) fn of(&mut self, source: &Source) -> &mut Ledger {
        let known = self.all.iter().position(|ledger| ledger.source == *source);
        let index = known.unwrap_or_else(|| {
            self.all.push(Ledger::new(source.clone(), &self.plans, &self.views, self.exemplars));
            self.all.len() - 1
        });
        &mut self.all[index]
    }

    /// Whether nothing has been counted yet.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every ledger.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ledger> {
        self.all.iter_mut()
    }

    /// Has callbacks run where there are any, and waits for them a little.
    pub(super) fn ask(&self) {
        let deadline = Instant::now() + PATIENCE;
        let asked: Vec<_> = self.all.iter().flat_map(|ledger| ledger.user.ask()).collect();
        // Who is late answers before it is asked again.
        asked.iter().for_each(|(table, question)| _ = table.wait(*question, deadline));
    }

    /// Brings all up to date. What was `found` of the kernel's belongs to the program that it is about, or to what was
    /// launched.
    pub(super) fn refresh(&mut self, found: &[Point], programs: &mut Programs) {
        let is_others = |point: &Point| point.program.is_none();
        let launched = (self.all.is_empty() || found.iter().any(is_others)).then(|| programs.launched());
        if let Some(launched) = &launched {
            self.of(launched);
        }
        let launched = launched.map(|launched| launched.number());
        for ledger in &mut self.all {
            let number = Some(ledger.source.number());
            ledger.instruments.read(&mut ledger.counters);
            ledger.instruments.observe(&merged(found.iter().filter(|point| point.program.or(launched) == number)));
            ledger.histograms = ledger.user.read(&ledger.instruments);
        }
    }

    /// What a reader reads, by program. Exemplars are told that have come `since`.
    pub(super) fn collect(&mut self, reader: usize, since: SystemTime) -> Vec<Collected> {
        let collected = self.all.iter_mut().filter_map(|ledger| {
            let (reads, telling) = ledger.reads.get_mut(reader)?;
            Some(Collected {
                program: ledger.source.label(),
                metrics: reads.all(),
                histograms: telling.tell(&ledger.histograms),
                exemplars: ledger.instruments.exemplars().since(since),
            })
        });
        collected.collect()
    }
}

/// Points of one series are one: of processes of one name some may report and others not.
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
    fn new(source: Source, plans: &[Plan], views: &Views, exemplars: ExemplarFilter) -> Ledger {
        let (mut reads, mut providers) = (Vec::new(), Vec::new());
        for plan in plans {
            let shared = Shared::new(plan.temporality);
            providers.push(readers::provider(shared.clone(), source.resource().clone(), plan.shaping.clone()));
            reads.push((shared, Telling::new(plan.of_programs.clone(), plan.temporality)));
        }
        let instruments = Instruments::new(providers, views.clone(), exemplars);
        let (counters, user) = (Counters::default(), User::default());
        Ledger { source, instruments, counters, user, reads, histograms: Vec::new() }
    }
}

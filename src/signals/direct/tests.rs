//! What is encoded directly is what the SDK's way makes of the same records, message by message.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;

use super::*;
use crate::bounds::budget::Budget;
use crate::config::{LogLimits, SpanLimits};
use crate::conventions::{self, Settings};
use crate::records::assemble::{Assembler, FinishedSpan, LogsInSpans};
use crate::records::record::make::{self, Given};
use crate::records::record::{LogHeader, SpanStart};
use crate::resource::Source;
use crate::resource::testing::source;
use crate::signals::logs::LogMaker;
use crate::signals::sourced::Sourced;
use crate::signals::traces::data::data;
use crate::signals::{logs as log_signal, traces};
use crate::wire::{Domain, ProcessId, key, kind, value};

const DOMAINS: [Domain; 8] = [
    Domain::HttpServer,
    Domain::HttpClient,
    Domain::Database,
    Domain::RpcServer,
    Domain::RpcClient,
    Domain::Messaging,
    Domain::Faas,
    Domain::Internal,
];

/// Texts that the conventions, the limits and the redaction treat in different ways.
const TEXTS: [&[u8]; 30] = [
    b"",
    b"GET",
    b"BREW",
    b"/orders/7;sid=hunter2",
    b"/orders/{id}",
    b"a=1&token=hunter2",
    b"http",
    b"HTTPS",
    b"http://u:hunter2@127.0.0.1:3001/stock/7?api_key=hunter2",
    b"not a url",
    b"shop.test:3000",
    b"[::1]:8080",
    b"for=\"[2001:db8::1]:4711\";proto=https;host=a.test, for=b",
    b"10.0.0.9, 10.0.0.10",
    b"443",
    b"curl/8",
    b"postgresql",
    b"SELECT * FROM orders WHERE note = 'hunter2' AND id = $1; DELETE FROM t",
    b"HMSET h f1 hunter2",
    b"Duplicate entry 'ada@example.com' for key 'email'",
    b"timeout",
    b"password=hunter2",
    b"grpc",
    b"NOT_FOUND",
    b"arn:aws:lambda:eu-west-1:123456789012:function:shop:live",
    b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    b"=malformed",
    b"\xff\xfe not UTF-8",
    "t€xt of s€v€ral byt€s".as_bytes(),
    b"2",
];
const NAMES: [&str; 14] = [
    "a",
    "order.id",
    "api_key",
    "otp",
    "http.route",
    "db.system.name",
    "t€xt",
    "error",
    "err",
    "level",
    "target",
    "tenant",
    "exception.type",
    "exception.message",
];
const BAGGAGE: [&[u8]; 3] = [
    b"tenant=t\xe2\x82\xacn%20ant,user.id=7;p=1,other=1,order.id=token%3Dhunter2",
    b"tenant=zoo,user.password=hunter2,user.=%ff,error=%e2%82%acx,http.route=/%7Bid%7D",
    b"malformed,=",
];
const NUMBERS: [i64; 12] = [0, 1, -1, 2, 3, 5, 200, 404, 503, 65_536, i64::MAX, i64::MIN];

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }
}

/// A fact, owned.
struct Owned(u16, &'static str, u8, Vec<u8>);

impl Owned {
    fn given(&self) -> Given<'_> {
        Given::Raw(self.0, self.1, self.2, &self.3)
    }
}

fn item(random: &mut Random, kinds: &[u8]) -> (u8, Vec<u8>) {
    let kind = random.of(kinds);
    let bytes = match kind {
        value::STR => random.of(&TEXTS).to_vec(),
        value::INT => random.of(&NUMBERS).to_le_bytes().to_vec(),
        value::FLOAT => random.of(&[0.0, -0.0, 1.5, f64::MAX, -1e-300]).to_le_bytes().to_vec(),
        value::BOOL => vec![u8::from(random.below(2) == 0)],
        _ => {
            let mut list = Vec::new();
            let mixed = random.below(2) == 0;
            let first = random.of(&[value::STR, value::INT, value::FLOAT, value::BOOL]);
            for _ in 0..random.below(4) {
                let kinds = if mixed { vec![value::STR, value::INT, value::FLOAT, value::BOOL] } else { vec![first] };
                let (kind, bytes) = item(random, &kinds);
                list.push(kind);
                list.extend((bytes.len() as u32).to_le_bytes());
                list.extend(bytes);
            }
            list
        }
    };
    (kind, bytes)
}

/// Facts under any keys, most often of the type that they have.
fn facts(random: &mut Random, keys: &[u16], most: usize) -> Vec<Owned> {
    let all = [value::STR, value::STR, value::STR, value::INT, value::INT, value::FLOAT, value::BOOL, value::LIST];
    let count = random.below(most);
    let one = |_| {
        let key = random.of(keys);
        let is_named = matches!(key, key::NAMED | key::HTTP_REQUEST_HEADER | key::HTTP_RESPONSE_HEADER);
        let name = if is_named { random.of(&NAMES) } else { "" };
        let (kind, bytes) = item(random, &all);
        Owned(key, name, kind, bytes)
    };
    (0..count).map(one).collect()
}

fn given(facts: &[Owned]) -> Vec<Given<'_>> {
    facts.iter().map(Owned::given).collect()
}

/// Patterns of entries that become attributes.
fn baggage(random: &mut Random) -> Vec<String> {
    let patterns: &[&str] = random.of(&[&[], &["tenant", "user.*"], &["*"]]);
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

/// Sometimes one more fact, of that key, which is text or a number.
fn sometimes(random: &mut Random, facts: &mut Vec<Owned>, key: u16, values: &[&[u8]]) {
    if random.below(4) == 0 {
        let kind = if key == key::SPAN_STATUS { value::INT } else { value::STR };
        facts.push(Owned(key, "", kind, random.of(values).to_vec()));
    }
}

fn log(random: &mut Random, time: u64) -> LogHeader {
    LogHeader {
        trace: random.of(&[[0; 16], [1; 16]]),
        span: random.of(&[[0; 8], [2; 8]]),
        time,
        scope: random.of(&[0, 4]),
        flags: random.of(&[0, 1]),
        severity: random.below(27) as u8,
        left_out: random.of(&[0, 3]),
    }
}

/// What log records may hold.
fn log_facts(random: &mut Random) -> Vec<Owned> {
    let keys: Vec<u16> = [key::LOG_BODY, key::LOG_TARGET, key::CODE_FILE, key::CODE_LINE, key::SCOPE]
        .into_iter()
        .chain(std::iter::repeat_n(key::NAMED, 8))
        .collect();
    let mut all = facts(random, &keys, 9);
    sometimes(random, &mut all, key::BAGGAGE, &BAGGAGE);
    all
}

fn all_keys() -> Vec<u16> {
    let named = std::iter::repeat_n(key::NAMED, 30);
    // Those that the table of keys has, and some that it has not.
    (1..130).chain(named).chain([key::HTTP_REQUEST_HEADER, key::HTTP_RESPONSE_HEADER]).collect()
}

/// The records of a span of any kind.
fn records(random: &mut Random, number: u64) -> Vec<u8> {
    let keys = all_keys();
    let span = (number + 1).to_be_bytes();
    let start = SpanStart {
        trace: random.of(&[[1; 16], [0xab; 16], [0; 16]]),
        span,
        parent: random.of(&[[0; 8], [9; 8]]),
        time: random.next() >> 2,
        scope: random.of(&[0, 4, 8]),
        domain: random.of(&DOMAINS) as u8,
        flags: random.of(&[0, 1, 3]),
        parent_remote: random.below(2) == 0,
    };
    let mut more = facts(random, &keys, 14);
    let states = [b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".as_slice(), b"=malformed", b""];
    sometimes(random, &mut more, key::TRACE_STATE, &states);
    sometimes(random, &mut more, key::BAGGAGE, &BAGGAGE);
    let mut all = make::start(&start, &given(&more));
    for _ in 0..random.below(4) {
        let kind = random.of(&[kind::SPAN_UPDATE, kind::SPAN_EVENT, kind::SPAN_LINK]);
        let mut own = facts(random, &keys, 6);
        if kind == kind::SPAN_LINK {
            let mut linked = vec![7; 26];
            linked[16..24].fill(random.of(&[0, 5]));
            linked[24..].copy_from_slice(&[random.of(&[0, 1]), random.of(&[0, 1])]);
            own.push(Owned(key::LINKED, "", value::STR, linked));
        }
        let time = start.time + random.below(1000) as u64;
        all.extend(make::span(kind, span, time, &given(&own)));
    }
    if random.below(2) == 0 {
        let header = LogHeader { trace: start.trace, span, flags: start.flags, ..log(random, start.time) };
        all.extend(make::log(&header, &given(&log_facts(random))));
    }
    let mut more = facts(random, &keys, 8);
    let statuses = [1_i64, 2, 3].map(i64::to_le_bytes);
    sometimes(random, &mut more, key::SPAN_STATUS, &[&statuses[0], &statuses[1], &statuses[2]]);
    all.extend(make::span(kind::SPAN_END, span, start.time + random.below(10_000) as u64, &given(&more)));
    all
}

fn scopes(id: u32) -> Option<Vec<u8>> {
    let name = if id == 4 { "hyper" } else { "sqlx-core" };
    Some(format!("otel-rs:layer:1|{name}|1.6.0|0.1.0|\n").into_bytes())
}

/// The spans in records of several programs. Log records are events of theirs.
fn finished(sources: &[Source], random: &mut Random, count: u64) -> Vec<FinishedSpan> {
    let in_spans = LogsInSpans { fields: false, events: true };
    let mut assembler = Assembler::new(&Budget::new(640_000_000), in_spans);
    let mut all = Vec::new();
    for (number, source) in (1..).zip(sources) {
        assembler.attach(ProcessId(number), source.clone(), Box::new(scopes));
    }
    for number in 0..count {
        let process = ProcessId(1 + random.below(sources.len()) as u32);
        assembler.records(process, &records(random, number)).unwrap();
    }
    for number in 1..=sources.len() as u32 {
        (0..2).for_each(|_| assembler.pass(ProcessId(number), &mut all));
    }
    for span in &mut all {
        span.cut = (random.below(10) == 0).then(|| "SIGKILL".to_owned());
    }
    all
}

fn span_limits(random: &mut Random) -> SpanLimits {
    let mut limit = || random.of(&[0, 1, 2, 128, 128, 128]);
    SpanLimits {
        attributes: limit(),
        events: limit(),
        links: limit(),
        event_attributes: limit(),
        link_attributes: limit(),
        value_length: random.of(&[None, None, Some(0), Some(3)]),
    }
}

/// Both requests, the scopes of each program in one order: the SDK's has none.
fn sorted(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    let name = |scope: &proto::ScopeSpans| format!("{:?} {}", scope.scope, scope.schema_url);
    request.resource_spans.iter_mut().for_each(|program| program.scope_spans.sort_by_key(name));
    request.resource_spans.sort_by_key(|program| format!("{:?}", program.resource));
    request
}

#[test]
fn spans_are_those_of_the_sdk() {
    let (sources, settings) = ([source(0, "one"), source(1, "other")], Settings::default());
    let mut random = Random(1);
    let mut batch = EncodedBatch::default();
    let mut seen = [0; 7];
    for _ in 0..40 {
        let (limits, patterns) = (span_limits(&mut random), baggage(&mut random));
        let mut whole = Vec::new();
        for finished in finished(&sources, &mut random, 50) {
            let facts = finished.facts();
            let describe = || {
                let cut = finished.cut.as_deref();
                let mut described = conventions::describe(finished.start.domain, &facts, cut, &settings);
                let entries = conventions::baggage(&facts, &patterns);
                entries.into_iter().for_each(|(key, value)| described.add(key, value));
                described
            };
            let expected = data(&finished, &facts, describe(), &limits);
            let mut message = Vec::new();
            span(&mut message, &finished, &facts, &mut describe(), &limits);
            let decoded = proto::Span::decode(message.as_slice()).unwrap();
            assert_eq!(decoded, proto::Span::from(expected.clone()), "{limits:?}");
            assert_eq!(message.len(), decoded.encoded_len(), "nothing is written that need not be");
            let has = |attributes: &[KeyValue], name| attributes.iter().any(|attribute| attribute.key == name);
            seen[0] += decoded.events.len();
            seen[1] += decoded.links.len();
            seen[2] += usize::from(!decoded.trace_state.is_empty());
            let status = decoded.status.unwrap_or_default();
            seen[3] += usize::from(!status.message.is_empty());
            seen[4] += usize::from(status.code == proto::status::StatusCode::Ok as i32);
            let is_entry = |attribute: &KeyValue| attribute.key.starts_with("user.");
            seen[5] += usize::from(decoded.attributes.iter().any(is_entry));
            seen[6] += decoded.events.iter().filter(|event| has(&event.attributes, "level")).count();
            batch.add(&EncodedItem { source: &finished.source, scope: &finished.scope, message: &message });
            whole.push(Sourced { source: finished.source.clone(), item: expected });
        }
        let decoded = ExportTraceServiceRequest::decode(batch.take().as_slice()).unwrap();
        assert_eq!(sorted(decoded), sorted(traces::request(whole)));
    }
    assert!(seen.iter().all(|seen| *seen > 50), "{seen:?}");
}

#[test]
fn log_records_are_those_of_the_sdk() {
    let (one, mut random) = (source(0, "one"), Random(2));
    let mut batch = EncodedBatch::default();
    let mut seen = [0; 2];
    for round in 0..60 {
        let limits = LogLimits {
            attributes: random.of(&[0, 1, 128, 128]),
            value_length: random.of(&[None, None, Some(0), Some(3)]),
        };
        let in_spans = LogsInSpans { fields: random.below(2) == 0, events: false };
        let mut assembler = Assembler::new(&Budget::new(64_000_000), in_spans);
        assembler.attach(ProcessId(1), one.clone(), Box::new(scopes));
        let domain = Domain::Internal as u8;
        let (parent, parent_remote) = ([0; 8], false);
        let around =
            SpanStart { trace: [1; 16], span: [2; 8], parent, time: 1, scope: 0, domain, flags: 1, parent_remote };
        let mut fields = facts(&mut random, &[key::NAMED], 6);
        fields.push(Owned(key::NAMED, "target", value::STR, b"shop".to_vec()));
        fields.push(Owned(key::NAMED, "cart", value::STR, b"password=hunter2".to_vec()));
        assembler.records(ProcessId(1), &make::start(&around, &given(&fields))).unwrap();
        for number in 0..50 {
            let time = random.of(&[0, round * 100 + number]);
            let (header, facts) = (log(&mut random, time), log_facts(&mut random));
            assembler.records(ProcessId(1), &make::log(&header, &given(&facts))).unwrap();
        }
        (0..2).for_each(|_| assembler.pass(ProcessId(1), &mut Vec::new()));
        assert_eq!(assembler.logged.len(), 50);
        let patterns = baggage(&mut random);
        let (mut encoder, maker) = (LogEncoder::new(limits, patterns.clone()), LogMaker::new(limits, patterns));
        let mut whole = Vec::new();
        for logged in &assembler.logged {
            let (scope, message) = encoder.encode(logged);
            batch.add(&EncodedItem { source: &logged.source, scope: &scope, message });
            whole.push(maker.make(logged));
        }
        let mut unobserved = |mut request: ExportLogsServiceRequest| {
            let scopes = request.resource_logs.iter_mut().flat_map(|program| &mut program.scope_logs);
            for record in scopes.flat_map(|scope| &mut scope.log_records) {
                assert_ne!(record.observed_time_unix_nano, 0);
                record.observed_time_unix_nano = 0;
                let has = |name| record.attributes.iter().any(|attribute| attribute.key == name);
                seen[0] += usize::from(has("user.id"));
                seen[1] += usize::from(has("cart"));
            }
            request.resource_logs.iter_mut().for_each(|program| {
                program.scope_logs.sort_by_key(|scope| format!("{:?} {}", scope.scope, scope.schema_url));
            });
            request
        };
        let decoded = ExportLogsServiceRequest::decode(batch.take().as_slice()).unwrap();
        assert_eq!(unobserved(decoded), unobserved(log_signal::request(whole)));
    }
    assert!(seen.iter().all(|seen| *seen > 50), "{seen:?}");
}

#[test]
fn a_batch_without_items_is_empty_and_many_scopes_are_forgotten() {
    let (one, mut batch) = (source(0, "one"), EncodedBatch::default());
    assert!(batch.take().is_empty());
    for round in 0..3 {
        for number in 0..300 {
            let scope = opentelemetry::InstrumentationScope::builder(format!("{round} {number}")).build();
            batch.add(&EncodedItem { source: &one, scope: &std::sync::Arc::new(scope), message: &[] });
        }
        let decoded = ExportTraceServiceRequest::decode(batch.take().as_slice()).unwrap();
        let scopes = &decoded.resource_spans[0].scope_spans;
        assert_eq!((scopes.len(), scopes[0].spans.len()), (300, 1));
    }
}

//! Fake processes on a channel that is drained.

use std::path::PathBuf;
use std::time::Instant;

use super::super::feed::{self, BUDGET, Receiver};
use super::super::testing::{self, FakeRegion, connect};
use super::super::{Channel, ChannelDirectory, wire};
use super::*;

struct Bench {
    _folder: tempfile::TempDir,
    _place: ChannelDirectory,
    socket: (PathBuf, Vec<u8>),
    draining: Draining,
    receiver: Receiver,
}

fn bench() -> Bench {
    let place = tempfile::tempdir().unwrap();
    let channel = Channel::open(Some(place.path())).unwrap();
    let socket = testing::place(&channel.variable("").into_string().unwrap());
    let (sender, receiver) = feed::queue();
    let (listening, at) = channel.split();
    let draining = listening.drain(sender).unwrap();
    Bench { _folder: place, _place: at, socket, draining, receiver }
}

impl Bench {
    fn attach(&self, fake: &FakeRegion) -> UnixStream {
        connect(&self.socket, wire::VERSION, 0, Some(&fake.sealed()))
    }

    fn next(&mut self) -> Feed {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match self.receiver.try_recv() {
                Some(feed) => return feed,
                None if Instant::now() > deadline => panic!("nothing came"),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn rest(&mut self) -> Vec<Feed> {
        std::iter::from_fn(|| Some(self.next()).filter(|feed| !matches!(feed, Feed::Closed))).collect()
    }
}

#[test]
fn records_written_before_the_end_are_sent_before_closed() {
    let mut bench = bench();
    let mut fake = FakeRegion::new();
    let _socket = bench.attach(&fake);
    assert!(matches!(bench.next(), Feed::Attached { pid, .. } if pid == std::process::id()));
    fake.record(0, 64, 1);
    fake.record(1, 128, 2);
    fake.dropped(1, 7);
    bench.draining.finish();
    let rest = bench.rest();
    let bytes: usize =
        rest.iter().map(|feed| if let Feed::Records { bytes, .. } = feed { bytes.len() } else { 0 }).sum();
    assert_eq!(bytes, 64 + 128);
    assert!(matches!(rest.last(), Some(Feed::Exited { dropped: 7, .. })), "{rest:?}");
}

#[test]
fn a_process_that_exited_before_the_first_drain_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    let channel = Channel::open(Some(place.path())).unwrap();
    let mut fake = FakeRegion::new();
    fake.record(0, 64, 1);
    let socket = testing::place(&channel.variable("").into_string().unwrap());
    drop(connect(&socket, wire::VERSION, 0, Some(&fake.sealed())));
    let (sender, receiver) = feed::queue();
    let (listening, at) = channel.split();
    let mut draining = listening.drain(sender).unwrap();
    draining.finish();
    let mut bench = Bench { _folder: place, _place: at, socket, draining, receiver };
    let rest = bench.rest();
    let whole = matches!(rest[..], [Feed::Attached { .. }, Feed::Records { .. }, .., Feed::Exited { .. }]);
    assert!(whole, "{rest:?}");
}

#[test]
fn the_doorbell_wakes_the_draining_thread_before_its_turn() {
    let mut bench = bench();
    let mut fake = FakeRegion::new();
    let mut socket = bench.attach(&fake);
    bench.next();
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            fake.record(0, 64, 1);
            let before = Instant::now();
            io::Write::write_all(&mut socket, b"!").unwrap();
            while !matches!(bench.next(), Feed::Records { .. }) {}
            before.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[2] < Duration::from_millis(50), "{times:?}");
}

#[test]
fn a_corrupt_region_is_given_up_and_the_others_are_read() {
    let mut bench = bench();
    let (mut bad, mut good) = (FakeRegion::new(), FakeRegion::new());
    let _sockets = (bench.attach(&bad), bench.attach(&good));
    let (Feed::Attached { process: first, .. }, Feed::Attached { process: second, .. }) = (bench.next(), bench.next())
    else {
        panic!("two processes")
    };
    // Both come from this very process, so the first may count as ended already; its bytes decide.
    bad.bytes(0, &[9; 16]);
    good.record(0, 64, 1);
    bench.draining.finish();
    let rest = bench.rest();
    let from = |sender| rest.iter().any(|feed| matches!(feed, Feed::Records { process, .. } if *process == sender));
    assert!(!from(first) && from(second), "{rest:?}");
}

#[test]
fn processes_that_cannot_attach_are_reported_with_the_cause() {
    let mut bench = bench();
    let fake = FakeRegion::new();
    let _sockets = [
        connect(&bench.socket, 99, 0, Some(&fake.sealed())),
        connect(&bench.socket, wire::VERSION, 12, None),
        connect(&bench.socket, wire::VERSION, 0, None),
    ];
    let mut reasons: Vec<_> = (0..3)
        .map(|_| match bench.next() {
            Feed::Poisoned { reason, .. } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    reasons.sort();
    assert!(reasons[0].contains("no room for shared memory: ENOMEM"), "{reasons:?}");
    assert!(reasons[1].contains(&format!("wire version 99, expected {}", wire::VERSION)), "{reasons:?}");
    assert!(reasons[2].contains("first message"), "{reasons:?}");
}

#[test]
fn a_process_without_the_token_is_not_read() {
    let mut bench = bench();
    let mut fake = FakeRegion::new();
    fake.record(0, 64, 1);
    let mut stranger = bench.socket.clone();
    stranger.1[15] ^= 1;
    let _socket = connect(&stranger, wire::VERSION, 0, Some(&fake.sealed()));
    assert!(matches!(bench.next(), Feed::Poisoned { reason, .. } if reason.contains("token")));
    bench.draining.finish();
    assert!(bench.rest().is_empty());
}

#[test]
fn a_second_region_of_one_process_does_not_end_the_first() {
    let mut bench = bench();
    let (mut first, mut second) = (FakeRegion::new(), FakeRegion::new());
    let held = Region::map(first.sealed()).unwrap();
    let _sockets = (bench.attach(&first), bench.attach(&second));
    let (Feed::Attached { .. }, Feed::Attached { .. }) = (bench.next(), bench.next()) else { panic!("two regions") };
    first.record(0, 64, 1);
    second.record(0, 64, 2);
    assert!(matches!(bench.next(), Feed::Records { .. }));
    bench.draining.finish();
    let records = bench.rest().iter().filter(|feed| matches!(feed, Feed::Records { .. })).count();
    assert_eq!((records, bench.draining.tally().left_behind.load(Relaxed)), (1, 2));
    drop(held);
}

#[test]
fn hundreds_of_processes_are_all_read() {
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let (_, hard) = nix::sys::resource::getrlimit(limit).unwrap();
    nix::sys::resource::setrlimit(limit, hard, hard).unwrap();
    let mut bench = bench();
    let fakes: Vec<_> = (0..300).map(|_| FakeRegion::new()).collect();
    let sockets: Vec<_> = fakes.iter().map(|fake| bench.attach(fake)).collect();
    let attached = (0..300).filter(|_| matches!(bench.next(), Feed::Attached { .. })).count();
    assert_eq!((attached, bench.draining.tally().refused.load(Relaxed)), (300, 0));
    drop(sockets);
}

#[test]
fn a_full_queue_leaves_the_records_in_the_ring() {
    let mut bench = bench();
    let (sender, receiver) = feed::queue();
    sender.records(ProcessId(0), vec![0; BUDGET]);
    let mut fake = FakeRegion::new();
    fake.record(0, 64, 1);
    let region = Arc::new(Region::map(fake.sealed()).unwrap());
    let peer = Peer::new(bench.attach(&fake));
    bench.next();
    let mut process = AttachedProcess {
        id: ProcessId(1),
        peer,
        doorbell: true,
        region,
        tails: vec![0; 2],
        ended: false,
        busy: false,
        checks: 0,
        checked: 0,
        filtered: false,
    };
    assert_eq!(process.empty_rings(&sender), Ok(false));
    drop(receiver);
    assert_eq!(process.empty_rings(&sender), Ok(true));
    assert_eq!(process.tails, [64, 0]);
}

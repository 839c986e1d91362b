//! Metrics of the machine, against the values of the kernel and what was done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{major, minor};

use super::measured;
use crate::launcher::{program, state, until};
use crate::support::Otlp;
use crate::support::definition::Definition;
use crate::support::metrics::{Metrics, Series};
use crate::support::model::Value;

const MIB: usize = 1 << 20;
const FILES: usize = 17;
/// Bytes that are held in shared memory.
const SHARED: usize = 64 * MIB;
const CHILDREN: usize = 20;

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The numbers of the line that begins with this word.
fn line(text: &str, word: &str) -> Vec<f64> {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(word));
    let found = found.unwrap_or_else(|| panic!("no {word} in:\n{text}"));
    found.split([' ', '\t', ':']).filter_map(|number| number.parse().ok()).collect()
}

/// What the kernel has counted since the machine's start.
struct Kernel {
    net: String,
    vm: String,
    stat: String,
    disks: String,
}

impl Kernel {
    fn now() -> Kernel {
        let [net, vm, stat, disks] = ["/proc/net/dev", "/proc/vmstat", "/proc/stat", "/proc/diskstats"].map(text);
        Kernel { net, vm, stat, disks }
    }

    /// Numbers of a disk: reads, merged, sectors, ms; the same of writes; in progress, ms in all.
    fn disk(&self, name: &str) -> Vec<f64> {
        let mut lines = self.disks.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        let found = lines.find(|fields| fields[2] == name).unwrap_or_else(|| panic!("no {name}"));
        found[3..].iter().map(|number| number.parse().unwrap()).collect()
    }
}

/// A whole disk that is used, and stands on no other.
fn disks() -> BTreeSet<String> {
    let names = text("/proc/diskstats");
    let names = names.lines().filter_map(|line| line.split_ascii_whitespace().nth(2).map(str::to_owned));
    let is_whole = |name: &String| {
        let folder = std::path::Path::new("/sys/block").join(name);
        let slaves = std::fs::read_dir(folder.join("slaves")).map_or(0, Iterator::count);
        folder.exists() && slaves == 0 && !folder.join("loop/backing_file").exists()
    };
    let is_used = |name: &String| {
        let numbers = Kernel::now().disk(name);
        numbers[0] + numbers[4] > 0.0
    };
    names.filter(is_whole).filter(is_used).collect()
}

/// The disk that a file lies on, if it lies on one.
fn disk_of(file: &std::fs::File) -> Option<String> {
    let device = file.metadata().unwrap().dev();
    let folder = std::fs::canonicalize(format!("/sys/dev/block/{}:{}", major(device), minor(device))).ok()?;
    let disks = disks();
    folder.iter().map(|part| part.to_string_lossy().into_owned()).find(|part| disks.contains(part))
}

/// The mount that a file lies on: device and place.
fn mount_of(file: &std::fs::File) -> (String, String) {
    let device = file.metadata().unwrap().dev();
    let numbers = format!("{}:{}", major(device), minor(device));
    let mounts = text("/proc/self/mountinfo");
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&numbers)).expect("a mount");
    let (place, source) = mount.split_once(" - ").expect("fields");
    (source.split(' ').nth(1).expect("a source").to_owned(), place.split(' ').nth(4).expect("a place").to_owned())
}

/// What was exported, by the value of one attribute.
fn by(metrics: &Metrics, name: &str, attribute: &str, with: &[(&str, Value)]) -> BTreeMap<String, f64> {
    let key = |series: &Series| match series.attributes.get(attribute) {
        Some(Value::Str(text)) => text.clone(),
        other => panic!("{series}: {other:?}"),
    };
    metrics.all(name, with).iter().map(|series| (key(series), series.value())).collect()
}

#[track_caller]
fn near(exported: f64, kernel: f64, tolerance: f64) {
    assert!(
        (exported - kernel).abs() <= tolerance * kernel.abs().max(1.0),
        "{exported} was exported, {kernel} is true"
    );
}

/// Things that are there for as long as this is.
struct Made {
    zombie: Child,
    stopped: Child,
    listener: TcpListener,
    stream: TcpStream,
    _udp: UdpSocket,
    locked: Vec<std::fs::File>,
    _shared: std::fs::File,
}

impl Made {
    fn new() -> Made {
        let zombie = Command::new("true").spawn().unwrap();
        let stopped = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = |child: &Child| nix::unistd::Pid::from_raw(child.id() as i32);
        kill(pid(&stopped), Signal::SIGSTOP).unwrap();
        until("one is a zombie", || state(pid(&zombie)) == Some('Z'));
        until("one is stopped", || state(pid(&stopped)) == Some('T'));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let lock = |_| {
            let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            file.lock().unwrap();
            file
        };
        let locked = (0..FILES).map(lock).collect();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut shared = tempfile::tempfile_in("/dev/shm").unwrap();
        shared.write_all(&vec![1; SHARED]).unwrap();
        Made { zombie, stopped, listener, stream, _udp: udp, locked, _shared: shared }
    }

    /// Sends bytes over `lo`, writes as many to a disk, starts processes.
    fn work(&mut self, file: &mut std::fs::File) {
        let bytes = vec![1; 4 * MIB];
        let (mut other, _) = self.listener.accept().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| self.stream.write_all(&bytes).unwrap());
            other.read_exact(&mut vec![0; 4 * MIB]).unwrap();
        });
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
        for _ in 0..CHILDREN {
            assert!(Command::new("true").status().unwrap().success());
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = self.stopped.kill();
        let _ = self.stopped.wait();
        let _ = self.zombie.wait();
    }
}

#[test]
fn the_metrics_of_the_machine_equal_those_of_the_kernel() {
    let otlp = Otlp::start();
    let mut made = Made::new();
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let before = Kernel::now();
    let mut command = measured(program("uses_up"), &otlp);
    command.env("OTEL_RS_HOST_METRICS", "system").args(["cpu=250", "wait"]);
    let mut launcher = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(launcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
    made.work(&mut file);
    drop(launcher.stdin.take());
    assert!(launcher.wait().unwrap().success());
    let after = Kernel::now();
    let metrics = otlp.metrics();
    assert!(metrics.all("process.cpu.time", &[]).is_empty(), "only the machine was configured");

    let memory = text("/proc/meminfo");
    let has = |file: &str| std::path::Path::new("/sys/devices/system/cpu/cpu0").join(file).exists();
    let has_frequency = text("/proc/cpuinfo").contains("cpu MHz") || has("cpufreq/scaling_cur_freq");
    let there = [
        (text("/proc/swaps").lines().count() > 1, "system.paging.u*", "there is no swap"),
        (has_frequency, "system.cpu.frequency", "the kernel does not say"),
        (has("topology/core_id"), "system.cpu.physical.count", "the kernel does not say"),
        (memory.contains("HugePages_Total"), "system.memory.linux.hugepages.*", "the kernel has none"),
        (!disks().is_empty(), "system.disk.*", "there is no disk"),
    ];
    let missing: Vec<_> = there.iter().filter(|(is_there, ..)| !is_there).map(|(_, name, why)| (*name, *why)).collect();
    let definition = Definition::of("system");
    definition.check(&metrics, &missing);
    definition.check_attributes(&metrics, &[]);

    cpu(&metrics, &after);
    held_memory(&metrics, &memory);
    swapped(&metrics, &before, &after);
    disk(&metrics, &before, &after, disk_of(&file));
    file_systems(&metrics, &made);
    network(&metrics, &before, &after);
    processes(&metrics, &before, &after);
}

fn cpu(metrics: &Metrics, kernel: &Kernel) {
    let numbers =
        kernel.stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count() as f64;
    assert_eq!(metrics.require("system.cpu.logical.count", &[]).value(), numbers);
    let cores = metrics.all("system.cpu.physical.count", &[]);
    assert!(cores.iter().all(|cores| (1.0..=numbers).contains(&cores.value())), "{metrics}");
    let times = by(metrics, "system.cpu.time", "cpu.mode", &[]);
    let modes = ["idle", "interrupt", "iowait", "nice", "steal", "system", "user"];
    assert_eq!(times.keys().map(String::as_str).collect::<Vec<_>>(), modes);
    // Counted from the start of the program, of which it used a quarter of a second itself.
    let used = times["user"] + times["nice"];
    assert!((0.2..600.0 * numbers).contains(&used), "{times:?}");
    let shares = by(metrics, "system.cpu.utilization", "cpu.mode", &[]);
    near(shares.values().sum(), 1.0, 0.001);
    let frequencies = metrics.all("system.cpu.frequency", &[]);
    assert!(frequencies.is_empty() || frequencies.len() as f64 == numbers, "{metrics}");
    for (number, megahertz) in text("/proc/cpuinfo").lines().filter(|line| line.starts_with("cpu MHz")).enumerate() {
        let exported =
            metrics.require("system.cpu.frequency", &[("cpu.logical_number", (number as i32).into())]).value();
        near(exported, line(megahertz, "cpu MHz")[0] * 1e6, 0.9);
    }
    let now = line(&text("/proc/uptime"), "")[0];
    assert!((0.0..60.0).contains(&(now - metrics.require("system.uptime", &[]).value())), "{now}");
}

fn held_memory(metrics: &Metrics, kernel: &str) {
    let known = |name: &str| line(kernel, name)[0] * 1024.0;
    let one = |name: &str| metrics.require(name, &[]).value();
    let total = known("MemTotal:");
    assert_eq!(one("system.memory.limit"), total);
    let states = by(metrics, "system.memory.usage", "system.memory.state", &[]);
    assert_eq!(states.keys().collect::<Vec<_>>(), ["buffers", "cached", "free", "used"]);
    near(states.values().sum(), total, 0.001);
    near(states["free"], known("MemFree:"), 0.5);
    for (state, share) in by(metrics, "system.memory.utilization", "system.memory.state", &[]) {
        near(share, states[&state] / total, 0.001);
    }
    near(one("system.memory.linux.available"), known("MemAvailable:"), 0.3);
    // Regions of other tests come and go.
    assert!((SHARED as f64..known("Shmem:") + f64::from(1 << 30)).contains(&one("system.memory.linux.shared")));
    let slab = by(metrics, "system.memory.linux.slab.usage", "system.memory.linux.slab.state", &[]);
    near(slab["reclaimable"], known("SReclaimable:"), 0.3);
    near(slab["unreclaimable"], known("SUnreclaim:"), 0.3);
    if kernel.contains("HugePages_Total") {
        let count = |name: &str| line(kernel, name)[0];
        let all = count("HugePages_Total:");
        assert_eq!(one("system.memory.linux.hugepages.limit"), all);
        assert_eq!(one("system.memory.linux.hugepages.page_size"), known("Hugepagesize:"));
        assert_eq!(one("system.memory.linux.hugepages.reserved"), count("HugePages_Rsvd:"));
        assert_eq!(one("system.memory.linux.hugepages.surplus"), count("HugePages_Surp:"));
        let usage = by(metrics, "system.memory.linux.hugepages.usage", "system.memory.linux.hugepages.state", &[]);
        assert_eq!(usage["free"], count("HugePages_Free:"));
        assert_eq!(usage["used"], all - usage["free"]);
    }
}

/// What the kernel has counted in between, of which a known part at the least was caused here.
#[track_caller]
fn counted(exported: f64, least: usize, before: f64, after: f64) {
    assert!((least as f64..=after - before).contains(&exported), "{exported}, not {least} to {}", after - before);
}

fn swapped(metrics: &Metrics, before: &Kernel, after: &Kernel) {
    let vm = |name: &str| [&before.vm, &after.vm].map(|kernel| line(kernel, &format!("{name} "))[0]);
    let faults = by(metrics, "system.paging.faults", "system.paging.fault.type", &[]);
    let [all_before, all_after] = vm("pgfault");
    // A process that is started faults its pages in.
    counted(faults["minor"] + faults["major"], CHILDREN * 10, all_before, all_after);
    let [major_before, major_after] = vm("pgmajfault");
    counted(faults["major"], 0, major_before, major_after);
    let operations = by(metrics, "system.paging.operations", "system.paging.direction", &[]);
    for (direction, name) in [("in", "pswpin"), ("out", "pswpout")] {
        let [before, after] = vm(name);
        counted(operations[direction], 0, before, after);
    }
    for swap in text("/proc/swaps").lines().skip(1) {
        let fields: Vec<&str> = swap.split_ascii_whitespace().collect();
        let device = [("system.device", Value::from(fields[0]))];
        let usage = by(metrics, "system.paging.usage", "system.paging.state", &device);
        let size = fields[2].parse::<f64>().unwrap() * 1024.0;
        near(usage["used"] + usage["free"], size, 0.0);
        let shares = by(metrics, "system.paging.utilization", "system.paging.state", &device);
        near(shares["used"], usage["used"] / size, 0.001);
    }
}

fn disk(metrics: &Metrics, before: &Kernel, after: &Kernel, written: Option<String>) {
    let of = |disk: &str| vec![("system.device", Value::from(disk))];
    let exported: BTreeSet<String> = by(metrics, "system.disk.limit", "system.device", &[]).into_keys().collect();
    assert_eq!(exported, disks());
    for disk in &exported {
        let (kernel, later) = (before.disk(disk), after.disk(disk));
        let sectors: f64 = text(&format!("/sys/block/{disk}/size")).trim().parse().unwrap();
        assert_eq!(metrics.require("system.disk.limit", &of(disk)).value(), sectors * 512.0);
        let ways = |name: &str| by(metrics, name, "disk.io.direction", &of(disk));
        for (direction, from) in [("read", 0), ("write", 4)] {
            let least = if direction == "write" && written.as_ref() == Some(disk) { 4 * MIB } else { 0 };
            let number = |index: usize, factor: f64| (kernel[from + index] * factor, later[from + index] * factor);
            for (name, least, (before, after)) in [
                ("system.disk.operations", least.min(1), number(0, 1.0)),
                ("system.disk.merged", 0, number(1, 1.0)),
                ("system.disk.io", least, number(2, 512.0)),
                ("system.disk.operation_time", 0, number(3, 1e-3)),
            ] {
                counted(ways(name)[direction], least, before, after + 1e-9);
            }
        }
        let busy = metrics.require("system.disk.io_time", &of(disk)).value();
        counted(busy, 0, kernel[9] / 1e3, later[9] / 1e3 + 1e-9);
    }
}

fn file_systems(metrics: &Metrics, made: &Made) {
    let (device, place) = mount_of(&made.locked[0]);
    let room = nix::sys::statvfs::statvfs(place.as_str()).unwrap();
    let all = (room.blocks() * room.fragment_size()) as f64;
    let at = [("system.filesystem.mountpoint", Value::from(&place)), ("system.device", Value::from(&device))];
    assert_eq!(metrics.require("system.filesystem.limit", &at).value(), all);
    let states = by(metrics, "system.filesystem.usage", "system.filesystem.state", &at);
    assert_eq!(states.keys().collect::<Vec<_>>(), ["free", "reserved", "used"]);
    near(states.values().sum(), all, 1e-9);
    near(states["free"], (room.blocks_available() * room.fragment_size()) as f64, 0.2);
    for (state, share) in by(metrics, "system.filesystem.utilization", "system.filesystem.state", &at) {
        near(share, states[&state] / all, 1e-9);
    }
    let mode = metrics.require("system.filesystem.limit", &at).attributes["system.filesystem.mode"].clone();
    assert_eq!(mode, "rw".into(), "we have written to it");

    let kind = |name, value: &'static str| (name, Value::from(value));
    let held = [
        kind("file.lock.mechanism", "FLOCK"),
        kind("file.lock.mode", "ADVISORY"),
        kind("file.lock.type", "write"),
        ("system.device", Value::from(&device)),
    ];
    let locks = metrics.require("system.filesystem.lock.count", &held).value();
    assert!((FILES as f64..FILES as f64 + 200.0).contains(&locks), "{locks}");
}

fn network(metrics: &Metrics, before: &Kernel, after: &Kernel) {
    let (kernel, later) = (line(&before.net, "lo:"), line(&after.net, "lo:"));
    for (direction, from) in [("receive", 0), ("transmit", 8)] {
        let direction = ("network.io.direction", Value::from(direction));
        for (name, interface, index, least) in [
            ("system.network.io", "network.interface.name", 0, 4 * MIB),
            ("system.network.packet.count", "system.device", 1, 4 * MIB / (1 << 16)),
            ("system.network.errors", "network.interface.name", 2, 0),
            ("system.network.packet.dropped", "network.interface.name", 3, 0),
        ] {
            let exported = metrics.require(name, &[(interface, "lo".into()), direction.clone()]).value();
            counted(exported, least, kernel[from + index], later[from + index]);
        }
    }
    let connections = |transport: &str, state: Option<&str>| {
        let state = state.map(|state| ("network.connection.state", Value::from(state)));
        let with: Vec<_> = state.into_iter().chain([("network.transport", Value::from(transport))]).collect();
        metrics.require("system.network.connection.count", &with).value()
    };
    assert!(connections("tcp", Some("listen")) >= 1.0 && connections("tcp", Some("established")) >= 2.0, "{metrics}");
    assert!(connections("udp", None) >= 1.0, "{metrics}");
}

fn processes(metrics: &Metrics, before: &Kernel, after: &Kernel) {
    let created = metrics.require("system.process.created", &[]).value();
    counted(created, CHILDREN, line(&before.stat, "processes")[0], line(&after.stat, "processes")[0]);
    let states = by(metrics, "system.process.count", "process.state", &[]);
    assert!(states["defunct"] >= 1.0 && states["stopped"] >= 1.0 && states["sleeping"] >= 2.0, "{states:?}");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).count();
    near(states.values().sum(), all as f64, 0.5);
}

use super::*;
use std::time::Duration;

fn seen(pid: u32, parent: u32, name: &str, own: u64, waited_for: u64) -> Seen {
    let mut seen = Seen { pid, parent, started: u64::from(pid), name: Some(name.into()), ..Seen::default() };
    seen.own[used::USER] = own;
    seen.waited_for[used::USER] = waited_for;
    seen.held = Some(Held { memory: Some(100), threads: Some(1), uptime: Some(own as f64), ..Held::default() });
    seen
}

fn accounts() -> Accounts {
    Accounts::new("app".into(), false, 2, Instant::now())
}

fn user(accounts: &Accounts) -> Vec<(&str, u64)> {
    accounts.totals.iter().map(|(who, total)| (who.name.as_str(), total.used[used::USER])).collect()
}

#[test]
fn sums_do_not_fall_when_children_come_and_go() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 10, 0), seen(2, 1, "worker", 5, 0)]);
    assert_eq!(user(&accounts), [("app", 10), ("worker", 5)]);
    // The worker has used 3 more and has ended; the kernel has added its 8 to the app.
    accounts.update(1, &[seen(1, 0, "app", 12, 8), seen(3, 1, "worker", 1, 0)]);
    assert_eq!(user(&accounts), [("app", 15), ("worker", 6)]);
    // A child that no scan ever saw.
    accounts.update(1, &[seen(1, 0, "app", 12, 18), seen(3, 1, "worker", 2, 0)]);
    assert_eq!(user(&accounts), [("app", 25), ("worker", 7)]);
    accounts.finalize(1, &[12 + 18 + 4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(user(&accounts), [("app", 29), ("worker", 7)]);
}

#[test]
fn usage_of_ended_grandchildren_goes_to_the_remaining_ancestor() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 0, 0), seen(2, 1, "sh", 1, 0), seen(3, 2, "cc", 50, 0)]);
    // Both have ended: cc used 60, the shell 2 of its own.
    accounts.update(1, &[seen(1, 0, "app", 0, 62)]);
    assert_eq!(user(&accounts), [("app", 11), ("cc", 50), ("sh", 1)]);
}

#[test]
fn a_child_that_ends_during_a_scan_is_not_counted_twice() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 10, 0), seen(2, 1, "worker", 5, 0)]);
    // The app was read before the worker ended, the worker's file was gone.
    accounts.update(1, &[seen(1, 0, "app", 10, 0)]);
    assert_eq!(user(&accounts), [("app", 10), ("worker", 5)]);
    accounts.update(1, &[seen(1, 0, "app", 10, 5)]);
    assert_eq!(user(&accounts), [("app", 10), ("worker", 5)]);
}

#[test]
fn an_orphan_is_followed_and_not_counted_for_its_parent() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 10, 0), seen(2, 1, "daemon", 5, 0)]);
    accounts.update(1, &[seen(1, 0, "app", 10, 0), seen(2, 99, "daemon", 9, 0)]);
    accounts.update(1, &[seen(1, 0, "app", 13, 0)]);
    assert_eq!(user(&accounts), [("app", 13), ("daemon", 9)]);
}

#[test]
fn a_reused_pid_is_a_new_process() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 10, 0), seen(2, 1, "worker", 50, 0)]);
    let reused = Seen { started: 777, ..seen(2, 1, "worker", 3, 0) };
    accounts.update(1, &[seen(1, 0, "app", 10, 50), reused]);
    assert_eq!(user(&accounts), [("app", 10), ("worker", 53)]);
}

#[test]
fn bytes_of_ended_children_are_counted_in_their_parent() {
    let mut accounts = accounts();
    let disk = |seen: Seen, bytes| Seen { disk: Some([bytes, 0]), ..seen };
    accounts.update(1, &[disk(seen(1, 0, "app", 0, 0), 100), disk(seen(2, 1, "worker", 0, 0), 30)]);
    accounts.update(1, &[disk(seen(1, 0, "app", 0, 0), 135)]);
    let read: Vec<_> = accounts.totals.values().map(|total| total.used[used::READ]).collect();
    assert_eq!(read, [105, 30]);
}

#[test]
fn unreadable_values_are_left_out_until_the_kernel_accounts_for_them() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 0, 0)]);
    assert!(values(&mut accounts, &metric::PROCESS_DISK_IO).is_empty());
    assert!(values(&mut accounts, &metric::PROCESS_CONTEXT_SWITCHES).is_empty());
    assert_eq!(values(&mut accounts, &metric::PROCESS_CPU_TIME).len(), 2);
    accounts.end(1, 0, Duration::ZERO);
    accounts.finalize(1, &[0, 0, 0, 0, 4096, 8192, 5, 6]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_DISK_IO), [4096.0, 8192.0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_CONTEXT_SWITCHES), [5.0, 6.0]);
}

#[test]
fn threads_that_have_ended_keep_their_context_switches() {
    let mut accounts = accounts();
    let switching = |switches: &[(u32, [u64; 2])]| Seen { switches: switches.to_vec(), ..seen(1, 0, "app", 0, 0) };
    accounts.update(1, &[switching(&[(1, [5, 1]), (2, [100, 10])])]);
    accounts.update(1, &[switching(&[(1, [6, 1]), (3, [1, 0])])]);
    let total = accounts.totals.values().next().unwrap().used;
    assert_eq!((total[used::VOLUNTARY], total[used::INVOLUNTARY]), (107, 11));
}

/// Values of a metric, by name.
fn values(accounts: &mut Accounts, metric: &'static metric::Metric) -> Vec<f64> {
    let points = accounts.points(Instant::now());
    points.iter().filter(|point| point.metric == metric).map(|point| point.value).collect()
}

#[test]
fn ended_children_hold_no_memory() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 0, 0), seen(2, 1, "worker", 0, 0), seen(3, 1, "worker", 0, 0)]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [100.0, 200.0]);
    let zombie = Seen { held: None, ..seen(2, 1, "worker", 0, 0) };
    accounts.update(1, &[seen(1, 0, "app", 0, 0), zombie]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [100.0]);
}

#[test]
fn the_last_sample_of_the_program_is_exported() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 5, 0), seen(2, 1, "worker", 0, 0), seen(3, 1, "app", 0, 0)]);
    // A zombie whose parent has not waited for it yet.
    accounts.update(1, &[Seen { name: None, held: None, ..seen(1, 0, "", 6, 0) }]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [100.0]);
    // A process of the same name was left behind.
    accounts.end(1, 7000, Duration::from_secs(9));
    accounts.update(1, &[seen(3, 99, "app", 0, 0)]);
    accounts.finalize(1, &[7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [200.0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_THREAD_COUNT), [2.0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_UPTIME), [9.0]);
    assert_eq!(user(&accounts), [("app", 7), ("worker", 0)]);
}

#[test]
fn a_program_without_a_sample_has_its_peak_memory() {
    let mut accounts = accounts();
    accounts.end(1, 7000, Duration::from_millis(2));
    accounts.update(1, &[]);
    accounts.finalize(1, &[7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [7000.0]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_UPTIME), [0.002]);
    assert!(values(&mut accounts, &metric::PROCESS_THREAD_COUNT).is_empty(), "nobody knows");
}

#[test]
fn uptime_is_that_of_the_oldest() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "app", 9, 0), seen(2, 1, "worker", 5, 0), seen(3, 1, "worker", 7, 0)]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_UPTIME), [9.0, 7.0]);
}

#[test]
fn utilization_is_a_share_of_all_cpus() {
    let mut accounts = accounts();
    let start = accounts.before.1;
    accounts.update(1, &[seen(1, 0, "app", 0, 0)]);
    accounts.points(start + Duration::from_secs(1));
    accounts.update(1, &[seen(1, 0, "app", 500_000, 0)]);
    let points = accounts.points(start + Duration::from_secs(2));
    let busy = points.iter().filter(|point| point.metric == &metric::PROCESS_CPU_UTILIZATION);
    assert_eq!(busy.map(|point| point.value).collect::<Vec<_>>(), [0.25, 0.0]);
    // Too soon for another.
    let again = accounts.points(start + Duration::from_millis(2050));
    assert_eq!(again, points);
}

#[test]
fn names_beyond_the_limit_share_a_series() {
    let mut accounts = accounts();
    let many: Vec<Seen> = (0..200).map(|pid| seen(pid + 1, 0, &format!("build-{pid}"), 1, 0)).collect();
    accounts.update(1, &many);
    assert_eq!(accounts.totals.len(), MAX_NAMES + 1);
    assert_eq!(user(&accounts)[0], (OTHER, 100));
}

#[test]
fn processes_of_one_name_have_series_by_pid_if_configured() {
    let mut accounts = Accounts { by_pid: true, ..accounts() };
    let workers = [seen(1, 0, "app", 1, 0), seen(2, 1, "worker", 5, 0), seen(3, 1, "worker", 7, 0)];
    accounts.update(1, &workers);
    accounts.update(1, &workers[..2]);
    let of = |accounts: &Accounts| -> Vec<(Option<u32>, u64)> {
        accounts.totals.iter().map(|(who, total)| (who.pid, total.used[used::USER])).collect()
    };
    assert_eq!(of(&accounts), [(Some(1), 1), (Some(2), 5), (Some(3), 7)]);
    assert_eq!(values(&mut accounts, &metric::PROCESS_MEMORY_USAGE), [100.0, 100.0]);
    let points = accounts.points(Instant::now());
    assert!(points.iter().all(|point| point.attributes.iter().any(|(key, _)| *key == key::PROCESS_PID)), "{points:?}");
    // Those that come when there are too many already share a series.
    let many: Vec<Seen> = (0..600).map(|pid| seen(pid + 10, 1, "worker", 1, 0)).collect();
    accounts.update(1, &many);
    assert_eq!(accounts.totals.len(), MAX_PIDS + 1);
    assert_eq!(of(&accounts).iter().find(|(pid, _)| pid.is_none()), Some(&(None, 603 - MAX_PIDS as u64)));
}

fn by_program(accounts: &Accounts) -> Vec<(Option<usize>, &str, u64)> {
    let totals = accounts.totals.iter();
    totals.map(|(who, total)| (who.program, who.name.as_str(), total.used[used::USER])).collect()
}

#[test]
fn usage_before_a_program_reports_is_its_own() {
    let mut accounts = accounts();
    accounts.update(1, &[seen(1, 0, "sh", 10, 0), seen(2, 1, "shop", 5, 0), seen(3, 1, "shop", 2, 0)]);
    let points = accounts.points(Instant::now() + Duration::from_secs(1));
    assert!(points.iter().all(|point| point.program.is_none()));
    // One worker ended before its program was known.
    accounts.update(1, &[seen(1, 0, "sh", 10, 2), seen(2, 1, "shop", 6, 0)]);
    accounts.adopt("shop", 7);
    assert_eq!(by_program(&accounts), [(None, "sh", 10), (Some(7), "shop", 8)]);
    let worker = Seen { program: Some(7), ..seen(2, 1, "shop", 9, 0) };
    accounts.update(1, &[seen(1, 0, "sh", 10, 2), worker]);
    assert_eq!(by_program(&accounts), [(None, "sh", 10), (Some(7), "shop", 11)]);
    let name = |point: &Point| point.attributes.contains(&(key::PROCESS_EXECUTABLE_NAME, "shop".into()));
    let points = accounts.points(Instant::now() + Duration::from_secs(2));
    assert!(points.iter().all(|point| point.program == name(point).then_some(7)), "{points:?}");
}

#[test]
fn programs_of_one_name_keep_their_own_processes() {
    let mut accounts = accounts();
    let seen = |pid, program, own| Seen { program, ..seen(pid, 1, "shop", own, 0) };
    accounts.update(1, &[seen(2, None, 5), seen(3, None, 7)]);
    accounts.update(1, &[seen(2, Some(0), 6), seen(3, None, 8)]);
    assert_eq!(by_program(&accounts), [(None, "shop", 8), (Some(0), "shop", 6)]);
    accounts.update(1, &[seen(2, Some(0), 6), seen(3, Some(1), 9)]);
    assert_eq!(by_program(&accounts), [(Some(0), "shop", 6), (Some(1), "shop", 9)]);
}

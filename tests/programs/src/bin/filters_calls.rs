//! Forbids itself all system calls that it does not need, on pain of death (seccomp), and only then writes the spans 0 to
//! 5299: on its first thread, on one that it had before and on one that it starts. It forks a child that writes, too.

use std::sync::mpsc;
use std::time::Duration;

use nix::libc;
use otel_rs_test_programs::write_span;

/// What std and the C library need for memory, threads and sleep. Nothing that opens, connects or sends.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_gettid,
    libc::SYS_sched_getaffinity,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_wait4,
];

fn main() {
    let (start, started) = mpsc::channel::<()>();
    let earlier = std::thread::spawn(move || {
        started.recv().expect("a start");
        (100..200).for_each(write_span);
    });
    forbid();
    (0..100).for_each(write_span);
    start.send(()).expect("a thread");
    earlier.join().expect("spans");
    std::thread::spawn(|| (200..300).for_each(write_span)).join().expect("spans");
    // The launcher looks at a process ten times a second.
    std::thread::sleep(Duration::from_secs(2));
    // More than half a ring, which is when the launcher is woken.
    (300..5300).for_each(write_span);
    let ((), sockets) = otel_rs_hooks::net::watch(|| otel_rs_hooks::net::using(0));
    println!("peer {:?}", sockets.peer());
    // SAFETY: a copy of this process, which has one thread; it ends without running anything of ours.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    if child == 0 {
        (0..1000).for_each(|number| write_span(1_000_000 + number));
        // SAFETY: takes a number.
        unsafe { libc::syscall(libc::SYS_exit_group, 0) };
    }
    let mut status = -1;
    // SAFETY: the status lives through the call.
    unsafe { libc::syscall(libc::SYS_wait4, child, &mut status, 0, 0) };
    println!("child {status}");
}

fn forbid() {
    let filter = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, equal, give) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let mut program = vec![filter(load, 0, 0, 0)];
    for call in ALLOWED {
        program.push(filter(equal, 0, 1, *call as u32));
        program.push(filter(give, 0, 0, libc::SECCOMP_RET_ALLOW));
    }
    program.push(filter(give, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program lives through the call.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC, &program)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

//! The metrics of processes and of the machine: one definition for the instruments and for the pages of the docs.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

/// A metric of the semantic conventions.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Metric {
    pub(in crate::telemetry) name: &'static str,
    pub(in crate::telemetry) kind: Kind,
    pub(in crate::telemetry) unit: &'static str,
    pub(in crate::telemetry) description: &'static str,
    attributes: &'static [&'static str],
    question: &'static str,
}

/// What kind of instrument tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Kind {
    Counter,
    UpDownCounter,
    Gauge,
}

impl Metric {
    /// Whether its values have fractions: seconds and shares have, bytes and counts have not.
    pub(in crate::telemetry) fn is_fractional(&self) -> bool {
        matches!(self.unit, "s" | "1")
    }
}

macro_rules! metrics {
    ($list:ident $($metric:ident $kind:ident $unit:literal [$($key:ident)*] $description:literal $question:literal;)*) => {
        $(pub(in crate::telemetry) static $metric: Metric = Metric {
            name: name::$metric,
            kind: Kind::$kind,
            unit: $unit,
            description: $description,
            attributes: &[$(key::$key),*],
            question: $question,
        };)*
        #[cfg(test)]
        pub(super) static $list: &[&Metric] = &[$(&$metric),*];
    };
}

metrics! { PROCESS
    PROCESS_CPU_TIME Counter "s" [PROCESS_EXECUTABLE_NAME CPU_MODE]
        "Total CPU seconds broken down by different CPU modes."
        "How much CPU has the service used?";
    PROCESS_CPU_UTILIZATION Gauge "1" [PROCESS_EXECUTABLE_NAME CPU_MODE]
        "Difference in process.cpu.time since the last measurement, divided by the elapsed time and number of CPUs available to the process."
        "How busy is it now?";
    PROCESS_MEMORY_USAGE UpDownCounter "By" [PROCESS_EXECUTABLE_NAME]
        "The amount of physical memory in use."
        "How much memory is it using?";
    PROCESS_MEMORY_VIRTUAL UpDownCounter "By" [PROCESS_EXECUTABLE_NAME]
        "The amount of committed virtual memory."
        "How much memory has it asked for?";
    PROCESS_DISK_IO Counter "By" [PROCESS_EXECUTABLE_NAME DISK_IO_DIRECTION]
        "Disk bytes transferred."
        "How much does it read from and write to disks?";
    PROCESS_THREAD_COUNT UpDownCounter "{thread}" [PROCESS_EXECUTABLE_NAME]
        "Process threads count."
        "How many threads are active?";
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT UpDownCounter "{file_descriptor}" [PROCESS_EXECUTABLE_NAME]
        "Number of unix file descriptors in use by the process."
        "Does it leak files or sockets?";
    PROCESS_CONTEXT_SWITCHES Counter "{context_switch}" [PROCESS_EXECUTABLE_NAME PROCESS_CONTEXT_SWITCH_TYPE]
        "Number of times the process has been context switched."
        "Does it wait (voluntary), or is it kept from running (involuntary)?";
    PROCESS_PAGING_FAULTS Counter "{fault}" [PROCESS_EXECUTABLE_NAME SYSTEM_PAGING_FAULT_TYPE]
        "Number of page faults the process has made."
        "Does it wait for memory to be read from disk (major)?";
    PROCESS_UPTIME Gauge "s" [PROCESS_EXECUTABLE_NAME]
        "The time the process has been running."
        "How long has it been running? When did it restart?";
}

metrics! { SYSTEM
    SYSTEM_CPU_TIME Counter "s" [CPU_MODE]
        "Seconds each logical CPU spent on each mode."
        "What does the machine spend its CPU on?";
    SYSTEM_CPU_UTILIZATION Gauge "1" [CPU_MODE]
        "For each logical CPU, the utilization is calculated as the change in cumulative CPU time (cpu.time) over a measurement interval, divided by the elapsed time."
        "How busy is the machine now?";
    SYSTEM_CPU_LOGICAL_COUNT UpDownCounter "{cpu}" []
        "Reports the number of logical (virtual) processor cores created by the operating system to manage multitasking."
        "How many threads can run at once?";
    SYSTEM_CPU_PHYSICAL_COUNT UpDownCounter "{cpu}" []
        "Reports the number of actual physical processor cores on the hardware."
        "How many cores are there?";
    SYSTEM_CPU_FREQUENCY Gauge "Hz" [CPU_LOGICAL_NUMBER]
        "Operating frequency of the logical CPU in Hertz."
        "Is the CPU slowed down?";
    SYSTEM_MEMORY_USAGE UpDownCounter "By" [SYSTEM_MEMORY_STATE]
        "Reports memory in use by state."
        "What is the machine's memory used for?";
    SYSTEM_MEMORY_UTILIZATION Gauge "1" [SYSTEM_MEMORY_STATE]
        "Percentage of memory bytes in use."
        "How full is it?";
    SYSTEM_MEMORY_LIMIT UpDownCounter "By" []
        "Total virtual memory available in the system."
        "How much memory is there?";
    SYSTEM_MEMORY_LINUX_AVAILABLE UpDownCounter "By" []
        "An estimate of how much memory is available for starting new applications, without causing swapping."
        "How much more would fit?";
    SYSTEM_MEMORY_LINUX_SHARED UpDownCounter "By" []
        "Shared memory used (mostly by tmpfs)."
        "How much do memory file systems and shared memory take?";
    SYSTEM_MEMORY_LINUX_SLAB_USAGE UpDownCounter "By" [SYSTEM_MEMORY_LINUX_SLAB_STATE]
        "Reports the memory used by the Linux kernel for managing caches of frequently used objects."
        "How much does the kernel take for itself?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_LIMIT UpDownCounter "{page}" []
        "Total number of hugepages available."
        "How many huge pages are set aside?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_PAGE_SIZE UpDownCounter "By" []
        "System hugepage size in bytes."
        "How large is one?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_RESERVED UpDownCounter "{page}" []
        "Number of reserved hugepages."
        "How many are promised to somebody?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_SURPLUS UpDownCounter "{page}" []
        "Number of surplus hugepages."
        "How many were made beyond those set aside?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_USAGE UpDownCounter "{page}" [SYSTEM_MEMORY_LINUX_HUGEPAGES_STATE]
        "Number of hugepages in use by state."
        "How many are in use?";
    SYSTEM_PAGING_USAGE UpDownCounter "By" [SYSTEM_DEVICE SYSTEM_PAGING_STATE]
        "Unix swap or windows pagefile usage."
        "How much swap is in use?";
    SYSTEM_PAGING_UTILIZATION Gauge "1" [SYSTEM_DEVICE SYSTEM_PAGING_STATE]
        "Swap (unix) or pagefile (windows) utilization."
        "How full is it?";
    SYSTEM_PAGING_FAULTS Counter "{fault}" [SYSTEM_PAGING_FAULT_TYPE]
        "The number of page faults."
        "Do programs wait for their memory?";
    SYSTEM_PAGING_OPERATIONS Counter "{operation}" [SYSTEM_PAGING_DIRECTION]
        "The number of paging operations."
        "Is the machine swapping?";
    SYSTEM_DISK_IO Counter "By" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Disk bytes transferred."
        "How much is read and written?";
    SYSTEM_DISK_OPERATIONS Counter "{operation}" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Disk operations count."
        "In how many operations?";
    SYSTEM_DISK_MERGED Counter "{operation}" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "The number of disk reads/writes merged into single physical disk access operations."
        "How many were put together?";
    SYSTEM_DISK_OPERATION_TIME Counter "s" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Sum of the time each operation took to complete."
        "How long does an operation take?";
    SYSTEM_DISK_IO_TIME Counter "s" [SYSTEM_DEVICE]
        "Time disk spent activated."
        "How busy is the disk?";
    SYSTEM_DISK_LIMIT UpDownCounter "By" [SYSTEM_DEVICE]
        "The total storage capacity of the disk."
        "How large is it?";
    SYSTEM_FILESYSTEM_USAGE UpDownCounter "By"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_STATE SYSTEM_FILESYSTEM_TYPE]
        "Reports a filesystem's space usage across different states."
        "How much room is left?";
    SYSTEM_FILESYSTEM_UTILIZATION Gauge "1"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_STATE SYSTEM_FILESYSTEM_TYPE]
        "Fraction of filesystem bytes used."
        "How full is it?";
    SYSTEM_FILESYSTEM_LIMIT UpDownCounter "By"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_TYPE]
        "The total storage capacity of the filesystem."
        "How large is it?";
    SYSTEM_FILESYSTEM_LOCK_COUNT UpDownCounter "{lock}" [FILE_LOCK_MECHANISM FILE_LOCK_MODE FILE_LOCK_TYPE]
        "Filesystem lock counts."
        "Who holds locks on files?";
    SYSTEM_NETWORK_IO Counter "By" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "The number of bytes transmitted and received."
        "How much goes over the network?";
    SYSTEM_NETWORK_PACKET_COUNT Counter "{packet}" [SYSTEM_DEVICE NETWORK_IO_DIRECTION]
        "The number of packets transferred."
        "In how many packets?";
    SYSTEM_NETWORK_PACKET_DROPPED Counter "{packet}" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "Count of packets that are dropped or discarded even though there was no error."
        "How many were dropped?";
    SYSTEM_NETWORK_ERRORS Counter "{error}" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "Count of network errors detected."
        "How many were damaged?";
    SYSTEM_NETWORK_CONNECTION_COUNT UpDownCounter "{connection}" [NETWORK_TRANSPORT NETWORK_CONNECTION_STATE]
        "The number of connections."
        "How many connections are open?";
    SYSTEM_PROCESS_COUNT UpDownCounter "{process}" [PROCESS_STATE]
        "Total number of processes in each state."
        "How many processes are there?";
    SYSTEM_PROCESS_CREATED Counter "{process}" []
        "Total number of processes created over uptime of the host."
        "How many are started?";
    SYSTEM_UPTIME Gauge "s" []
        "The time the system has been running."
        "When was the machine started?";
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn page(title: &str, about: &str, metrics: &[&Metric]) -> String {
        let mut text =
            format!("# {title}\n\n{about}\n\n| metric | kind | unit | attributes | which question it answers |\n");
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for metric in metrics {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::UpDownCounter => "up-down counter",
                Kind::Gauge => "gauge",
            };
            let attributes: Vec<_> = metric.attributes.iter().map(|name| format!("`{name}`")).collect();
            let (unit, attributes) = (metric.unit, attributes.join(", "));
            let _ = writeln!(text, "| `{}` | {kind} | `{unit}` | {attributes} | {} |", metric.name, metric.question);
        }
        text
    }

    #[test]
    fn the_pages_of_metrics_are_true() {
        let process = page("Metrics of processes", include_str!("process.md").trim_end(), PROCESS);
        let system = page("Metrics of the machine", include_str!("system.md").trim_end(), SYSTEM);
        for (file, expected) in [("metrics-process.md", process), ("metrics-system.md", system)] {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(file);
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&file, &expected).unwrap();
            }
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(found == expected, "{} is out of date: run this test with UPDATE_DOCS=1", file.display());
        }
    }
}

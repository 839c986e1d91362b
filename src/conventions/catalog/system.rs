//! What the launcher looks up about the machine.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

metrics! { SYSTEM
    SYSTEM_CPU_TIME Development Counter "s" [CPU_MODE]
        "Seconds each logical CPU spent on each mode."
        "What does the machine spend its CPU on?";
    SYSTEM_CPU_UTILIZATION Development Gauge "1" [CPU_MODE]
        "For each logical CPU, the utilization is calculated as the change in cumulative CPU time (cpu.time) over a measurement interval, divided by the elapsed time."
        "How busy is the machine now?";
    SYSTEM_CPU_LOGICAL_COUNT Development UpDownCounter "{cpu}" []
        "Reports the number of logical (virtual) processor cores created by the operating system to manage multitasking."
        "How many threads can run at once?";
    SYSTEM_CPU_PHYSICAL_COUNT Development UpDownCounter "{cpu}" []
        "Reports the number of actual physical processor cores on the hardware."
        "How many cores are there?";
    SYSTEM_CPU_FREQUENCY Development Gauge "Hz" [CPU_LOGICAL_NUMBER]
        "Operating frequency of the logical CPU in Hertz."
        "Is the CPU slowed down?";
    SYSTEM_MEMORY_USAGE Development UpDownCounter "By" [SYSTEM_MEMORY_STATE]
        "Reports memory in use by state."
        "What is the machine's memory used for?";
    SYSTEM_MEMORY_UTILIZATION Development Gauge "1" [SYSTEM_MEMORY_STATE]
        "Percentage of memory bytes in use."
        "How full is it?";
    SYSTEM_MEMORY_LIMIT Development UpDownCounter "By" []
        "Total virtual memory available in the system."
        "How much memory is there?";
    SYSTEM_MEMORY_LINUX_AVAILABLE Development UpDownCounter "By" []
        "An estimate of how much memory is available for starting new applications, without causing swapping."
        "How much more would fit?";
    SYSTEM_MEMORY_LINUX_SHARED Development UpDownCounter "By" []
        "Shared memory used (mostly by tmpfs)."
        "How much do memory file systems and shared memory take?";
    SYSTEM_MEMORY_LINUX_SLAB_USAGE Development UpDownCounter "By" [SYSTEM_MEMORY_LINUX_SLAB_STATE]
        "Reports the memory used by the Linux kernel for managing caches of frequently used objects."
        "How much does the kernel take for itself?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_LIMIT Development UpDownCounter "{page}" []
        "Total number of hugepages available."
        "How many huge pages are set aside?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_PAGE_SIZE Development UpDownCounter "By" []
        "System hugepage size in bytes."
        "How large is one?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_RESERVED Development UpDownCounter "{page}" []
        "Number of reserved hugepages."
        "How many are reserved and not yet in use?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_SURPLUS Development UpDownCounter "{page}" []
        "Number of surplus hugepages."
        "How many were made beyond those set aside?";
    SYSTEM_MEMORY_LINUX_HUGEPAGES_USAGE Development UpDownCounter "{page}" [SYSTEM_MEMORY_LINUX_HUGEPAGES_STATE]
        "Number of hugepages in use by state."
        "How many are in use?";
    SYSTEM_PAGING_USAGE Development UpDownCounter "By" [SYSTEM_DEVICE SYSTEM_PAGING_STATE]
        "Unix swap or windows pagefile usage."
        "How much swap is in use?";
    SYSTEM_PAGING_UTILIZATION Development Gauge "1" [SYSTEM_DEVICE SYSTEM_PAGING_STATE]
        "Swap (unix) or pagefile (windows) utilization."
        "How full is it?";
    SYSTEM_PAGING_FAULTS Development Counter "{fault}" [SYSTEM_PAGING_FAULT_TYPE]
        "The number of page faults."
        "Do programs wait for their memory?";
    SYSTEM_PAGING_OPERATIONS Development Counter "{operation}" [SYSTEM_PAGING_DIRECTION]
        "The number of paging operations."
        "Is the machine swapping?";
    SYSTEM_DISK_IO Development Counter "By" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Disk bytes transferred."
        "How much is read and written?";
    SYSTEM_DISK_OPERATIONS Development Counter "{operation}" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Disk operations count."
        "In how many operations?";
    SYSTEM_DISK_MERGED Development Counter "{operation}" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "The number of disk reads/writes merged into single physical disk access operations."
        "How many were put together?";
    SYSTEM_DISK_OPERATION_TIME Development Counter "s" [SYSTEM_DEVICE DISK_IO_DIRECTION]
        "Sum of the time each operation took to complete."
        "How long does an operation take?";
    SYSTEM_DISK_IO_TIME Development Counter "s" [SYSTEM_DEVICE]
        "Time disk spent activated."
        "How busy is the disk?";
    SYSTEM_DISK_LIMIT Development UpDownCounter "By" [SYSTEM_DEVICE]
        "The total storage capacity of the disk."
        "How large is it?";
    SYSTEM_FILESYSTEM_USAGE Development UpDownCounter "By"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_STATE SYSTEM_FILESYSTEM_TYPE]
        "Reports a filesystem's space usage across different states."
        "How much room is left?";
    SYSTEM_FILESYSTEM_UTILIZATION Development Gauge "1"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_STATE SYSTEM_FILESYSTEM_TYPE]
        "Fraction of filesystem bytes used."
        "How full is it?";
    SYSTEM_FILESYSTEM_LIMIT Development UpDownCounter "By"
        [SYSTEM_DEVICE SYSTEM_FILESYSTEM_MODE SYSTEM_FILESYSTEM_MOUNTPOINT SYSTEM_FILESYSTEM_TYPE]
        "The total storage capacity of the filesystem."
        "How large is it?";
    SYSTEM_FILESYSTEM_LOCK_COUNT Development UpDownCounter "{lock}" [SYSTEM_DEVICE FILE_LOCK_MECHANISM FILE_LOCK_MODE FILE_LOCK_TYPE]
        "Filesystem lock counts."
        "Who holds locks on files?";
    SYSTEM_NETWORK_IO Development Counter "By" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "The number of bytes transmitted and received."
        "How much goes over the network?";
    SYSTEM_NETWORK_PACKET_COUNT Development Counter "{packet}" [SYSTEM_DEVICE NETWORK_IO_DIRECTION]
        "The number of packets transferred."
        "In how many packets?";
    SYSTEM_NETWORK_PACKET_DROPPED Development Counter "{packet}" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "Count of packets that are dropped or discarded even though there was no error."
        "How many were dropped?";
    SYSTEM_NETWORK_ERRORS Development Counter "{error}" [NETWORK_INTERFACE_NAME NETWORK_IO_DIRECTION]
        "Count of network errors detected."
        "How many were damaged?";
    SYSTEM_NETWORK_CONNECTION_COUNT Development UpDownCounter "{connection}" [NETWORK_TRANSPORT NETWORK_CONNECTION_STATE]
        "The number of connections."
        "How many connections are open?";
    SYSTEM_PROCESS_COUNT Development UpDownCounter "{process}" [PROCESS_STATE]
        "Total number of processes in each state."
        "How many processes are there?";
    SYSTEM_PROCESS_CREATED Development Counter "{process}" []
        "Total number of processes created over uptime of the host."
        "How many are started?";
    SYSTEM_UPTIME Development Gauge "s" []
        "The time the system has been running."
        "When was the machine started?";
}

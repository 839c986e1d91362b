//! What the launcher looks up about processes.

use opentelemetry_semantic_conventions::{attribute as key, metric as name};

metrics! { PROCESS
    PROCESS_CPU_TIME Development Counter "s" [PROCESS_EXECUTABLE_NAME PROCESS_PID CPU_MODE]
        "Total CPU seconds broken down by different CPU modes."
        "How much CPU has the service used?";
    PROCESS_CPU_UTILIZATION Development Gauge "1" [PROCESS_EXECUTABLE_NAME PROCESS_PID CPU_MODE]
        "Difference in process.cpu.time since the last measurement, divided by the elapsed time and number of CPUs available to the process."
        "How busy is it now?";
    PROCESS_MEMORY_USAGE Development UpDownCounter "By" [PROCESS_EXECUTABLE_NAME PROCESS_PID]
        "The amount of physical memory in use."
        "How much memory is it using?";
    PROCESS_MEMORY_VIRTUAL Development UpDownCounter "By" [PROCESS_EXECUTABLE_NAME PROCESS_PID]
        "The amount of committed virtual memory."
        "How much memory has it reserved?";
    PROCESS_DISK_IO Development Counter "By" [PROCESS_EXECUTABLE_NAME PROCESS_PID DISK_IO_DIRECTION]
        "Disk bytes transferred."
        "How much does it read from and write to disks?";
    PROCESS_THREAD_COUNT Development UpDownCounter "{thread}" [PROCESS_EXECUTABLE_NAME PROCESS_PID]
        "Process threads count."
        "How many threads are active?";
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT Development UpDownCounter "{file_descriptor}" [PROCESS_EXECUTABLE_NAME PROCESS_PID]
        "Number of unix file descriptors in use by the process."
        "Does it leak files or sockets?";
    PROCESS_CONTEXT_SWITCHES Development Counter "{context_switch}" [PROCESS_EXECUTABLE_NAME PROCESS_PID PROCESS_CONTEXT_SWITCH_TYPE]
        "Number of times the process has been context switched."
        "Does it wait (voluntary), or is it kept from running (involuntary)?";
    PROCESS_PAGING_FAULTS Development Counter "{fault}" [PROCESS_EXECUTABLE_NAME PROCESS_PID SYSTEM_PAGING_FAULT_TYPE]
        "Number of page faults the process has made."
        "Does it wait for memory to be read from disk (major)?";
    PROCESS_UPTIME Development Gauge "s" [PROCESS_EXECUTABLE_NAME PROCESS_PID]
        "The time the process has been running."
        "How long has it been running? When did it restart?";
}

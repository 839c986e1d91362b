//! `host.*`: the machine, or the container that looks like one.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::container;
use super::surroundings::Surroundings;

/// Name, architecture and, outside of containers, the machine's id.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    let mut found = vec![KeyValue::new(name::HOST_ARCH, architecture())];
    if let Some(host) = around.text("/proc/sys/kernel/hostname") {
        found.push(KeyValue::new(name::HOST_NAME, host));
    }
    // The file in a container is its image's: the same for every container made of it.
    let is_contained = container::id(around).is_some();
    if let Some(id) = machine_id(around).filter(|_| !is_contained) {
        found.push(KeyValue::new(name::HOST_ID, id));
    }
    found
}

fn machine_id(around: &Surroundings<'_>) -> Option<String> {
    let files = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
    let is_id = |text: &String| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    files.iter().filter_map(|file| around.text(file)).find(is_id)
}

/// The conventions' name for what the compiler calls otherwise.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc32",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    const ID: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";

    #[test]
    fn a_host_has_a_name_and_an_id() {
        let machine =
            Machine::new().file("proc/sys/kernel/hostname", "tower\n").file("etc/machine-id", format!("{ID}\n"));
        assert_eq!(machine.detected(detect)[1..], ["host.name=tower".to_owned(), format!("host.id={ID}")]);
    }

    #[test]
    fn an_invalid_machine_id_is_left_out() {
        let machine = Machine::new().file("etc/machine-id", "uninitialized\n");
        assert_eq!(machine.detected(detect).len(), 1);
        let machine = machine.file("var/lib/dbus/machine-id", ID);
        assert_eq!(machine.detected(detect)[1], format!("host.id={ID}"));
    }

    #[test]
    fn a_container_has_no_machine_of_its_own() {
        let cgroup = format!("0::/docker/{}\n", "ab".repeat(32));
        let machine = Machine::new().file("etc/machine-id", ID).file("proc/42/cgroup", cgroup);
        assert_eq!(machine.detected(detect).len(), 1);
    }
}

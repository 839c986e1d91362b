//! `container.id`: which container the process is in, if in any.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::surroundings::Surroundings;

/// The container's id.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    id(around).map(|id| KeyValue::new(name::CONTAINER_ID, id)).into_iter().collect()
}

/// The id that runtimes leave in the names of cgroups or, where a process sees its own cgroup as the root, in the places
/// of the files that they mount.
pub(super) fn id(around: &Surroundings<'_>) -> Option<String> {
    let read = |file| around.read_of_process(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let of_cgroup = || read("cgroup")?.lines().find_map(in_cgroup);
    let of_mounts = || read("mountinfo")?.lines().find_map(in_mount);
    of_cgroup().or_else(of_mounts)
}

/// The last part of the path is `ID`, `docker-ID.scope`, `crio-ID`, `kubepods-….slice:cri-containerd:ID` and the like.
fn in_cgroup(line: &str) -> Option<String> {
    let last = line.trim_end().rsplit('/').next()?;
    let last = last.strip_suffix(".scope").unwrap_or(last);
    is_id(last.rsplit(['-', ':']).next()?)
}

/// Docker and Podman mount a container's `/etc/hostname` and the like from a folder below `containers/ID`. Outside of
/// containers such folders are seen as well, but as places that something is mounted at.
fn in_mount(line: &str) -> Option<String> {
    let mut fields = line.split(' ').skip(3);
    let (from, at) = (fields.next()?, fields.next()?);
    if !matches!(at, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") {
        return None;
    }
    let mut parts = from.split('/').skip_while(|part| !matches!(*part, "containers" | "overlay-containers"));
    parts.find_map(is_id)
}

fn is_id(text: &str) -> Option<String> {
    let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    const ID: &str = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605";

    #[test]
    fn every_runtime_s_cgroups_are_understood() {
        for path in [
            format!("13:name=systemd:/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("1:cpu:/kubepods/besteffort/pod9b5c/{ID}"),
            format!("0::/kubepods.slice/kubepods-pod9b5c.slice/cri-containerd-{ID}.scope"),
            format!("0::/kubepods.slice/kubepods-pod9b5c.slice/crio-{ID}"),
            format!("0::/system.slice/containerd.service/kubepods-pod9b5c.slice:cri-containerd:{ID}"),
            format!("0::/machine.slice/libpod-{ID}.scope"),
        ] {
            let machine = Machine::new().file("proc/42/cgroup", format!("0::/\n{path}\n"));
            assert_eq!(machine.detected(detect), [format!("container.id={ID}")], "{path}");
        }
    }

    #[test]
    fn mounts_name_the_container_where_cgroups_do_not() {
        for from in
            [format!("/var/lib/docker/containers/{ID}"), format!("/containers/overlay-containers/{ID}/userdata")]
        {
            // The pod's pause container.
            let pause =
                format!("1 2 8:1 /io.containerd.grpc.v1.cri/sandboxes/{}/hostname /etc/hosts rw", "11".repeat(32));
            let mounts = format!("{pause}\n1 2 254:1 {from}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n");
            let machine = Machine::new().file("proc/42/cgroup", "0::/\n").file("proc/42/mountinfo", mounts);
            assert_eq!(machine.detected(detect), [format!("container.id={ID}")], "{from}");
        }
    }

    #[test]
    fn a_process_outside_of_containers_has_none() {
        let machine = Machine::new().file("proc/42/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n").file(
            "proc/42/mountinfo",
            format!("1 2 0:5 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n"),
        );
        assert!(machine.detected(detect).is_empty());
    }
}

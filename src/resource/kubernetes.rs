//! `k8s.*`: the pod, as far as it is known without a query to the cluster.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::surroundings::Surroundings;

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Attributes, and the variables by which a pod's manifest usually hands them down.
const VARIABLES: [(&str, &[&str]); 8] = [
    (name::K8S_CLUSTER_NAME, &["K8S_CLUSTER_NAME"]),
    (name::K8S_NODE_NAME, &["K8S_NODE_NAME", "NODE_NAME"]),
    (name::K8S_NAMESPACE_NAME, &["K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "POD_NAMESPACE"]),
    // Kubernetes itself sets the last one.
    (name::K8S_POD_NAME, &["K8S_POD_NAME", "POD_NAME", "HOSTNAME"]),
    (name::K8S_POD_UID, &["K8S_POD_UID", "POD_UID"]),
    (name::K8S_POD_IP, &["K8S_POD_IP", "POD_IP"]),
    (name::K8S_CONTAINER_NAME, &["K8S_CONTAINER_NAME", "CONTAINER_NAME"]),
    (name::K8S_DEPLOYMENT_NAME, &["K8S_DEPLOYMENT_NAME", "DEPLOYMENT_NAME"]),
];

/// Nothing outside of a pod.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    if around.variable("KUBERNETES_SERVICE_HOST").is_none() {
        return Vec::new();
    }
    let mounted = mounted(around);
    let elsewhere = |key: &str| match key {
        name::K8S_NAMESPACE_NAME => around.text(NAMESPACE_FILE),
        name::K8S_POD_UID => mounted.as_ref().map(|(pod, _)| pod.clone()),
        name::K8S_CONTAINER_NAME => mounted.as_ref().map(|(_, container)| container.clone()),
        _ => None,
    };
    let found = VARIABLES.iter().filter_map(|(key, variables)| {
        let value = variables.iter().find_map(|variable| around.variable(variable)).or_else(|| elsewhere(key))?;
        Some(KeyValue::new(*key, value))
    });
    found.collect()
}

/// The pod's uid and the container's name: the kubelet mounts a container's termination log from
/// `pods/UID/containers/NAME/…`.
fn mounted(around: &Surroundings<'_>) -> Option<(String, String)> {
    let mounts = around.read_of_process("mountinfo")?;
    String::from_utf8_lossy(&mounts).lines().find_map(|line| {
        let (_, rest) = line.split(' ').nth(3)?.split_once("/pods/")?;
        let (pod, rest) = rest.split_once("/containers/")?;
        let (container, _) = rest.split_once('/')?;
        (!pod.contains('/')).then(|| (pod.to_owned(), container.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    #[test]
    fn a_pod_is_described_by_its_environment_and_files() {
        let log =
            "1 2 8:1 /var/lib/kubelet/pods/9b5c-uid/containers/shop/1f2e /dev/termination-log rw - ext4 /dev/sda1 rw";
        let machine = Machine::new()
            .env(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("HOSTNAME", "shop-7d"), ("NODE_NAME", "n1")])
            .file(NAMESPACE_FILE.trim_start_matches('/'), "market")
            .file("proc/42/mountinfo", format!("1 2 8:1 /hosts /etc/hosts rw\n{log}\n"));
        let expected = [
            "k8s.node.name=n1",
            "k8s.namespace.name=market",
            "k8s.pod.name=shop-7d",
            "k8s.pod.uid=9b5c-uid",
            "k8s.container.name=shop",
        ];
        assert_eq!(machine.detected(detect), expected);
        let machine = machine.env(&[("KUBERNETES_SERVICE_HOST", "h"), ("HOSTNAME", "h"), ("K8S_POD_NAME", "shop-7d")]);
        assert!(machine.detected(detect).contains(&"k8s.pod.name=shop-7d".to_owned()));
    }

    #[test]
    fn outside_of_kubernetes_there_is_no_pod() {
        assert!(Machine::new().env(&[("HOSTNAME", "laptop"), ("POD_NAME", "x")]).detected(detect).is_empty());
    }
}

//! What all telemetry of a program has in common.

use std::fmt::Write as _;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as name};

use crate::config::Config;

/// The resource of everything that is exported. What the user set wins.
pub(crate) fn of(config: &Config) -> Resource {
    let sdk = TelemetryResourceDetector.detect();
    let mut found: Vec<_> = sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    found.extend([
        KeyValue::new(name::TELEMETRY_DISTRO_NAME, "otel-rs"),
        KeyValue::new(name::TELEMETRY_DISTRO_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(name::OS_TYPE, std::env::consts::OS),
    ]);
    let read = |file: &str| fs_err::read(file).ok();
    if let Some(host) = read("/proc/sys/kernel/hostname") {
        found.push(KeyValue::new(name::HOST_NAME, String::from_utf8_lossy(&host).trim().to_owned()));
    }
    found.push(KeyValue::new(name::SERVICE_INSTANCE_ID, instance_id()));
    for (key, value) in &config.resource {
        found.retain(|kv| kv.key.as_str() != key);
        found.push(KeyValue::new(key.clone(), value.clone()));
    }
    Resource::builder_empty().with_schema_url(found, SCHEMA_URL).build()
}

/// A random UUID (version 4).
fn instance_id() -> String {
    let mut bytes = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The standard library seeds its hashers from the operating system's randomness; good enough for a name.
fn random() -> [u8; 16] {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut bytes = [0; 16];
    for half in bytes.chunks_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes()[..half.len()]);
    }
    // States of one thread differ by a counter only, so the process and the time are mixed in.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    for (byte, more) in bytes.iter_mut().zip(hasher.finish().to_le_bytes()) {
        *byte ^= more;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Key;
    use std::path::Path;

    #[test]
    fn what_the_user_set_wins() {
        let env = |name: &str| {
            (name == "OTEL_RESOURCE_ATTRIBUTES").then(|| "host.name=mine,service.name=shop,team=a%20b".to_owned())
        };
        let (config, _) = crate::config::resolve(&[], &env, Path::new("/bin/x")).unwrap();
        let resource = of(&config);
        let get = |key: &'static str| resource.get(&Key::new(key)).map(|value| value.to_string()).unwrap_or_default();
        assert_eq!((get("host.name"), get("service.name"), get("team")), ("mine".into(), "shop".into(), "a b".into()));
        assert_eq!(get("telemetry.distro.name"), "otel-rs");
        assert_eq!(resource.schema_url(), Some(SCHEMA_URL));
    }

    #[test]
    fn instance_ids_are_uuids_and_differ() {
        let (one, other) = (instance_id(), instance_id());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
    }
}

//! `cloud.*` and `faas.*`: platforms that describe themselves in the environment of a program. None is queried over the network.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_semantic_conventions::attribute as name;

use super::surroundings::Surroundings;

/// A platform, known by one of its variables.
struct Platform {
    provider: &'static str,
    /// A value of `cloud.platform`; empty for a provider that has but one.
    platform: &'static str,
    /// A variable that is set on this platform and nowhere else.
    sign: &'static str,
    /// Attributes, and the variables that hold them; the first that is set counts.
    variables: &'static [(&'static str, &'static [&'static str])],
}

/// The first that fits counts.
const PLATFORMS: &[Platform] = &[
    Platform {
        provider: "aws",
        platform: "aws_lambda",
        sign: "AWS_LAMBDA_FUNCTION_NAME",
        variables: &[
            (name::CLOUD_REGION, &["AWS_REGION", "AWS_DEFAULT_REGION"]),
            (name::FAAS_NAME, &["AWS_LAMBDA_FUNCTION_NAME"]),
            (name::FAAS_VERSION, &["AWS_LAMBDA_FUNCTION_VERSION"]),
            (name::FAAS_INSTANCE, &["AWS_LAMBDA_LOG_STREAM_NAME"]),
            (name::FAAS_MAX_MEMORY, &["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
            (name::AWS_LOG_GROUP_NAMES, &["AWS_LAMBDA_LOG_GROUP_NAME"]),
        ],
    },
    Platform {
        provider: "aws",
        platform: "aws_ecs",
        sign: "ECS_CONTAINER_METADATA_URI_V4",
        variables: &[(name::CLOUD_REGION, &["AWS_REGION", "AWS_DEFAULT_REGION"])],
    },
    Platform {
        provider: "azure",
        platform: "azure.functions",
        sign: "FUNCTIONS_WORKER_RUNTIME",
        variables: &[
            (name::CLOUD_REGION, &["REGION_NAME"]),
            (name::FAAS_NAME, &["WEBSITE_SITE_NAME"]),
            (name::FAAS_VERSION, &["FUNCTIONS_EXTENSION_VERSION"]),
            (name::FAAS_INSTANCE, &["WEBSITE_INSTANCE_ID"]),
        ],
    },
    Platform {
        provider: "azure",
        platform: "azure.app_service",
        sign: "WEBSITE_SITE_NAME",
        variables: &[(name::CLOUD_REGION, &["REGION_NAME"])],
    },
    Platform { provider: "azure", platform: "azure.container_apps", sign: "CONTAINER_APP_NAME", variables: &[] },
    Platform {
        provider: "gcp",
        platform: "gcp_cloud_functions",
        sign: "FUNCTION_TARGET",
        variables: &[(name::FAAS_NAME, &["K_SERVICE"]), (name::FAAS_VERSION, &["K_REVISION"]), GCP_PROJECT, GCP_REGION],
    },
    Platform {
        provider: "gcp",
        platform: "gcp_cloud_run",
        sign: "CLOUD_RUN_JOB",
        variables: &[
            (name::FAAS_NAME, &["CLOUD_RUN_JOB"]),
            (name::GCP_CLOUD_RUN_JOB_EXECUTION, &["CLOUD_RUN_EXECUTION"]),
            (name::GCP_CLOUD_RUN_JOB_TASK_INDEX, &["CLOUD_RUN_TASK_INDEX"]),
            GCP_PROJECT,
            GCP_REGION,
        ],
    },
    Platform {
        provider: "gcp",
        platform: "gcp_cloud_run",
        sign: "K_SERVICE",
        variables: &[(name::FAAS_NAME, &["K_SERVICE"]), (name::FAAS_VERSION, &["K_REVISION"]), GCP_PROJECT, GCP_REGION],
    },
    Platform {
        provider: "gcp",
        platform: "gcp_app_engine",
        sign: "GAE_SERVICE",
        variables: &[
            (name::FAAS_NAME, &["GAE_SERVICE"]),
            (name::FAAS_VERSION, &["GAE_VERSION"]),
            (name::FAAS_INSTANCE, &["GAE_INSTANCE"]),
            GCP_PROJECT,
        ],
    },
    Platform {
        provider: "heroku",
        platform: "",
        sign: "HEROKU_APP_ID",
        variables: &[
            (name::HEROKU_APP_ID, &["HEROKU_APP_ID"]),
            (name::HEROKU_RELEASE_COMMIT, &["HEROKU_BUILD_COMMIT", "HEROKU_SLUG_COMMIT"]),
            (name::HEROKU_RELEASE_CREATION_TIMESTAMP, &["HEROKU_RELEASE_CREATED_AT"]),
        ],
    },
];

const GCP_PROJECT: (&str, &[&str]) =
    (name::CLOUD_ACCOUNT_ID, &["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT"]);
const GCP_REGION: (&str, &[&str]) = (name::CLOUD_REGION, &["GOOGLE_CLOUD_REGION", "FUNCTION_REGION"]);

/// The attributes of the platform.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    // Knative sets the variables of Cloud Run on any cluster.
    let is_foreign =
        |platform: &&Platform| platform.sign == "K_SERVICE" && around.variable("KUBERNETES_SERVICE_HOST").is_some();
    let signed = PLATFORMS.iter().find(|platform| around.variable(platform.sign).is_some());
    let Some(platform) = signed.filter(|platform| !is_foreign(platform)) else { return Vec::new() };
    let mut found = vec![KeyValue::new(name::CLOUD_PROVIDER, platform.provider)];
    if !platform.platform.is_empty() {
        found.push(KeyValue::new(name::CLOUD_PLATFORM, platform.platform));
    }
    for (key, variables) in platform.variables {
        let text = variables.iter().find_map(|variable| around.variable(variable));
        if let Some(value) = text.and_then(|text| typed(key, text)) {
            found.push(KeyValue::new(*key, value));
        }
    }
    found
}

/// The value of an attribute: a number or a list for some of them, text for the others.
fn typed(key: &str, text: String) -> Option<Value> {
    match key {
        // The variable is in MiB.
        name::FAAS_MAX_MEMORY => Some(Value::I64(text.trim().parse::<i64>().ok()?.checked_mul(1 << 20)?)),
        name::GCP_CLOUD_RUN_JOB_TASK_INDEX => Some(Value::I64(text.trim().parse().ok()?)),
        name::AWS_LOG_GROUP_NAMES => Some(Value::Array(Array::String(vec![StringValue::from(text)]))),
        _ => Some(Value::String(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    #[test]
    fn a_lambda_function_is_described() {
        let machine = Machine::new().env(&[
            ("AWS_LAMBDA_FUNCTION_NAME", "shop"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/shop"),
            ("AWS_REGION", "eu-central-1"),
        ]);
        let expected = [
            "cloud.provider=aws",
            "cloud.platform=aws_lambda",
            "cloud.region=eu-central-1",
            "faas.name=shop",
            "faas.version=$LATEST",
            "faas.max_memory=134217728",
            r#"aws.log.group.names=["/aws/lambda/shop"]"#,
        ];
        assert_eq!(machine.detected(detect), expected);
    }

    #[test]
    fn platforms_are_recognised_by_their_variables() {
        for (sign, provider, platform) in [
            ("ECS_CONTAINER_METADATA_URI_V4", "aws", "aws_ecs"),
            ("FUNCTIONS_WORKER_RUNTIME", "azure", "azure.functions"),
            ("WEBSITE_SITE_NAME", "azure", "azure.app_service"),
            ("CONTAINER_APP_NAME", "azure", "azure.container_apps"),
            ("FUNCTION_TARGET", "gcp", "gcp_cloud_functions"),
            ("CLOUD_RUN_JOB", "gcp", "gcp_cloud_run"),
            ("K_SERVICE", "gcp", "gcp_cloud_run"),
            ("GAE_SERVICE", "gcp", "gcp_app_engine"),
        ] {
            let found = Machine::new().env(&[(sign, "x")]).detected(detect);
            assert_eq!(found[..2], [format!("cloud.provider={provider}"), format!("cloud.platform={platform}")]);
        }
        let found = Machine::new().env(&[("HEROKU_APP_ID", "x")]).detected(detect);
        assert_eq!(found, ["cloud.provider=heroku", "heroku.app.id=x"]);
    }

    #[test]
    fn variables_that_are_set_elsewhere_too_identify_no_platform() {
        for variables in [&[("AWS_REGION", "x")][..], &[("K_SERVICE", "x"), ("KUBERNETES_SERVICE_HOST", "x")]] {
            assert!(Machine::new().env(variables).detected(detect).is_empty(), "{variables:?}");
        }
    }
}

//! Invocations of functions that a cloud runs, by the conventions for FaaS and for AWS Lambda.

use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::described::Amount;
use super::{Attributes, Described, Measured, clean, error_type, status};
use crate::conventions::catalog::{FAAS_ERRORS, FAAS_INVOKE_DURATION, FAAS_TIMEOUTS};
use crate::records::facts::Facts;
use crate::records::value::FactValue;
use crate::wire::key;

/// The trigger stands in the invocation's payload, which is never read.
const TRIGGER: &str = "other";

pub(super) fn describe<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
    let mut to = Attributes::default();
    to.text(name::FAAS_TRIGGER, Some(TRIGGER));
    to.text(name::FAAS_INVOCATION_ID, facts.text(key::FAAS_INVOCATION));
    if let Some(FactValue::Bool(is_cold)) = facts.get(key::FAAS_COLDSTART) {
        to.truth(name::FAAS_COLDSTART, is_cold);
    }
    if let Some(invoked) = facts.text(key::FAAS_INVOKED).filter(|text| text.starts_with("arn:")) {
        to.text(name::CLOUD_RESOURCE_ID, Some(resource(&invoked, facts.text(key::FAAS_VERSION).as_deref())));
        let account = invoked.split(':').nth(4).filter(|account| !account.is_empty());
        to.text(name::CLOUD_ACCOUNT_ID, account.map(str::to_owned));
        to.text(name::AWS_LAMBDA_INVOKED_ARN, Some(invoked));
    }
    let error = error_type(facts, cut);
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    let lasted = Measured::duration(&FAAS_INVOKE_DURATION, to.of(&FAAS_INVOKE_DURATION));
    // The program counts its own errors, but not the one that ended it.
    let errors =
        cut.map(|_| Measured { metric: &FAAS_ERRORS, amount: Amount::Recorded(1.0), attributes: to.of(&FAAS_ERRORS) });
    let limit = facts.int(key::FAAS_TIMEOUT_MS).and_then(|limit| u64::try_from(limit).ok());
    let timeouts = limit.map(|limit| Measured {
        metric: &FAAS_TIMEOUTS,
        amount: Amount::OneIfLasted(Duration::from_millis(limit)),
        attributes: to.of(&FAAS_TIMEOUTS),
    });
    Described {
        name: clean(facts, key::SPAN_NAME).unwrap_or("function".into()).into(),
        kind: SpanKind::Server,
        status: status(facts, failed, cut),
        measured: [Some(lasted), errors, timeouts].into(),
        attributes: to.0,
    }
}

/// An ARN's function with the version that runs in place of an alias, of which it may have several.
fn resource(invoked: &str, version: Option<&str>) -> String {
    let function: Vec<&str> = invoked.splitn(8, ':').collect();
    match (function.as_slice(), version) {
        ([function @ .., _], Some(version)) if function.len() == 7 => format!("{}:{version}", function.join(":")),
        _ => invoked.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, facts, shown};
    use super::*;
    use opentelemetry::trace::Status;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

    #[test]
    fn an_invocation_has_the_attributes_of_the_conventions() {
        let alias = format!("{FUNCTION}:live");
        let recorded = [
            (key::SPAN_NAME, "shop"),
            (key::FAAS_INVOCATION, "79104EXAMPLEB723"),
            (key::FAAS_INVOKED, alias.as_str()),
            (key::FAAS_VERSION, "$LATEST"),
        ];
        let described = describe(&facts(&recorded), None);
        assert_eq!((described.name.to_string().as_str(), described.kind.clone()), ("shop", SpanKind::Server));
        assert_eq!(
            shown(&described.attributes),
            [
                &format!("aws.lambda.invoked_arn={FUNCTION}:live"),
                "cloud.account.id=123456789012",
                &format!("cloud.resource_id={FUNCTION}:$LATEST"),
                "faas.invocation_id=79104EXAMPLEB723",
                "faas.trigger=other",
            ]
        );
        assert_eq!(testing::measured(&described, 0), ["faas.trigger=other"]);
        assert_eq!(described.status, Status::Unset);
    }

    #[test]
    fn an_arn_without_an_alias_stays_and_other_text_is_left_out() {
        assert_eq!(resource(FUNCTION, Some("7")), FUNCTION);
        let described = describe(&facts(&[(key::FAAS_INVOKED, "No header found."), (key::ERROR_TYPE, "panic")]), None);
        assert_eq!(shown(&described.attributes), ["error.type=panic", "faas.trigger=other"]);
        assert!(matches!(described.status, Status::Error { .. }));
    }

    #[test]
    fn a_cut_invocation_is_an_error_and_a_long_one_a_timeout() {
        let recorded = [(key::FAAS_TIMEOUT_MS, "3000")];
        let counted = |cut, lasted_ms| -> Vec<_> {
            let described = describe(&facts(&recorded), cut);
            let counts = described.measured.iter().skip(1).filter_map(|each| {
                assert_eq!(shown(each.attributes.of(&described.attributes)), ["faas.trigger=other"]);
                Some((each.metric.name, each.value(Duration::from_millis(lasted_ms))?))
            });
            counts.collect()
        };
        assert_eq!(counted(None, 2999), []);
        assert_eq!(counted(None, 3000), [("faas.timeouts", 1.0)]);
        assert_eq!(counted(Some("SIGKILL"), 2999), [("faas.errors", 1.0)]);
        assert_eq!(counted(Some("SIGKILL"), 3001), [("faas.errors", 1.0), ("faas.timeouts", 1.0)]);
    }
}

//! What the words of bindings mean. The two kinds are told apart by how their ids begin.

use super::{Plan, with};
use crate::client::{
    args::{BindingVerb, Bound, word_of},
    mutation::{self, Mutation},
};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) fn binding(verb: BindingVerb) -> Plan {
    match verb {
        BindingVerb::Provider { resource, vendor, bound: to } => {
            let what = json!({ "resource": word_of(&resource), "vendor": word_of(&vendor) });
            bound(&mutation::PROVIDER_CREATE, what, to)
        }
        BindingVerb::Service { service, backend, bound: to } => {
            let what = json!({ "service": word_of(&service), "backend": word_of(&backend) });
            bound(&mutation::SERVICE_CREATE, what, to)
        }
        BindingVerb::Verify { binding, environment } => {
            let (mutation, input) = of((&mutation::PROVIDER_VERIFY, &mutation::SERVICE_VERIFY), &binding, &environment);
            Plan::Change(mutation, input)
        }
        BindingVerb::Rotate { binding, environment, url_file } => {
            let (mutation, input) = of((&mutation::PROVIDER_ROTATE, &mutation::SERVICE_ROTATE), &binding, &environment);
            secret(mutation, input, url_file)
        }
        BindingVerb::Disable { reasoned, binding } => {
            let (mutation, input) =
                of((&mutation::PROVIDER_DISABLE, &mutation::SERVICE_DISABLE), &binding, &reasoned.environment);
            with(mutation, input, json!({ "reason": reasoned.reason }))
        }
    }
}

fn bound(mutation: &'static Mutation, mut input: Value, to: Bound) -> Plan {
    input["environmentId"] = json!(to.environment);
    input["regionId"] = json!(to.region);
    input["sharedBecause"] = json!(to.shared_because);
    if to.without_url { Plan::Change(mutation, input) } else { secret(mutation, input, to.url_file) }
}

fn secret(mutation: &'static Mutation, input: Value, file: Option<PathBuf>) -> Plan {
    Plan::Confidential { mutation, field: "url", input, file }
}

/// The mutation for a binding of this id, and its input so far.
fn of(
    (provider, service): (&'static Mutation, &'static Mutation),
    binding: &str,
    environment: &str,
) -> (&'static Mutation, Value) {
    let (mutation, field) = if binding.starts_with("rsb_") {
        (service, "runtimeServiceBindingId")
    } else {
        (provider, "providerBindingId")
    };
    (mutation, json!({ "environmentId": environment, field: binding }))
}

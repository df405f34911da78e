//! What the words of environments, their variables and the credentials of their sources mean.

use super::{Plan, acknowledged, with};
use crate::client::{
    args::{CredentialVerb, Daily, EnvVerb, EnvironmentKind, EnvironmentVerb, Hostname, OfHost, Reasoned, word_of},
    list, mutation,
};
use serde_json::{Value, json};

pub(super) fn environment(verb: EnvironmentVerb) -> Plan {
    let hosted = |Hostname { environment, host }| json!({ "environmentId": environment, "host": host });
    let reasoned = |Reasoned { environment, reason }| json!({ "environmentId": environment, "reason": reason });
    match verb {
        EnvironmentVerb::Create { app, slug, kind, region, cell, drain_seconds, standby_seconds } => {
            let kind = match kind {
                EnvironmentKind::Preview => "PREVIEW",
                EnvironmentKind::Staging => "STAGING",
                EnvironmentKind::Production => "PRODUCTION",
            };
            Plan::Environment(json!({
                "appId": app, "slug": slug, "kind": kind, "regionId": region, "cellId": cell,
                "drainSeconds": drain_seconds, "standbySeconds": standby_seconds,
            }))
        }
        EnvironmentVerb::List { app } => Plan::List(&list::ENVIRONMENTS, Some(app)),
        EnvironmentVerb::Show { environment } => Plan::ShowEnvironment(environment),
        EnvironmentVerb::HostAttach(host) => Plan::Change(&mutation::HOST_ATTACH, hosted(host)),
        EnvironmentVerb::HostDetach(host) => Plan::Change(&mutation::HOST_DETACH, hosted(host)),
        EnvironmentVerb::DrainPolicy { environment, drain_seconds, standby_seconds } => Plan::Change(
            &mutation::DRAIN_POLICY_SET,
            json!({ "environmentId": environment, "drainSeconds": drain_seconds, "standbySeconds": standby_seconds }),
        ),
        EnvironmentVerb::Scale { environment, replicas, expected_replicas } => Plan::Change(
            &mutation::SCALE,
            json!({ "environmentId": environment, "replicas": replicas, "expectedReplicas": expected_replicas }),
        ),
        EnvironmentVerb::Sleep(why) => Plan::Change(&mutation::SLEEP, reasoned(why)),
        EnvironmentVerb::Wake(why) => Plan::Change(&mutation::WAKE, reasoned(why)),
        EnvironmentVerb::SleepPolicy { environment, after_seconds } => {
            let input = json!({ "environmentId": environment, "sleepAfterSeconds": after_seconds });
            Plan::Change(&mutation::SLEEP_POLICY_SET, input)
        }
        EnvironmentVerb::Policy { reasoned: why, approvals } => {
            with(&mutation::POLICY_SET, reasoned(why), json!({ "approvalsRequired": approvals }))
        }
        EnvironmentVerb::Residency { reasoned: why, regions } => {
            with(&mutation::RESIDENCY_SET, reasoned(why), json!({ "regionIds": regions }))
        }
        EnvironmentVerb::RegionEnable { environment, region, cell, data_topology } => {
            let data = data_topology.as_ref().map(word_of);
            let input =
                json!({ "environmentId": environment, "regionId": region, "cellId": cell, "dataTopology": data });
            Plan::Change(&mutation::REGION_ENABLE, input)
        }
        EnvironmentVerb::RegionDisable { reasoned: why, region } => {
            with(&mutation::REGION_DISABLE, reasoned(why), json!({ "regionId": region }))
        }
        EnvironmentVerb::Failover { reasoned: why, region, sessions, acknowledgements, expected_epoch } => {
            let more = json!({
                "regionId": region, "sessions": word_of(&sessions), "expectedRouteEpoch": expected_epoch,
                "acknowledgements": acknowledged(&acknowledgements),
            });
            with(&mutation::FAILOVER, reasoned(why), more)
        }
        EnvironmentVerb::Freeze(why) => Plan::Change(&mutation::FREEZE, reasoned(why)),
        EnvironmentVerb::Unfreeze(why) => Plan::Change(&mutation::UNFREEZE, reasoned(why)),
        EnvironmentVerb::PinRelease(why) => Plan::Change(&mutation::PIN_RELEASE, reasoned(why)),
        EnvironmentVerb::QuarantineLift { reasoned: why, digest } => {
            let mut input = reasoned(why);
            input["digest"] = json!(digest);
            Plan::Change(&mutation::QUARANTINE_LIFT, input)
        }
        EnvironmentVerb::Rollback { reasoned: why, deployment, expected_epoch } => {
            let mut input = reasoned(why);
            input["deploymentId"] = json!(deployment);
            input["expectedRouteEpoch"] = json!(expected_epoch);
            Plan::Change(&mutation::ROLL_BACK, input)
        }
    }
}

pub(super) fn env(verb: EnvVerb) -> Plan {
    match verb {
        EnvVerb::List { environment } => Plan::Variables(environment),
        EnvVerb::Set { environment, secret: Some(key), file, expected_set, .. } => {
            Plan::Secret { environment, key, file, expected_set }
        }
        EnvVerb::Set { environment, plain, secret: None, expected_set, .. } => {
            let one = |word: &String| {
                let (key, value) = word.split_once('=').unwrap_or((word, ""));
                json!({ "key": key, "value": value, "kind": "PLAIN" })
            };
            let variables: Vec<Value> = plain.iter().map(one).collect();
            let input = json!({ "environmentId": environment, "variables": variables, "expectedSet": expected_set });
            Plan::Change(&mutation::VARIABLES_SET, input)
        }
        EnvVerb::Import(words) => Plan::Daily(Daily::Import(words)),
        EnvVerb::Unset { environment, key, expected_set } => {
            let input = json!({ "environmentId": environment, "key": key, "expectedSet": expected_set });
            Plan::Change(&mutation::VARIABLE_UNSET, input)
        }
    }
}

pub(super) fn credential(verb: CredentialVerb) -> Plan {
    let of = |OfHost { host, app, expected_version }: OfHost| json!({ "appId": app, "host": host, "expectedVersion": expected_version });
    match verb {
        CredentialVerb::Set { of: whose, username, file } => {
            let mut input = of(whose);
            input["username"] = json!(username);
            Plan::Confidential { mutation: &mutation::SOURCE_CREDENTIAL_SET, field: "secret", input, file }
        }
        CredentialVerb::List { app } => Plan::Credentials(app),
        CredentialVerb::Remove(whose) => Plan::Change(&mutation::SOURCE_CREDENTIAL_REMOVE, of(whose)),
    }
}

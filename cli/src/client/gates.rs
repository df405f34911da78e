//! `rhone promote` and `rhone rollback`: the gates are shown, then somebody says yes, then the same mutation as everywhere is
//! sent with the epoch that was seen. The trap avoided: a yes to something else than was shown; if the route has moved on
//! meanwhile, the API refuses it.

use super::{
    args::{Ground, PromoteArgs, RollbackArgs},
    documents,
    failure::{Failure, Refusal},
    mutation::{DEPLOYMENT_PROMOTE, Mutation, ROLL_BACK},
    plan::acknowledged,
    run::{Asking, not_found},
    show::text,
};
use serde_json::{Value, json};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// `rhone promote`.
pub(super) async fn promote(asking: &Asking<'_>, words: PromoteArgs) -> Result<(), Failure> {
    let PromoteArgs { deployment, environment, reason, ground, .. } = words;
    let ids = json!({ "id": environment, "deployment": deployment });
    let mut data = asking.connection.query(&documents::promotion(), ids).await?;
    let mut found = data["environment"].take();
    let plan = found["promotion"].take();
    if plan.is_null() {
        return Err(not_found(if found.is_null() { "environment" } else { "deployment" }));
    }
    show("promote", &plan, &found);
    let input = json!({ "deploymentId": deployment, "environmentId": environment, "reason": reason });
    act(asking, &DEPLOYMENT_PROMOTE, input, (&plan, &ground)).await
}

/// `rhone rollback`.
pub(super) async fn roll_back(asking: &Asking<'_>, words: RollbackArgs) -> Result<(), Failure> {
    let RollbackArgs { deployment, environment, reason, ground, .. } = words;
    let mut data = asking.connection.query(&documents::rollback(), json!({ "id": environment })).await?;
    let mut found = data["environment"].take();
    if found.is_null() {
        return Err(not_found("environment"));
    }
    let plans = found["rollbackPlan"].take();
    let plan = chosen(&plans, deployment.as_deref())?;
    show("roll back to", plan, &found);
    let input = json!({ "deploymentId": plan["deploymentId"], "environmentId": environment, "reason": reason });
    act(asking, &ROLL_BACK, input, (plan, &ground)).await
}

/// The earlier owner that was named, or the latest.
fn chosen<'a>(plans: &'a Value, named: Option<&str>) -> Result<&'a Value, Failure> {
    let all = plans.as_array().map_or(&[][..], Vec::as_slice);
    let found = all.iter().find(|plan| named.is_none_or(|named| plan["deploymentId"] == named));
    found.ok_or_else(|| {
        let message = match named {
            Some(named) => format!("{named} never owned this environment; `rhone environment show` lists who did"),
            None => "nobody owned this environment before".to_owned(),
        };
        Failure::Refused(Box::new(Refusal { code: "NEVER_OWNED".into(), message, ..Refusal::default() }))
    })
}

/// What would come of it, on standard error: data is the answer of the mutation alone.
fn show(what: &str, plan: &Value, environment: &Value) {
    let mut to = io::stderr();
    let (deployment, digest) = (text(&plan["deploymentId"]), text(&plan["artifactDigest"]));
    let (slug, kind) = (text(&environment["slug"]), text(&environment["kind"]).to_lowercase());
    let _ = writeln!(to, "{what} {deployment} ({digest}) in {slug} ({kind}), which is at epoch {}", plan["routeEpoch"]);
    for gate in gates(plan) {
        let (state, kind, reason) = (text(&gate["state"]), text(&gate["kind"]), text(&gate["reason"]));
        let _ = writeln!(to, "  {state:<7} {kind:<18} {reason}");
    }
    let _ = writeln!(to, "  impact: {}", text(&plan["impact"]["word"]).to_lowercase());
}

fn gates(plan: &Value) -> &[Value] {
    plan["gates"].as_array().map_or(&[], Vec::as_slice)
}

async fn act(
    asking: &Asking<'_>,
    mutation: &Mutation,
    mut input: Value,
    (plan, ground): (&Value, &Ground),
) -> Result<(), Failure> {
    input["acknowledgements"] = json!(acknowledged(&ground.acknowledgements));
    input["expectedRouteEpoch"] = plan["routeEpoch"].clone();
    match may(plan, ground) {
        // What waits for somebody is said here; what is shut is the rule's own to say, with its own code.
        Err(shut) if shut.code == SHUT => return Err(asking.refused(mutation, input).await?.unwrap_or(shut.into())),
        Err(waiting) => return Err(waiting.into()),
        Ok(()) => {}
    }
    if !asking.how.dry_run && !ground.yes {
        agreed()?;
    }
    asking.change(mutation, input).await
}

/// The code of a gate that was shut when it was shown, and that no rule shuts any more.
const SHUT: &str = "GATE_SHUT";

/// Whether every gate is open, but for those that wait for somebody and were taken upon oneself.
fn may(plan: &Value, ground: &Ground) -> Result<(), Refusal> {
    let waiting = |kind: &Value| plan["toAcknowledge"].as_array().is_some_and(|all| all.contains(kind));
    let taken = |kind: &Value| ground.acknowledgements.iter().any(|(gate, _)| kind == gate);
    let shut = |gate: &&Value| gate["state"] == "fail" && !(waiting(&gate["kind"]) && taken(&gate["kind"]));
    let Some(gate) = gates(plan).iter().find(shut) else { return Ok(()) };
    let kind = gate["kind"].as_str().unwrap_or_default();
    let reason = gate["reason"].as_str().unwrap_or_default();
    let (code, way) = if waiting(&gate["kind"]) {
        ("NEEDS_ACKNOWLEDGEMENT", format!("; take it upon yourself with --acknowledge {kind}=REASON"))
    } else {
        (SHUT, String::new())
    };
    let message = format!("the gate {kind} is shut: {reason}{way}");
    Err(Refusal { code: code.into(), message, ..Refusal::default() })
}

/// Whether somebody at a terminal says yes.
fn agreed() -> Result<(), Failure> {
    let usage = |message: &str| Failure::Fault { code: "BAD_USER_INPUT".into(), message: message.into() };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(usage("there is nobody at a terminal to be asked: say --yes"));
    }
    let _ = write!(io::stderr(), "do it? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::local("reading your answer", error))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(usage("not done: you did not say yes")) }
}

#[cfg(test)]
mod tests {
    //! What is shut stays shut.
    use super::*;

    fn plan() -> Value {
        json!({
            "deploymentId": "dep_1", "routeEpoch": 3, "toAcknowledge": ["vango_state"],
            "gates": [{ "kind": "artifact", "state": "pass", "reason": "validated" },
                      { "kind": "wake_replay", "state": "warn", "reason": "while it sleeps, 503" },
                      { "kind": "allocations", "state": "awaited", "reason": "0 of 1 ready" },
                      { "kind": "vango_state", "state": "fail", "reason": "NEEDS_ACKNOWLEDGEMENT" }],
        })
    }

    fn taking(gates: &[&str]) -> Ground {
        let acknowledgements =
            gates.iter().map(|gate| ((*gate).to_owned(), "nobody is signed in".to_owned())).collect();
        Ground { acknowledgements, ..Ground::default() }
    }

    #[test]
    fn a_shut_gate_refuses_and_says_what_opens_it() {
        let refused = may(&plan(), &taking(&[])).expect_err("it is shut");
        assert_eq!((refused.code.as_str(), Failure::from(refused.clone()).exit_code()), ("NEEDS_ACKNOWLEDGEMENT", 4));
        assert!(refused.to_string().contains("--acknowledge vango_state=REASON"), "{refused}");
        may(&plan(), &taking(&["vango_state"])).expect("it was taken upon oneself");
        let mut shut = plan();
        shut["gates"][0]["state"] = json!("fail");
        let refused = may(&shut, &taking(&["artifact", "vango_state"])).expect_err("nobody may take that upon himself");
        assert!(refused.to_string().contains("artifact"), "{refused}");
        assert_eq!(refused.code, SHUT, "the API is asked for the rule's own");
    }

    #[test]
    fn a_rollback_is_to_the_latest_owner_unless_another_is_named() {
        let plans = json!([{ "deploymentId": "dep_2" }, { "deploymentId": "dep_1" }]);
        assert_eq!(chosen(&plans, None).expect("there is one")["deploymentId"], "dep_2");
        assert_eq!(chosen(&plans, Some("dep_1")).expect("there is one")["deploymentId"], "dep_1");
        assert_eq!(chosen(&plans, Some("dep_3")).expect_err("there is none").exit_code(), 4);
        assert_eq!(chosen(&json!([]), None).expect_err("there is none").exit_code(), 4);
    }
}

//! One sentence for each event, the same in console, command line and support bundle. Made from the payload's own words; an
//! event whose type is newer than this program still gets one.

use rhone_domain::session_fate::Fate;
use serde_json::Value;

/// Why, where the event says so.
pub fn reason(payload: &Value) -> Option<String> {
    let said = payload.get("reason").or_else(|| payload.pointer("/refused/message"));
    said.and_then(Value::as_str).map(ToOwned::to_owned)
}

/// The sentence.
pub fn of(event_type: &str, payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    let short = |path: &str| shortened(&word(payload, path));
    match event_type {
        _ if event_type.starts_with("workspace.") => workspace(event_type, payload),
        "project.created" => format!("Project {} was created.", p("/slug")),
        "app.created" => format!("App {} was created.", p("/slug")),
        "app.imported" => {
            format!("App {} was imported from {} ({}).", p("/slug"), p("/source/repository"), p("/source/reference"))
        }
        "app.source_set" => format!("The app comes from {} ({}).", p("/repository"), p("/reference")),
        "app.source_removed" => format!("The app comes from {} no longer.", p("/repository")),
        "app.source_credential_set" => match p("/generation").as_str() {
            "1" => format!("Sources on {} are read as {}: a credential was set.", p("/host"), p("/username")),
            which => format!(
                "Sources on {} are read as {}: credential {which} replaces what was.",
                p("/host"),
                p("/username")
            ),
        },
        "app.source_credential_removed" => format!("The credential for sources on {} was removed.", p("/host")),
        "environment.created" => format!("Environment {} ({}) was created.", p("/slug"), p("/kind")),
        "environment.scaled" => format!("{} allocations of the owner are wanted.", p("/replicas")),
        "environment.policy_set" => {
            format!("Promotions need {} approvals: {}.", p("/policy/approvals_required"), p("/reason"))
        }
        "environment.promotion_approved" => {
            format!("The promotion of {} at epoch {} was approved.", short("/artifact"), p("/expected_epoch"))
        }
        "environment.sleep_policy_set" => match p("/sleep_after_seconds").as_str() {
            "0" => "The environment never goes to sleep by itself.".to_owned(),
            seconds => format!("The environment goes to sleep after {seconds} idle seconds."),
        },
        "environment.drain_policy_set" => format!(
            "Open sockets of a former owner live on for {} s, and its allocations stay for {} s.",
            p("/drain_seconds"),
            p("/standby_seconds")
        ),
        "environment.residency_set" => match listed(payload, "/residency").as_str() {
            "" => format!("It may be in every region: {}.", p("/reason")),
            regions => format!("It may only be in {regions}: {}.", p("/reason")),
        },
        "environment.region_enabled" => {
            format!("It may be moved to region {}; its data there: {}.", p("/region"), p("/topology"))
        }
        "environment.region_disabled" => {
            format!("It may be moved to region {} no longer: {}.", p("/region"), p("/reason"))
        }
        "region.created" => format!("Region {} was created.", p("/slug")),
        "cell.created" => format!("Cell {} was created.", p("/slug")),
        "host.registered" => format!("Host {} was registered.", p("/slug")),
        "host.cordoned" => format!("The host takes no new allocations: {}.", p("/reason")),
        "host.uncordoned" => format!("The host takes allocations again: {}.", p("/reason")),
        "host.capacity_set" => format!("The host may hold {} allocations.", p("/allocations")),
        "host.retired" => format!("The host was retired for good: {}.", p("/reason")),
        "host.drain_begun" => "What runs on the host is being moved away.".to_owned(),
        "host.upgrade_confirmed" => {
            format!("The host runs {} with runner {}: {}.", p("/os"), p("/runner"), p("/note"))
        }
        "artifact.registered" => format!("Artifact {} of {} bytes was registered.", short("/digest"), p("/size")),
        "deployment.created" => format!("A deployment of {} was created.", short("/digest")),
        "deployment.validated" => format!("The deployment of exactly {} was validated.", short("/digest")),
        "deployment.failed" => format!("The deployment failed: {}.", p("/reason")),
        "claim.claimed" => format!("The {} {} was claimed.", p("/kind").replace('_', " "), p("/value")),
        "claim.released" => "A name was released.".to_owned(),
        "allocation.planned" => format!("An allocation of {} was planned.", short("/artifact")),
        "allocation.pulling" => "The runner fetches the artifact.".to_owned(),
        "allocation.starting" => format!("The runner verified {} and starts it.", short("/digest")),
        "allocation.ready" => format!("The allocation answers at {} with {}.", p("/address"), short("/digest")),
        "allocation.restarted" => format!("The process ended ({}) and was started again.", p("/exit")),
        "allocation.draining" => format!("The allocation is to stop: {}.", p("/reason")),
        "allocation.stopped" => match p("/sessions_ended").as_str() {
            "" | "0" => "The allocation has stopped.".to_owned(),
            ended => format!("The allocation has stopped; {ended} sessions were still open at its drain deadline."),
        },
        "allocation.sessions_closed" => {
            format!("An edge closed {} sessions, whose drain deadline {} was over.", p("/sessions"), p("/deadline"))
        }
        "allocation.failed" => format!("The allocation failed: {}.", p("/reason")),
        "migrations.recorded" => {
            format!("Migration {} ({}) ran, {}: {}.", p("/id"), p("/impact"), p("/ran_by"), p("/evidence"))
        }
        "migrations.restored" => {
            format!("The data were restored; undone: {}: {}.", listed(payload, "/undone"), p("/reason"))
        }
        "variables.changed" => variables(payload),
        "backend.taken" => format!("A backend is used as {} by {}.", p("/purpose"), p("/slug")),
        "backend.released" => "A backend is used no longer.".to_owned(),
        "refusal.recorded" => refusal(payload),
        _ if event_type.starts_with("token.") => token(event_type, payload),
        _ if event_type.starts_with("route_owner.") => route_owner(event_type, payload),
        _ if event_type.starts_with("provider_binding.") => binding(event_type, payload),
        _ if event_type.starts_with("runtime_service_binding.") => binding(event_type, payload),
        _ if event_type.starts_with("operation.") => operation(event_type, payload),
        other => format!("{other} happened."),
    }
}

fn workspace(event_type: &str, payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    match event_type {
        "workspace.created" => format!("Workspace {} was created.", p("/slug")),
        "workspace.member_added" => format!("A member was added as {}.", p("/role")),
        "workspace.member_role_changed" => format!("A member is {} now.", p("/role")),
        "workspace.member_removed" => "A member was removed.".to_owned(),
        "workspace.grants_set" => {
            let place = if payload.pointer("/reach/project").is_some() { "project" } else { "environment" };
            format!("In one {place} a member may besides: {}.", listed(payload, "/grants"))
        }
        "workspace.support_granted" => format!("Support may act for a member until {}: {}.", p("/until"), p("/reason")),
        "workspace.member_invited" => format!("Somebody was invited as {} until {}.", p("/role"), p("/until")),
        "workspace.invitation_revoked" => "An invitation was revoked.".to_owned(),
        "workspace.invitation_accepted" => format!("Somebody who was invited is a member now, as {}.", p("/role")),
        "workspace.support_ended" => "Support may act no longer.".to_owned(),
        other => format!("{other} happened."),
    }
}

fn token(event_type: &str, payload: &Value) -> String {
    let name = || word(payload, "/token/name");
    let may = match payload.pointer("/token/grants") {
        None => "all that its holder may".to_owned(),
        Some(_) if listed(payload, "/token/grants").is_empty() => "read".to_owned(),
        Some(_) => listed(payload, "/token/grants"),
    };
    let until = payload.pointer("/token/until").map(|_| format!(" until {}", word(payload, "/token/until")));
    let until = until.unwrap_or_default();
    match event_type {
        "token.created" => format!("The token {} was made: it may {may}{until}.", name()),
        "token.issued" => match payload.pointer("/token/holder").and_then(Value::as_object) {
            Some(holder) if holder.contains_key("support") => format!("The token {} was made for support.", name()),
            Some(holder) if holder.contains_key("edge") => format!("The token {} was made for edges.", name()),
            Some(_) | None => format!("The token {} was made for a runner.", name()),
        },
        "token.found" => format!("The token {}, made before the log knew of it, was taken into it.", name()),
        "token.rotated" => "A token has another secret; the former one is refused.".to_owned(),
        "token.revoked" => "A token was ended by its holder.".to_owned(),
        "token.withdrawn" => "A token of a machine or of support was ended.".to_owned(),
        other => format!("{other} happened."),
    }
}

fn route_owner(event_type: &str, payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    let short = |path: &str| shortened(&word(payload, path));
    match event_type {
        "route_owner.opened" => "The environment's route was opened, without an owner.".to_owned(),
        "route_owner.host_attached" => format!("{} leads to this environment.", p("/host")),
        "route_owner.host_detached" => format!("{} leads here no longer.", p("/host")),
        "route_owner.promoted" => format!("Epoch {}: {} owns the traffic.", p("/epoch"), short("/owner/artifact")),
        "route_owner.rolled_back" => {
            format!("Epoch {}: rolled back to {}: {}.", p("/epoch"), short("/owner/artifact"), p("/reason"))
        }
        "route_owner.moved" => {
            let (until, fate) = (p("/drain/deadline"), fate(payload));
            format!(
                "Epoch {}: the traffic is served from region {} now, no longer from {}. Open sessions stay until {until}; then {fate}.",
                p("/epoch"),
                p("/to/region"),
                p("/from/region")
            )
        }
        "route_owner.pinned" => format!("The environment is pinned by the rollback: {}.", p("/reason")),
        "route_owner.pin_released" => format!("The pin was released: {}.", p("/reason")),
        "route_owner.quarantined" => format!("{} is quarantined here: {}.", short("/digest"), p("/reason")),
        "route_owner.quarantine_lifted" => {
            format!("The quarantine of {} was lifted: {}.", short("/digest"), p("/reason"))
        }
        "route_owner.frozen" => format!("Promotions were frozen: {}.", p("/reason")),
        "route_owner.unfrozen" => format!("Promotions are allowed again: {}.", p("/reason")),
        "route_owner.slept" => format!("It sleeps (sleep {}); the owner is the same.", p("/sleep_generation")),
        "route_owner.woken" => format!("It serves again after sleep {}.", p("/sleep_generation")),
        "route_owner.wake_failed" => format!("The wake failed; it is left alone until {}.", p("/retry_at")),
        "route_owner.epoch_raised" => format!("The epoch was raised to {}: {}.", p("/epoch"), p("/reason")),
        other => format!("{other} happened."),
    }
}

fn operation(event_type: &str, payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    match event_type {
        "operation.requested" if p("/kind") == "scale" => {
            format!("A scale from {} to {} allocations was requested.", p("/from"), p("/replicas"))
        }
        "operation.requested" if p("/kind") == "drain" => {
            let many = payload.pointer("/allocations").and_then(Value::as_array).map_or(0, Vec::len);
            format!("A drain of {many} allocations within {} s was requested.", p("/drain_seconds"))
        }
        "operation.requested" if p("/kind") == "region_enablement" => {
            format!("Region {} was asked to be made fit; its data there: {}.", p("/to_region"), p("/topology"))
        }
        "operation.requested" if p("/kind") == "region_failover" => {
            let (from, to, epoch) = (p("/from/region"), p("/to/region"), p("/expected_epoch"));
            format!(
                "A failover from region {from} to {to} was requested at epoch {epoch}; of the sessions: {}.",
                fate(payload)
            )
        }
        "operation.requested" if p("/kind") == "deploy" => deploy(payload),
        "operation.requested" if p("/artifact").is_empty() => {
            format!("A {} was requested: {}.", p("/kind").replace('_', " "), p("/reason"))
        }
        "operation.requested" => {
            if let Some(change) = payload.get("change").and_then(Value::as_str) {
                return format!("To {change} a {} was requested.", p("/kind").replace('_', " "));
            }
            let (kind, artifact) = (p("/kind"), shortened(&p("/artifact")));
            format!("A {kind} to {artifact} was requested at epoch {}.", p("/expected_epoch"))
        }
        "operation.stage_entered" => match p("/stage").as_str() {
            "policy_check" => "The gates passed; allocations are awaited.".to_owned(),
            "binding" => "The resource is tried.".to_owned(),
            "verified" => "It was verified.".to_owned(),
            "route_cas" => format!("The route was given epoch {}.", p("/evidence/epoch")),
            "edge_propagating" => "The edges are taking it over.".to_owned(),
            end @ ("healthy" | "rolled_back") => {
                let edges = payload.pointer("/evidence/edges").and_then(Value::as_array).map_or(0, Vec::len);
                let digest = shortened(&p("/evidence/digest"));
                format!("{}: {digest} answered through {edges} of {edges} live edges.", capitalised(end))
            }
            "provisioning" => "The gates passed; a host of the cell is awaited.".to_owned(),
            "replicating_artifacts" => "The owner's exact bytes are brought to the region.".to_owned(),
            "eligible" => "The owner's exact bytes answered there; the region is eligible.".to_owned(),
            "scaling" => "The number is wanted; the scheduler starts or drains.".to_owned(),
            "draining" => "The allocations take no new work; what is attached to them may finish.".to_owned(),
            "building" if !p("/evidence/fetched/commit").is_empty() => {
                format!("Stage building: commit {} was fetched.", p("/evidence/fetched/commit"))
            }
            "validating" if !p("/evidence/built/plan").is_empty() => {
                let (digest, plan) = (shortened(&p("/evidence/digest")), p("/evidence/built/plan"));
                format!("Stage validating: {digest} was made ({plan}) and is judged.")
            }
            "preview_ready" => "Preview_ready: the release may be promoted.".to_owned(),
            "blocked" => format!("Blocked by a gate: {}.", closed(payload)),
            other => format!("Stage {other} was entered."),
        },
        "operation.failed" => format!("The operation failed ({}): {}.", p("/code"), p("/message")),
        "operation.cancel_requested" => format!("Cancelling was requested: {}.", p("/reason")),
        "operation.cancelled" => format!("The operation was cancelled: {}.", p("/reason")),
        "operation.late_report_recorded" => {
            format!("Attempt {} reported late; nothing changed: {}.", p("/attempt"), p("/report"))
        }
        other => format!("{other} happened."),
    }
}

/// What sessions get.
fn fate(payload: &Value) -> &'static str {
    word(payload, "/sessions").parse::<Fate>().map_or("nothing is said of them", Fate::spoken)
}

/// Which keys; what they hold is nowhere to be read.
fn variables(payload: &Value) -> String {
    let set: Vec<&str> =
        payload.get("set").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let unset: Vec<&str> =
        payload.get("unset").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let said = |what: &str, keys: &[&str]| (!keys.is_empty()).then(|| format!("{} {what}", keys.join(", ")));
    let both: Vec<String> = [said("set", &set), said("unset", &unset)].into_iter().flatten().collect();
    format!("Set {} of the variables: {}.", word(payload, "/to"), both.join("; "))
}

/// Both nouns have the same life.
fn binding(event_type: &str, payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    let (noun, verb) = event_type.split_once('.').unwrap_or((event_type, ""));
    let what = match (p("/resource") + &p("/service")).replace('_', " ") {
        unnamed if unnamed.is_empty() => noun.replace('_', " "),
        named => named,
    };
    match verb {
        "requested" => {
            let of = p("/vendor") + &p("/backend");
            format!("A {what} ({of}) at {} was asked for; nothing is proven yet.", p("/endpoint"))
        }
        "verified" => {
            let evidence = payload.pointer("/proof/evidence").and_then(Value::as_array).into_iter().flatten();
            let evidence: Vec<&str> = evidence.filter_map(Value::as_str).collect();
            format!("The {what} was proven: {}.", evidence.join("; "))
        }
        "failed" => format!("The {what} was not proven ({}): {}.", p("/unproven/code"), p("/unproven/message")),
        "disabled" => format!("The {what} was detached: {}.", p("/reason")),
        other => format!("{noun}.{other} happened."),
    }
}

fn refusal(payload: &Value) -> String {
    let p = |path: &str| word(payload, path);
    let refused = format!("{} was refused ({}): {}", p("/refused/command"), p("/refused/code"), p("/refused/message"));
    match (p("/refused/expected").as_str(), p("/refused/actual").as_str()) {
        ("", _) | (_, "") => format!("{refused}."),
        (expected, actual) => format!("{refused}; expected {expected}, actual {actual}."),
    }
}

fn word(payload: &Value, path: &str) -> String {
    match payload.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The words of a list.
fn listed(payload: &Value, path: &str) -> String {
    let words = payload.pointer(path).and_then(Value::as_array).into_iter().flatten();
    words.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// What is to become a release.
fn deploy(payload: &Value) -> String {
    let text = |path: &str| payload.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/origin/image/name").is_empty() {
        let (reference, repository) = (text("/origin/git/reference"), text("/origin/git/repository"));
        return format!("A deploy of {reference} of {repository} was requested.");
    }
    format!("A deploy of {}@{} was requested.", text("/origin/image/name"), shortened(text("/origin/image/digest")))
}

/// The first closed gate of a stage, in its own words.
fn closed(payload: &Value) -> String {
    let gates = payload.pointer("/evidence/gates").and_then(Value::as_array);
    let is_closed = |gate: &&Value| matches!(gate["verdict"].as_str(), Some("fail" | "needs_acknowledgement"));
    let found = gates.and_then(|gates| gates.iter().find(is_closed));
    found.and_then(|gate| gate["reason"].as_str()).unwrap_or("none is named").to_owned()
}

/// A digest as people read it: `sha256:` and 12 digits.
fn shortened(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn capitalised(word: &str) -> String {
    let words = word.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;

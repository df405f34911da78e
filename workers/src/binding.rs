//! Does what the process manager of bindings asks for, for both nouns: loads the lane and the credential, lets a probe try the
//! resource, and appends proof, backend and end together. The trap: a credential in a log line or an event; it goes from
//! the vault into the probe, and nowhere else.

mod lane;

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use lane::{Lane, Serving};
use rhone_domain::{
    backend::{self, Backend},
    binding::{self, Act, BindingWork, Credential, Probed, Seen, Unproven, World, next, vault_name},
    gate::Refusal,
    hidden::Hidden,
    operation::{Evidence, Failure, Stage},
    process::Step,
};
use rhone_eventstore::{Loaded, Unit, vault::Place};
use rhone_providers::probe::{Target, probe};

/// Does the next step of an operation on a binding.
pub(crate) async fn advance(mut drive: Drive<'_>, work: &BindingWork) -> Result<Outcome, AdvanceError> {
    let mut lane = Lane::load(&drive, work).await?;
    let serving = Serving::load(&drive, work).await?;
    let needed = lane.needed(work.binding, serving.as_ref());
    let mut backend = known_backend(&drive, &lane, work).await?;
    let mut step = next(&world(&drive, &lane, work, (None, &backend.state), needed.as_ref()));
    if step == Step::Do(Act::Probe) {
        let probed = tried(&drive, &lane, work).await?;
        if let Probed::Proven { identity: Some(identity), .. } = &probed {
            backend = drive.door.load::<Backend>(backend::id(identity)).await?;
        }
        step = next(&world(&drive, &lane, work, (Some(&probed), &backend.state), needed.as_ref()));
    }
    let mut unit = drive.unit();
    if let Some(serving) = &serving {
        serving.assert(&mut unit);
    }
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => lane.assert(&mut unit),
        Step::Do(Act::Probe) => return Ok(drive.wait("the resource was not tried")),
        Step::Do(Act::Prove { proof, credential, of }) => {
            if proof.identity.is_some() {
                decide(&mut unit, &mut backend, backend::Command::Take(*of))?;
            }
            lane.verify(&mut unit, work.binding, proof, credential)?;
            end_well(&mut unit, &mut drive)?;
        }
        Step::Do(Act::Detach(reason)) => {
            let binding = work.binding;
            decide(&mut unit, &mut backend, backend::Command::Release { binding })?;
            lane.disable(&mut unit, binding, reason)?;
            end_well(&mut unit, &mut drive)?;
        }
        Step::Fail(failure) => leave_unproven(&mut unit, &drive, &mut lane, work, (Stage::Failed, &failure))?,
        Step::Cancel => {
            let message = "the operation was cancelled before anything was tried".to_owned();
            let why = Failure { code: "CANCELLED".into(), message, expected: None, actual: None, route_changed: false };
            leave_unproven(&mut unit, &drive, &mut lane, work, (Stage::Cancelled, &why))?;
        }
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, act)).await
}

fn world<'a>(
    drive: &'a Drive<'_>,
    lane: &'a Lane,
    work: &'a BindingWork,
    (probed, backend): (Option<&'a Probed>, &'a Backend),
    needed: Option<&'a Refusal>,
) -> World<'a> {
    let (now, operation) = (drive.config.clock.now(), &drive.operation.state);
    World { now, operation, work, seen: lane.seen(work.binding), probed, backend, needed }
}

/// The backend that the binding has, as far as an earlier proof says.
async fn known_backend(drive: &Drive<'_>, lane: &Lane, work: &BindingWork) -> Result<Loaded<Backend>, AdvanceError> {
    let seen = lane.seen(work.binding);
    let identity = seen.and_then(|seen| seen.proof.and_then(|proof| proof.identity.clone()));
    Ok(drive.door.load::<Backend>(backend::id(identity.as_deref().unwrap_or_default())).await?)
}

/// What the resource says to the credential that is to be used from now on.
async fn tried(drive: &Drive<'_>, lane: &Lane, work: &BindingWork) -> Result<Probed, AdvanceError> {
    let (Some(seen), Some(kind)) = (lane.seen(work.binding), lane.kind(work.binding)) else {
        return Ok(Probed::Fatal { code: "NOT_FOUND", message: "there is no such binding".into() });
    };
    let credential = work.credential.or(seen.credential);
    let secret = match credential {
        Some(credential) => Some(opened(drive, &seen, credential).await?),
        None => None,
    };
    let target = Target::parse(kind, secret.as_ref().map(Hidden::expose));
    Ok(match target {
        Ok(target) => probe(&target, &drive.config.ground).await,
        Err(invalid) => Probed::Fatal { code: "MALFORMED", message: format!("the address {invalid}") },
    })
}

async fn opened(drive: &Drive<'_>, seen: &Seen<'_>, credential: Credential) -> Result<Hidden, AdvanceError> {
    let place = Place {
        workspace: seen.of.workspace,
        app: seen.of.app,
        environment: Some(seen.of.environment),
        name: vault_name(seen.of.binding),
        set: credential.generation,
    };
    let mut connection = drive.config.pool.acquire().await?;
    Ok(drive.config.vault.open(&mut connection, credential.value, &place).await?)
}

fn leave_unproven(
    unit: &mut Unit,
    drive: &Drive<'_>,
    lane: &mut Lane,
    work: &BindingWork,
    (end, why): (Stage, &Failure),
) -> Result<(), AdvanceError> {
    let Some(state) = lane.seen(work.binding).map(|seen| seen.state) else { return Ok(()) };
    if !work.change.leaves_unproven(state, end) {
        lane.assert(unit);
        return Ok(());
    }
    let unproven = Unproven { by: drive.requested.id, code: why.code.clone(), message: why.message.clone() };
    lane.fail(unit, work.binding, unproven)
}

fn end_well(unit: &mut Unit, drive: &mut Drive<'_>) -> Result<(), AdvanceError> {
    let verified = drive.entering(Stage::Verified, Evidence::default());
    decide(unit, &mut drive.operation, verified)
}

fn act(act: &binding::Act) -> String {
    match act {
        Act::Probe => "try the resource".to_owned(),
        Act::Prove { .. } => "put the proof on record".to_owned(),
        Act::Detach(_) => "detach the binding".to_owned(),
    }
}

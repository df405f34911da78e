//! How every mutation goes: judge on folded streams, append once, answer. Under an idempotency key the answer is part of the
//! same append, so that a repetition finds it, whatever became of the first answer on its way. A refusal of somebody who may
//! ask is put on record. The trap: a retry that does something twice, or that learns of another tenant's things.

mod answer;
mod bench;
mod expected;
mod payload;

pub(crate) use answer::{Answer, PlannedEvent};
pub(crate) use bench::Bench;
pub(crate) use payload::{found, payload};

use super::{
    context::{Ask, Door, door},
    user_error::UserError,
};
use crate::{
    fault::{Code, Fault},
    identity::PrincipalKind,
    rate::Accountable as _,
    request::RequestInfo,
};
use answer::{fault_of, key_reused, shown};
use async_graphql::Context;
use rhone_domain::{
    actor::Writer,
    aggregate::{Aggregate, Rejection},
    digest::Digest,
    envelope::StreamId,
    gate::Judged as Judgement,
    ids::{AppId, CorrelationId, EnvironmentId, OperationId, WorkspaceId},
    numbers::Version,
    operation::Work,
    refusal::{self, Refusals, Refused},
    text::IdempotencyKey,
};
use rhone_eventstore::{AppendError, Idempotency, Loaded, ReadError, Unit};
use std::future::Future;
use uuid::Uuid;

/// What every mutation's input has besides its own fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// The request's key.
    pub(crate) idempotency_key: Option<String>,
    /// The version that it was decided on.
    pub(crate) expected: Option<Version>,
    /// Show what would happen, and do nothing.
    pub(crate) dry_run: bool,
}

impl Manner {
    /// Of what creates something, or says in other words what it was decided on.
    pub(crate) fn new(idempotency_key: Option<String>, dry_run: bool) -> Self {
        Self { idempotency_key, expected: None, dry_run }
    }

    /// Of what changes something that has a version.
    pub(crate) fn decided_on(
        idempotency_key: Option<String>,
        expected_version: Option<i64>,
        dry_run: bool,
    ) -> Result<Self, Fault> {
        let expected = natural("expectedVersion", expected_version)?.map(Version);
        Ok(Self { expected, ..Self::new(idempotency_key, dry_run) })
    }
}

/// A mutation, with its input checked.
pub(crate) trait Change: Send + Sync {
    /// Its name in the schema.
    fn name(&self) -> &'static str;

    /// Whether its key belongs to the workspace it changes, or, there being none yet, to the caller alone.
    const KEY_SCOPE: KeyScope = KeyScope::Workspace;

    /// The door that it goes through.
    fn door(&self, ctx: &Context<'_>) -> Door {
        door(ctx.platform(), ctx.principal())
    }

    /// What is asked, without the manner: the same words under the same key are the same request.
    fn fingerprint(&self) -> String;

    /// Judges on what the log says now. Called again when somebody else was faster.
    fn judge(&self, bench: &Bench<'_>) -> impl Future<Output = Result<Judged, No>> + Send;
}

/// To whom an idempotency key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyScope {
    /// The caller, within the workspace that is changed.
    Workspace,
    /// The caller.
    Caller,
}

/// What would be appended, and what would be answered.
pub(crate) struct Judged {
    pub(crate) unit: Unit,
    pub(crate) object: Uuid,
    pub(crate) operation: Option<OperationId>,
    /// The stream whose version the caller may have expected; none where the input takes no version.
    pub(crate) decided_on: Option<StreamId>,
}

/// Why nothing was.
pub(crate) enum No {
    /// A rule said no.
    Refused(Box<Refusal>),
    /// Something else is wrong.
    Fault(Fault),
}

/// A rule that said no, and about what.
pub(crate) struct Refusal {
    pub(crate) error: UserError,
    pub(crate) target: StreamId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) app: Option<AppId>,
    pub(crate) environment: Option<EnvironmentId>,
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ReadError> for No {
    fn from(error: ReadError) -> Self {
        Self::Fault(Fault::internal(error))
    }
}

impl From<sqlx::Error> for No {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(Fault::internal(error))
    }
}

/// Whether the caller may issue a command, asked before any other rule answers.
pub(crate) fn permit(unit: &Unit, command: &'static str, target: &StreamId) -> Result<(), No> {
    let permitted = unit.permit(command);
    permitted.map_err(|why| refused(&why, target.clone(), unit.context().workspace))
}

/// Judges a command within a unit; a rejection becomes a refusal about this target.
pub(crate) fn decide<A: Aggregate>(unit: &mut Unit, loaded: &mut Loaded<A>, command: A::Command) -> Result<(), No> {
    let (target, workspace) = (loaded.stream.clone(), unit.context().workspace);
    unit.decide(loaded, command).map(drop).map_err(|rejection| refused(&rejection, target, workspace))
}

/// The stream of this aggregate.
pub(crate) fn stream<A: Aggregate>(id: impl Into<Uuid>) -> StreamId {
    StreamId::new(A::CATEGORY, id.into())
}

/// A refusal about this target.
pub(crate) fn refused<R: Rejection>(rejection: &R, target: StreamId, workspace: WorkspaceId) -> No {
    let error = UserError::from(rejection);
    No::Refused(Box::new(Refusal { error, target, workspace, app: None, environment: None }))
}

impl No {
    /// The same refusal about this field of the input.
    pub(crate) fn about(self, field: &str) -> Self {
        self.mapped(|refusal| refusal.error = refusal.error.clone().about(field))
    }

    /// The same refusal, in the timeline of this app and environment.
    pub(crate) fn concerning(self, app: AppId, environment: Option<EnvironmentId>) -> Self {
        self.mapped(|refusal| (refusal.app, refusal.environment) = (Some(app), environment))
    }

    /// The same refusal, in the timeline of what an operation is about.
    pub(crate) fn concerning_work(self, work: &Work) -> Self {
        self.mapped(|refusal| (refusal.app, refusal.environment) = (work.app(), work.environment()))
    }

    /// The same refusal, with the gates that were judged.
    pub(crate) fn judged(self, gates: &[Judgement]) -> Self {
        self.mapped(|refusal| refusal.error.gates = gates.iter().map(|one| (&one.gate).into()).collect())
    }

    fn mapped(self, change: impl FnOnce(&mut Refusal)) -> Self {
        match self {
            Self::Refused(mut refusal) => {
                change(&mut refusal);
                Self::Refused(refusal)
            }
            Self::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// How often a request is judged again because somebody else was faster.
const ATTEMPTS: usize = 5;

/// What the log says to who may not write in a workspace.
const MAY_NOT_WRITE: &str = "RH007";

/// Carries a mutation out.
pub(crate) async fn change<C: Change>(ctx: &Context<'_>, manner: Manner, change: C) -> Result<Answer, Fault> {
    let principal = ctx.principal();
    if !matches!(principal.kind, PrincipalKind::User(_)) {
        return Err(Fault::new(Code::Forbidden, "edges and runners change nothing here"));
    }
    let key = key_of(ctx.info(), &manner)?;
    let fingerprint = fingerprint(&change, &manner);
    let mut bench = Bench::new(ctx, change.door(ctx), key);
    for attempt in 1..=ATTEMPTS {
        bench.begin().await?;
        // In a box: what every mutation reads would else be laid out within the one future of all of them.
        let judged = match Box::pin(change.judge(&bench)).await {
            Ok(judged) => expected::hold(&bench, manner.expected, judged).await,
            Err(no) => Err(no),
        };
        let outcome = match judged {
            Ok(judged) if manner.dry_run => return Ok(shown(&judged)),
            Ok(judged) => {
                // What is changed is known only now.
                ctx.rates().spend_change(principal.accounts(), judged.unit.context().workspace.0)?;
                accept::<C>(&bench, fingerprint, judged).await
            }
            Err(No::Refused(refusal)) if manner.dry_run => return Ok(Answer::refused(refusal.error)),
            Err(No::Refused(refusal)) => {
                ctx.rates().spend_refusal(principal.accounts())?;
                put_on_record(&bench, &change, fingerprint, *refusal).await
            }
            Err(No::Fault(fault)) => return Err(fault),
        };
        match outcome {
            Err(AppendError::Conflict { .. }) => {}
            // The right to write here ended after it was judged; judged again, it is refused in a rule's own words.
            Err(AppendError::Refused { code, .. }) if code == MAY_NOT_WRITE && attempt < ATTEMPTS => {}
            Err(AppendError::KeyReused { .. }) => return Ok(Answer::refused(key_reused())),
            Err(error) => return Err(fault_of(error)),
            Ok(answer) => return Ok(answer),
        }
    }
    Err(Fault::new(Code::Conflict, "others keep changing the same thing; try again"))
}

/// What is asked, as one digest: with another version it is another request.
fn fingerprint<C: Change>(change: &C, manner: &Manner) -> Digest {
    let expected = manner.expected.map(|version| format!("\nexpectedVersion: {version}")).unwrap_or_default();
    Digest::of(&[change.name().as_bytes(), b"\n", change.fingerprint().as_bytes(), expected.as_bytes()])
}

fn key_of(info: &RequestInfo, manner: &Manner) -> Result<Option<String>, Fault> {
    let given = match manner.idempotency_key.as_deref() {
        Some(key) => Some(key),
        None => info.idempotency_key()?,
    };
    let key = given.map(|key| IdempotencyKey::parse("idempotencyKey", key)).transpose();
    key.map(|key| key.map(|key| key.to_string())).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}

async fn accept<C: Change>(bench: &Bench<'_>, fingerprint: Digest, judged: Judged) -> Result<Answer, AppendError> {
    let answer = Answer { object: Some(judged.object), operation: judged.operation, ..Answer::default() };
    commit(bench, C::KEY_SCOPE, fingerprint, judged.unit, answer).await
}

async fn put_on_record<C: Change>(
    bench: &Bench<'_>,
    change: &C,
    fingerprint: Digest,
    refusal: Refusal,
) -> Result<Answer, AppendError> {
    let Refusal { error, target, workspace, app, environment } = refusal;
    if C::KEY_SCOPE == KeyScope::Caller {
        // There is no workspace in whose timeline it could stand.
        let unit = bench.unit(Writer::Api, workspace, CorrelationId(bench.id));
        return commit(bench, C::KEY_SCOPE, fingerprint, unit, Answer::refused(error)).await;
    }
    let mut loaded = match bench.door.load::<Refusals>(refusal::id(workspace, &target)).await {
        Ok(loaded) => loaded,
        Err(ReadError::Unavailable(error)) => return Err(AppendError::Unavailable(error)),
        Err(error) => return Err(AppendError::Malformed(error.to_string())),
    };
    let mut unit = bench.unit(Writer::Api, workspace, CorrelationId(bench.id));
    let refused = Refused {
        command: change.name().to_owned(),
        target,
        app,
        environment,
        code: error.code.clone(),
        message: error.message.clone(),
        expected: error.expected.clone(),
        actual: error.actual.clone(),
        actor: bench.principal.actor,
    };
    let at = unit.now();
    unit.decide(&mut loaded, refusal::Command::Record { refused, at })
        .expect("the table lets every caller's refusal stand");
    commit(bench, C::KEY_SCOPE, fingerprint, unit, Answer::refused(error)).await
}

async fn commit(
    bench: &Bench<'_>,
    scope: KeyScope,
    fingerprint: Digest,
    unit: Unit,
    answer: Answer,
) -> Result<Answer, AppendError> {
    let stored = serde_json::to_value(&answer).expect("an answer has no map with other than text keys");
    let workspace = match scope {
        KeyScope::Workspace => unit.context().workspace,
        KeyScope::Caller => WorkspaceId(Uuid::nil()),
    };
    let idempotency = bench.key.clone().map(|key| Idempotency {
        workspace,
        actor: bench.principal.actor,
        key,
        fingerprint,
        answer: stored,
    });
    let committed = bench.door.commit(unit, idempotency, None).await?;
    Ok(match committed.replayed {
        Some(earlier) => {
            let earlier: Answer = serde_json::from_value(earlier).map_err(|e| AppendError::Malformed(e.to_string()))?;
            Answer { replayed: true, position: committed.position, ..earlier }
        }
        None => Answer { position: committed.position, ..answer },
    })
}

/// A number of the input that is not negative. GraphQL's integers are signed; a negative one names its field and the rule.
pub(crate) fn natural(field: &'static str, number: Option<i64>) -> Result<Option<u64>, Fault> {
    number.map(|number| u64::try_from(number).map_err(|_| Fault::bad_input(field, "must be 0 or more"))).transpose()
}

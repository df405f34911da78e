//! One complete event of every type, in the catalogue's order: every optional field is there, so that golden files and
//! catalogue show it. A sample may grow with its type; the golden file it once wrote may not.

mod bindings;

use crate::{
    aggregate::{Encoded, Event, encode},
    allocation, app, app_source, artifact,
    artifact_facts::ArtifactFacts,
    authorization::{Grant, Narrowing},
    cell, claim,
    database_impact::Impact,
    deploy, deployment,
    digest::Digest,
    envelope::StreamId,
    environment,
    feed::Drain,
    host,
    ids::{ArtifactId, TokenId},
    migrations,
    numbers::{EnvSet, Epoch, FeedSeq, Fence, SleepGeneration},
    operation,
    personal::Sealed,
    project, refusal, region, route_owner,
    session_fate::Fate,
    source_credential::{SourceCredential, SourceHost},
    story::{
        ACME, ALICE, BERGEN, BLUE, CELL_1, FIRST, GREEN, GREEN_BYTES, HOST_1, INVITATION, LYON, NORTH_EDGE, PRODUCTION,
        SECOND, SHOP, SITES, SUPPORT, THIRD, allocation, approval, at, because, created, declared, enabled, facts,
        generated, host as hostname, moved, name, needs, opened, owner, planned, production, ran, ready, requested,
        restored, slug, validated,
    },
    text::{Commit, GitReference, Username},
    token, variables, workspace,
};

/// One of each.
pub(super) fn samples() -> Vec<Encoded> {
    [
        written(allocations()),
        written(apps()),
        written([artifact::Event::Created(artifact::Created {
            id: ArtifactId::of(ACME, GREEN_BYTES),
            workspace: ACME,
            digest: GREEN_BYTES,
            size: 4_096,
            facts: ArtifactFacts {
                needs: needs(),
                migrations: vec![declared("0001_orders", Impact::Additive)],
                generated: generated(),
                ..facts()
            },
        })]),
        written(bindings::backends()),
        written([cell::Event::Created(cell::Created { id: CELL_1, region: LYON, slug: slug("cell-1") })]),
        written([
            claim::Event::Claimed {
                kind: claim::Kind::Hostname,
                value: "shop.example.com".into(),
                holder: PRODUCTION.0,
            },
            claim::Event::Released { holder: PRODUCTION.0 },
        ]),
        written([
            deployment::Event::Created(created(GREEN)),
            deployment::Event::Validated(validated(GREEN)),
            deployment::Event::Failed { reason: "the artifact names no process to start".into() },
        ]),
        written([
            environment::Event::Created(production()),
            environment::Event::Scaled { by: THIRD, replicas: environment::Replicas(3) },
            environment::Event::PolicySet {
                policy: environment::Policy { approvals_required: 1 },
                reason: because("four eyes"),
            },
            environment::Event::PromotionApproved(approval(ALICE)),
            environment::Event::SleepPolicySet(environment::SleepPolicy { sleep_after_seconds: 900 }),
            environment::Event::DrainPolicySet(environment::DrainPolicy { drain_seconds: 60, standby_seconds: 600 }),
            environment::Event::ResidencySet {
                residency: environment::Residency([LYON, BERGEN].into()),
                reason: because("the customers' contract"),
            },
            environment::Event::RegionEnabled(enabled()),
            environment::Event::RegionDisabled { region: BERGEN, reason: because("its lease ends"), at: Some(at(5)) },
        ]),
        written(hosts()),
        written([
            migrations::Event::Recorded(ran("0002_drop_notes", Impact::Destructive, Epoch(2))),
            restored(&["0002_drop_notes"]),
        ]),
        written(operations()),
        written([project::Event::Created(project::Created {
            id: SITES,
            workspace: ACME,
            slug: slug("sites"),
            name: name("Sites"),
        })]),
        written(bindings::provider_bindings()),
        written([refusal::Event::Recorded { refused: refused(), at: at(1) }]),
        written([region::Event::Created(region::Created { id: LYON, slug: slug("lyon"), name: name("Lyon") })]),
        written(routes()),
        written(tokens()),
        written([variables()]),
        written(bindings::runtime_services()),
        written(workspaces()),
    ]
    .concat()
}

fn written<E: Event>(events: impl IntoIterator<Item = E>) -> Vec<Encoded> {
    events.into_iter().map(|event| encode(&event).expect("a sample is a payload")).collect()
}

fn allocations() -> [allocation::Event; 9] {
    [
        allocation::Event::Planned(planned(allocation(1), GREEN, Epoch(1))),
        allocation::Event::Pulling {},
        allocation::Event::Starting { digest: GREEN_BYTES },
        ready(GREEN),
        allocation::Event::Restarted { restarts: 1, exit: "signal 9".into() },
        allocation::Event::Draining { reason: "its standby is over".into(), deadline: Some(at(131)) },
        allocation::Event::Stopped { sessions_ended: 2 },
        allocation::Event::Failed { reason: "exit 1".into(), cause: Some(allocation::Cause::AppExited) },
        allocation::Event::SessionsClosed(allocation::Closed {
            edge: crate::ids::EdgeId(uuid::Uuid::from_u128(0xed9e)),
            boot: uuid::Uuid::from_u128(0xb007),
            deadline: at(131),
            sessions: 1_000,
        }),
    ]
}

fn apps() -> [app::Event; 6] {
    let host = SourceHost::parse("host", "git.example.com").expect("a host");
    let credential = SourceCredential {
        host: host.clone(),
        username: Username::parse("username", "deploy-bot").expect("a user"),
        generation: EnvSet(2),
        digest: GREEN_BYTES,
        value: crate::ids::ValueId(uuid::Uuid::from_u128(0x5ec)),
        at: at(1),
    };
    let created = app::Created { id: SHOP, workspace: ACME, project: SITES, slug: slug("shop"), name: name("Shop") };
    let source = app_source::Source {
        repository: app_source::repository("repository", "https://git.example.com/acme/shop.git").expect("an address"),
        reference: GitReference::parse("reference", "main").expect("a branch"),
    };
    [
        app::Event::Created(created.clone()),
        app::Event::Imported(app::Imported { created, source: source.clone() }),
        app::Event::SourceSet(source.clone()),
        app::Event::SourceRemoved { repository: source.repository },
        app::Event::SourceCredentialSet(credential),
        app::Event::SourceCredentialRemoved { host, generation: EnvSet(2) },
    ]
}

fn hosts() -> Vec<host::Event> {
    vec![
        host::Event::Created(host::Created { id: HOST_1, region: LYON, cell: CELL_1, slug: slug("host-1") }),
        host::Event::Cordoned { reason: because("a new kernel"), by: Some(FIRST) },
        host::Event::Uncordoned { reason: because("it runs the new kernel"), by: Some(FIRST) },
        host::Event::CapacitySet { allocations: 16 },
        host::Event::DrainBegun { by: FIRST },
        host::Event::UpgradeConfirmed(host::Upgrade {
            by: FIRST,
            os: name("Debian 12.9"),
            runner: name("0.2.0"),
            note: because("rebooted, then checked by hand"),
            at: at(9),
        }),
        host::Event::Retired { reason: because("its board burnt") },
    ]
}

fn operations() -> [operation::Event; 6] {
    let evidence = operation::Evidence {
        gates: vec![operation::Gate {
            kind: "artifact".into(),
            verdict: operation::Verdict::Pass,
            reason: "exactly these bytes were validated".into(),
            evidence: "the store holds exactly these bytes".into(),
        }],
        epoch: Some(Epoch(2)),
        digest: Some(GREEN_BYTES),
        edges: vec![operation::EdgeProof {
            edge: NORTH_EDGE,
            applied: FeedSeq(9),
            allocation: Some(allocation(1)),
            digest: GREEN_BYTES,
        }],
        allocations: vec![operation::AllocationProof {
            allocation: allocation(1),
            host: HOST_1,
            state: allocation::State::Stopped,
            sessions_ended: 2,
        }],
        sessions: Some(Fate::Hydrate),
        fetched: Some(deploy::Fetched {
            attempt: Fence(1),
            commit: Some(Commit::parse("commit", &"1f".repeat(20)).expect("a commit")),
            took_ms: 840,
        }),
        built: Some(deploy::Built {
            attempt: Fence(1),
            plan: "python".into(),
            sandbox: Some("bubblewrap".into()),
            size: 4_096,
            files: 3,
            took_ms: 1_200,
        }),
        promotion: Some(SECOND),
        attempt: Some(Fence(1)),
        until: Some(at(3_600)),
    };
    [
        operation::Event::Requested(requested(operation::Kind::Rollback, Epoch(2))),
        operation::Event::StageEntered { stage: operation::Stage::Healthy, evidence },
        operation::Event::Failed(operation::Failure {
            code: "STALE_EPOCH".into(),
            message: "the route has changed".into(),
            expected: Some("1".into()),
            actual: Some("2".into()),
            route_changed: false,
        }),
        operation::Event::CancelRequested { reason: because("too early") },
        operation::Event::Cancelled { reason: because("too early") },
        operation::Event::LateReportRecorded { attempt: Fence(3), report: "the route has changed".into() },
    ]
}

fn refused() -> refusal::Refused {
    refusal::Refused {
        command: "deploymentPromote".into(),
        target: StreamId::new("route_owner", PRODUCTION.0),
        app: Some(SHOP),
        environment: Some(PRODUCTION),
        code: "STALE_EPOCH".into(),
        message: "the route has changed: expected epoch 1, it is at 2".into(),
        expected: Some("1".into()),
        actual: Some("2".into()),
        actor: ALICE,
    }
}

fn routes() -> [route_owner::Event; 16] {
    let (reason, drain) = (because("checkout is broken"), |deployment| Some(Drain { deployment, deadline: at(131) }));
    let digest: Digest = GREEN_BYTES;
    [
        route_owner::Event::Opened(opened()),
        route_owner::Event::HostAttached { host: hostname("shop.example.com") },
        route_owner::Event::HostDetached { host: hostname("shop.example.com") },
        route_owner::Event::Promoted {
            by: FIRST,
            epoch: Epoch(2),
            owner: owner(GREEN),
            at: at(101),
            drain: drain(BLUE),
        },
        route_owner::Event::RolledBack {
            by: THIRD,
            epoch: Epoch(3),
            owner: owner(BLUE),
            at: at(101),
            drain: drain(GREEN),
            reason: reason.clone(),
        },
        route_owner::Event::Pinned(route_owner::Pin { deployment: BLUE, by: THIRD, reason: reason.clone() }),
        route_owner::Event::PinReleased { reason: because("fixed") },
        route_owner::Event::Quarantined { digest, reason },
        route_owner::Event::QuarantineLifted { digest, reason: because("patched") },
        route_owner::Event::Frozen { reason: because("sale") },
        route_owner::Event::Unfrozen { reason: because("the sale is over") },
        route_owner::Event::EpochRaised { epoch: Epoch(9), reason: because("restored from a backup") },
        route_owner::Event::Slept { by: SECOND, sleep_generation: SleepGeneration(3), at: at(101) },
        route_owner::Event::Woken { by: SECOND, sleep_generation: SleepGeneration(3), at: at(101) },
        route_owner::Event::WakeFailed {
            by: SECOND,
            sleep_generation: SleepGeneration(4),
            at: at(101),
            retry_at: at(106),
        },
        route_owner::Event::Moved(moved()),
    ]
}

fn workspaces() -> [workspace::Event; 10] {
    let contact_email = Sealed {
        subject: ALICE.0.into(),
        field: "workspace.contact_email".into(),
        nonce: "AAAAAAAAAAAAAAAA".into(),
        ciphertext: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
    };
    [
        workspace::Event::Created {
            id: ACME,
            slug: slug("acme"),
            name: name("Acme"),
            contact_email: Some(contact_email),
            owner: ALICE,
        },
        workspace::Event::MemberAdded { actor: ALICE, role: workspace::Role::Owner },
        workspace::Event::MemberRoleChanged { actor: ALICE, role: workspace::Role::Admin },
        workspace::Event::MemberRemoved { actor: ALICE },
        workspace::Event::GrantsSet {
            actor: ALICE,
            reach: workspace::Reach::Environment(PRODUCTION),
            grants: [Grant::PromoteProduction, Grant::RollBack].into(),
        },
        workspace::Event::SupportGranted {
            access: SUPPORT,
            user: ALICE,
            reason: because("the cart is empty"),
            until: at(3_600),
        },
        workspace::Event::SupportEnded { access: SUPPORT },
        workspace::Event::MemberInvited {
            invitation: INVITATION,
            role: workspace::Role::Member,
            secret: GREEN_BYTES,
            by: ALICE,
            since: at(0),
            until: at(3_600),
        },
        workspace::Event::InvitationRevoked { invitation: INVITATION },
        workspace::Event::InvitationAccepted { invitation: INVITATION, actor: ALICE, role: workspace::Role::Member },
    ]
}

fn tokens() -> [token::Event; 6] {
    let secret = || token::Secret { digest: GREEN_BYTES, hint: "x7Qk".into() };
    let limits = token::Limits {
        workspace: Some(ACME),
        narrowing: Narrowing::Only([Grant::Deploy].into()),
        until: Some(at(3_600)),
    };
    let id = TokenId(uuid::Uuid::from_u128(0x70ce));
    let of = |holder, name: &str, limits| token::Described { id, actor: ALICE, holder, name: self::name(name), limits };
    let runner = token::Holder::Runner(HOST_1);
    [
        token::Event::Created { token: of(token::Holder::Person, "ci", limits.clone()), secret: secret(), at: at(0) },
        token::Event::Issued { token: of(runner, "runner 1", token::Limits::default()), secret: secret(), at: at(0) },
        token::Event::Found { token: of(token::Holder::Person, "laptop", limits), made: at(0) },
        token::Event::Rotated { secret: secret(), at: at(60) },
        token::Event::Revoked { at: at(90) },
        token::Event::Withdrawn { at: at(90) },
    ]
}

fn variables() -> variables::Event {
    let key = |text: &str| variables::Key::parse("key", text).expect("a key");
    let entry = variables::Entry {
        kind: variables::Kind::Secret,
        digest: GREEN_BYTES,
        value: crate::ids::ValueId(uuid::Uuid::from_u128(0x5ec)),
        sealed_in: EnvSet(2),
        counted: 256,
    };
    variables::Event::Changed {
        lane: variables::Lane { workspace: ACME, app: SHOP, environment: PRODUCTION },
        to: EnvSet(2),
        set: [(key("DATABASE_URL"), entry)].into(),
        unset: [key("OLD_FLAG")].into(),
        at: at(1),
    }
}

//! Every refusal of every noun, as callers get it: code, field, expected and actual, words; and every code with which a gate
//! closes. `domain/refusals.md` is the catalogue that people read; a variant that is not listed here does not compile.
//! Trap: a code or a field that changes under the feet of whoever programs against it, and no test that notices.

use crate::{
    aggregate::Rejection as Said,
    allocation, app,
    authorization::{Grant, Narrowing, Unauthorized},
    backend, claim, deployment, environment,
    environment::{Replicas, Residency},
    gate::Code,
    host,
    host_drain::headroom::Missing,
    ids::AllocationId,
    migrations,
    numbers::{EnvSet, Epoch, SleepGeneration},
    operation::{self, Stage},
    provider_binding,
    refusal::code::{OF_RULES, is_refusal},
    region_failover, route_owner, runtime_service_binding,
    source_credential::SourceHost,
    story::{BERGEN, BLUE, BLUE_BYTES, FIRST, GREEN_BYTES, LYON, because, bindings::binding_id, slug},
    text::MigrationName,
    token, variables, workspace,
};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};
use uuid::Uuid;

mod failures;

type Row = (&'static str, String, Option<&'static str>, Option<(String, String)>, String);

fn row<R: Said>(noun: &'static str, one: &R) -> Row {
    (noun, one.code().to_owned(), one.field(), one.expected_and_actual(), one.to_string())
}

/// The rows of one noun; the match is there so that a new variant does not compile until it has its row.
macro_rules! of {
    ($noun:literal, $type:ty { $($pattern:pat => $sample:expr),+ $(,)? }) => {{
        fn listed(one: &$type) -> Row {
            match one { $($pattern => row($noun, one),)+ }
        }
        vec![$(listed(&$sample)),+]
    }};
}

fn key() -> variables::Key {
    variables::Key::parse("key", "TOKEN").expect("a key")
}

fn migration() -> MigrationName {
    MigrationName::parse("id", "0001_orders").expect("a name")
}

fn only(region: crate::ids::RegionId) -> Residency {
    Residency(BTreeSet::from([region]))
}

fn of_routes() -> Vec<Row> {
    use route_owner::Rejection as R;
    let (expected, actual) = (Epoch(41), Epoch(42));
    of!("route_owner", R {
        R::NotFound => R::NotFound,
        R::Exists => R::Exists,
        R::StaleEpoch { .. } => R::StaleEpoch { expected, actual },
        R::Frozen { .. } => R::Frozen { reason: because("sale") },
        R::Pinned { .. } => R::Pinned { deployment: BLUE, reason: because("broken") },
        R::Quarantined { .. } => R::Quarantined { digest: GREEN_BYTES, reason: because("broken") },
        R::NeverOwned { .. } => R::NeverOwned { deployment: BLUE },
        R::IsOwner { .. } => R::IsOwner { deployment: BLUE },
        R::NotPinned => R::NotPinned,
        R::NotQuarantined { .. } => R::NotQuarantined { digest: GREEN_BYTES },
        R::NotFrozen => R::NotFrozen,
        R::HostNotAttached => R::HostNotAttached,
        R::HostReserved => R::HostReserved,
        R::TooManyHosts => R::TooManyHosts,
        R::NothingToSleep => R::NothingToSleep,
        R::NothingToMove => R::NothingToMove,
        R::IsThere { .. } => R::IsThere { region: LYON },
        R::Asleep { .. } => R::Asleep { generation: SleepGeneration(3) },
        R::NotAsleep => R::NotAsleep,
        R::StaleSleep { .. } => R::StaleSleep { expected: SleepGeneration(3), actual: SleepGeneration(4) },
    })
}

fn of_failovers() -> Vec<Row> {
    use region_failover::Refused as R;
    let stale = route_owner::Rejection::StaleEpoch { expected: Epoch(41), actual: Epoch(42) };
    of!("region failover", R {
        R::Route(_) => R::Route(stale.clone()),
        R::NotEnabled(_) => R::NotEnabled(BERGEN),
    })
}

fn of_environments() -> Vec<Row> {
    use environment::Rejection as R;
    let (expected, actual) = (Replicas(2), Replicas(3));
    of!("environment", R {
        R::Exists => R::Exists,
        R::TooManyApprovals => R::TooManyApprovals,
        R::SleepTooLong => R::SleepTooLong,
        R::DrainTooLong => R::DrainTooLong,
        R::StandbyTooLong => R::StandbyTooLong,
        R::NotFound => R::NotFound,
        R::LeavesOut { .. } => R::LeavesOut { residency: only(BERGEN), left_out: BTreeSet::from([LYON]) },
        R::OutsideResidency { .. } => R::OutsideResidency { residency: only(LYON), region: BERGEN },
        R::Home(_) => R::Home(LYON),
        R::AlreadyEnabled(_) => R::AlreadyEnabled(BERGEN),
        R::NotEnabled(_) => R::NotEnabled(BERGEN),
        R::TrafficThere(_) => R::TrafficThere(BERGEN),
        R::StaleReplicas { .. } => R::StaleReplicas { expected, actual },
    })
}

fn of_operations() -> Vec<Row> {
    use operation::Rejection as R;
    of!("operation", R {
        R::Exists => R::Exists,
        R::NotFound => R::NotFound,
        R::NotFrom { .. } => R::NotFrom { from: Stage::Requested, to: Stage::Healthy },
        R::RouteChanged => R::RouteChanged,
        R::TooLate(_) => R::TooLate(Stage::Binding),
        R::Ended(_) => R::Ended(Stage::Healthy),
        R::ReasonMissing => R::ReasonMissing,
    })
}

fn of_what_runs() -> Vec<Row> {
    use crate::database_impact::Impact;
    use allocation::{Rejection as R, State};
    use deployment::Rejection as D;
    use migrations::Rejection as M;
    let allocations = of!("allocation", R {
        R::Exists => R::Exists,
        R::NotFound => R::NotFound,
        R::NotFrom { .. } => R::NotFrom { from: State::Stopped, to: State::Ready },
        R::WrongDigest { .. } => R::WrongDigest { expected: BLUE_BYTES, actual: GREEN_BYTES },
    });
    let deployments = of!("deployment", D {
        D::Exists => D::Exists,
        D::NotFound => D::NotFound,
        D::Failed(_) => D::Failed("no process".into()),
        D::NotValidated(_) => D::NotValidated("it was not validated".into()),
    });
    let ran = of!("migrations", M {
        M::OtherBytes { .. } => M::OtherBytes { id: migration(), expected: BLUE_BYTES, actual: GREEN_BYTES },
        M::OtherImpact { .. } => {
            M::OtherImpact { id: migration(), expected: Impact::Additive, actual: Impact::Destructive }
        },
        M::NotRecorded(_) => M::NotRecorded(migration()),
    });
    [deployments, allocations, ran].concat()
}

fn of_hosts() -> Vec<Row> {
    use host::Rejection as R;
    let hosts = of!("host", R {
        R::Exists => R::Exists,
        R::NotFound => R::NotFound,
        R::NotCordoned => R::NotCordoned,
        R::NotDraining => R::NotDraining,
        R::HeldByDrain { .. } => R::HeldByDrain { by: FIRST },
        R::HeldByHand => R::HeldByHand,
        R::TakesNone { .. } => R::TakesNone { state: host::State::Draining },
        R::Retired => R::Retired,
        R::Heard { .. } => R::Heard { seconds: 4 },
        R::NobodyHeard { .. } => R::NobodyHeard { seconds: 60 },
        R::Full { .. } => R::Full { capacity: 8 },
        R::TooLarge => R::TooLarge,
    });
    let lacks = [
        Missing::Quorum { heard: 1, hosts: 3 },
        Missing::Headroom { needed: 2, free: 1 },
        Missing::Sessions { allocation: AllocationId(Uuid::from_u128(7)), open: 4, seconds: 60, left: 30 },
        Missing::Drift { what: "another digest runs".into() },
    ];
    let drains =
        lacks.iter().map(|one| ("host drain", one.code().to_owned(), None, one.expected_and_actual(), one.to_string()));
    hosts.into_iter().chain(drains).collect()
}

fn of_workspaces() -> Vec<Row> {
    use Unauthorized as U;
    use claim::Rejection as C;
    use token::Rejection as T;
    use workspace::{Rejection as R, Role};
    let workspaces = of!("workspace", R {
        R::Exists => R::Exists,
        R::NotFound => R::NotFound,
        R::NoMember => R::NoMember,
        R::MemberExists { .. } => R::MemberExists { role: Role::Admin },
        R::LastOwner => R::LastOwner,
        R::NotYoursToGive { .. } => R::NotYoursToGive { grant: Grant::RollBack },
        R::WorkspaceWide { .. } => R::WorkspaceWide { grant: Grant::MembersManage },
        R::SupportTooLong => R::SupportTooLong,
        R::NoSupport => R::NoSupport,
        R::InvitationTooLong => R::InvitationTooLong,
        R::TooManyInvitations => R::TooManyInvitations,
        R::NoInvitation => R::NoInvitation,
        R::InvitationGone => R::InvitationGone,
    });
    let everybody = of!("every noun", U {
        U::WrongWriter { .. } => U::WrongWriter {
            command: "route_owner.promote",
            writer: crate::actor::Writer::Runner,
            allowed: "promotion".into(),
        },
        U::GrantMissing { .. } => U::GrantMissing { grant: Grant::RollBack, held: "member".into() },
        U::TokenNarrowed { .. } => U::TokenNarrowed {
            command: "workspace.create",
            narrowing: Narrowing::Only(BTreeSet::from([Grant::Deploy])),
        },
    });
    let tokens = of!("token", T {
        T::Exists => T::Exists,
        T::NoToken => T::NoToken,
        T::PassesRightsOn { .. } => T::PassesRightsOn { grant: Grant::MembersManage },
        T::Wider => T::Wider,
        T::OutlivesMaker => T::OutlivesMaker,
        T::Lifetime => T::Lifetime,
        T::NotForAMachine => T::NotForAMachine,
    });
    let claims = of!("claim", C { C::Taken => C::Taken, C::NotHeld => C::NotHeld });
    [workspaces, everybody, tokens, claims].concat()
}

fn of_apps() -> Vec<Row> {
    use app::Rejection as R;
    let host = || SourceHost::parse("host", "git.example.com").expect("a host");
    of!("app", R {
        R::Exists => R::Exists,
        R::NotFound => R::NotFound,
        R::NoSource => R::NoSource,
        R::SourceUnknown => R::SourceUnknown,
        R::ReferenceMissing => R::ReferenceMissing,
        R::NoCredential { .. } => R::NoCredential { host: host() },
        R::TooManyCredentials { .. } => R::TooManyCredentials { count: 51 },
    })
}

fn of_variables() -> Vec<Row> {
    use variables::Rejection as R;
    let (expected, actual) = (EnvSet(3), EnvSet(4));
    of!("variables", R {
        R::OtherLane => R::OtherLane,
        R::Nothing => R::Nothing,
        R::StaleSet { .. } => R::StaleSet { expected, actual },
        R::SealedForAnother { .. } => R::SealedForAnother { expected, actual },
        R::SetAndUnset { .. } => R::SetAndUnset { key: key() },
        R::NotSet { .. } => R::NotSet { key: key() },
        R::ValueTooLong { .. } => R::ValueTooLong { key: key() },
        R::TooMany { .. } => R::TooMany { count: 251 },
        R::TooLarge { .. } => R::TooLarge { bytes: 300_000 },
    })
}

fn of_bindings() -> Vec<Row> {
    use backend::Rejection as B;
    use provider_binding::Rejection as P;
    use runtime_service_binding::Rejection as S;
    let providers = of!("provider_binding", P {
        P::Exists => P::Exists,
        P::NotFound => P::NotFound,
        P::AlreadyBound(_) => P::AlreadyBound(binding_id(1)),
        P::Impossible(_) => P::Impossible("email is reached over http".into()),
        P::Disabled => P::Disabled,
    });
    let services = of!("runtime_service_binding", S {
        S::Exists => S::Exists,
        S::NotFound => S::NotFound,
        S::AlreadyBound(_) => S::AlreadyBound(binding_id(1)),
        S::Impossible(_) => S::Impossible("a queue is not made of memory".into()),
        S::Disabled => S::Disabled,
    });
    let backends = of!("backend", B {
        B::SharedDatabase { .. } => {
            B::SharedDatabase { kind: environment::Kind::Preview, slug: slug("preview-7") }
        },
        B::ForeignDatabase => B::ForeignDatabase,
        B::BroadcastIsTruth => B::BroadcastIsTruth,
    });
    [providers, services, backends].concat()
}

fn rows() -> Vec<Row> {
    let routes = [of_routes(), of_failovers()].concat();
    let nouns = [of_workspaces(), of_environments(), routes, of_operations(), of_what_runs()];
    [nouns.concat(), of_hosts(), of_apps(), of_variables(), of_bindings()].concat()
}

fn catalogue() -> String {
    let mut text = String::from(
        "# Refusals\n\nWritten by `UPDATE=1 cargo test -p rhone-domain`; compared by the same test. Gates close with codes of their \
         own, below. Codes and fields only ever grow.\n\n| noun | code | field | expected | actual | in words |\n\
         |---|---|---|---|---|---|\n",
    );
    for (noun, code, field, told, words) in rows() {
        let (expected, actual) = told.unwrap_or_default();
        let field = field.unwrap_or_default();
        writeln!(text, "| {noun} | `{code}` | {field} | {expected} | {actual} | {words} |").expect("a text grows");
    }
    text + &gates() + &failures::section()
}

/// What closed gates say. Their words are their own in each case; what they mean is not.
fn gates() -> String {
    let mut text = String::from(
        "\n## Closed gates\n\nThe gates are in `ARCHITECTURE.md`; `expected`, `actual` and the words depend on what was found.\n\n\
         | code | it means | what opens it |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let (name, meaning, mended) = (code.as_str(), code.meaning(), code.mended_by());
        writeln!(text, "| `{name}` | {} | {mended} |", meaning.trim_end_matches('.')).expect("a text grows");
    }
    text
}

#[test]
fn the_refusals_are_what_the_catalogue_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("refusals.md");
    if std::env::var_os("UPDATE").is_some_and(|asked| asked == "1") {
        fs::write(&file, catalogue()).expect("the catalogue can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, catalogue(), "domain/refusals.md is stale; UPDATE=1 rewrites it");
}

/// The other two are said by `binding/manager.rs`, which has no type of its own for them.
#[test]
fn every_refusal_is_of_the_closed_list_and_nothing_else_is() {
    let said: BTreeSet<String> = rows().into_iter().map(|row| row.1).collect();
    let of_bindings = ["IDENTITY_CHANGED", "NO_CREDENTIAL"].map(str::to_owned);
    let rules: BTreeSet<String> = said.iter().filter(|code| Code::named(code).is_none()).cloned().collect();
    let rules: BTreeSet<String> = rules.into_iter().chain(of_bindings).collect();
    let listed: BTreeSet<String> = OF_RULES.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(listed, rules);
    assert_eq!(listed.len(), OF_RULES.len(), "each once");
    assert!(said.iter().all(|code| is_refusal(code)) && !is_refusal("ALLOCATION_FAILED"));
}

#[test]
fn whoever_says_what_was_expected_says_what_is_so() {
    for (noun, code, _, told, _) in rows() {
        assert!(told.is_none_or(|(expected, actual)| !expected.is_empty() && !actual.is_empty()), "{noun} {code}");
    }
}

#[test]
fn a_refusal_is_the_same_however_deep_it_is_wrapped() {
    use crate::{authorization::Refused, gate::Refusal};
    let stale = || route_owner::Rejection::StaleEpoch { expected: Epoch(1), actual: Epoch(2) };
    let plain = row("", &stale());
    assert_eq!(row("", &Refused::Rule(stale())), plain);
    assert_eq!(row("", &Refusal::of(&stale())), plain);
    let grant = || Unauthorized::GrantMissing { grant: Grant::RollBack, held: "member".into() };
    assert_eq!(row("", &Refused::<route_owner::Rejection>::Unauthorized(grant())), row("", &grant()));
}

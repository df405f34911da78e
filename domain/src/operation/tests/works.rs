//! One work of each kind, and that it says what it is about. The log has it in words; whoever asks must be told the same.

use crate::{
    binding::{BindingWork, Change},
    database_impact::Impact,
    deploy::{Deploy, Origin, Then},
    drain::Drain,
    environment::Replicas,
    host_drain::HostDrain,
    migration::Migration,
    migrations::RanBy,
    numbers::{EnvSet, Epoch, SleepGeneration},
    operation::{Kind, Work},
    region_enablement::Enablement,
    region_failover::Failover,
    scale::Scale,
    session_fate::Fate,
    sleep::Sleep,
    story::{
        ALICE, BERGEN, BLUE, FJORD, GREEN, GREEN_BYTES, HOST_1, PRODUCTION, SHOP, allocation, bergen,
        bindings::binding_id, migration, opened, proof, requested,
    },
    text::{GitReference, Repository},
    wake::Wake,
};
use serde_json::Value;
use std::collections::BTreeSet;

fn deploy() -> Deploy {
    Deploy {
        app: SHOP,
        environment: PRODUCTION,
        deployment: GREEN,
        origin: Origin::Git {
            repository: Repository::parse("repository", "https://example.com/shop").expect("a repository"),
            reference: GitReference::parse("reference", "main").expect("a reference"),
        },
        then: Then::Promote,
        requested_by: ALICE,
    }
}

pub(super) fn works() -> Vec<Work> {
    let of_binding = || BindingWork {
        app: SHOP,
        environment: PRODUCTION,
        binding: binding_id(1),
        change: Change::Verify,
        credential: None,
    };
    let [promotion, rollback] = [Kind::Promotion, Kind::Rollback].map(|kind| requested(kind, Epoch(1)).work);
    let failover = Failover {
        change: promotion.route_change().cloned().expect("a change of owner"),
        from: opened().place(),
        to: bergen(),
        sessions: Fate::StartFresh,
    };
    vec![
        promotion,
        rollback,
        Work::Deploy(Box::new(deploy())),
        Work::RegionFailover(Box::new(failover)),
        Work::RegionEnablement(Enablement {
            app: SHOP,
            environment: PRODUCTION,
            region: BERGEN,
            cell: FJORD,
            topology: None,
        }),
        Work::Scale(Scale {
            app: SHOP,
            environment: PRODUCTION,
            deployment: BLUE,
            from: Replicas(1),
            replicas: Replicas(2),
        }),
        Work::Drain(Drain {
            app: SHOP,
            environment: PRODUCTION,
            deployment: BLUE,
            allocations: vec![allocation(1)],
            drain_seconds: 20,
            sessions: Fate::Hydrate,
        }),
        Work::HostDrain(HostDrain { host: HOST_1 }),
        Work::Migration(Migration {
            app: SHOP,
            environment: PRODUCTION,
            deployment: GREEN,
            migration: migration("0001_orders"),
            digest: GREEN_BYTES,
            impact: Impact::Additive,
            ran_by: RanBy::External,
            evidence: proof("the migration tool said so"),
            acknowledgements: vec![],
        }),
        Work::Wake(Wake {
            app: SHOP,
            environment: PRODUCTION,
            deployment: GREEN,
            artifact: GREEN_BYTES,
            env_set: EnvSet(1),
            expected_epoch: Epoch(1),
            sleep_generation: SleepGeneration(1),
        }),
        Work::Sleep(Sleep {
            app: SHOP,
            environment: PRODUCTION,
            expected_epoch: Epoch(1),
            sleep_generation: SleepGeneration(1),
            idle_seconds: Some(600),
        }),
        Work::ProviderBinding(of_binding()),
        Work::RuntimeServiceBinding(of_binding()),
    ]
}

#[test]
fn there_is_one_work_of_each_kind() {
    let kinds = works().iter().map(Work::kind).collect::<BTreeSet<_>>();
    assert_eq!((works().len(), kinds), (Kind::ALL.len(), Kind::ALL.iter().copied().collect()));
}

#[test]
fn every_work_concerns_the_app_environment_and_deployment_that_the_log_names() {
    let said = |id: Option<String>| id.map_or(Value::Null, Value::String);
    for work in works() {
        let log = serde_json::to_value(&work).expect("it is written");
        let kind = work.kind();
        assert_eq!(log["kind"], kind.as_str());
        assert_eq!(log["app"], said(work.app().map(|id| id.to_string())), "{kind}");
        assert_eq!(log["environment"], said(work.environment().map(|id| id.to_string())), "{kind}");
        assert_eq!(log["deployment"], said(work.deployment().map(|id| id.to_string())), "{kind}");
    }
}

#[test]
fn only_promotion_rollback_and_failover_change_who_is_served_from_where() {
    let changes = works().into_iter().filter(|work| work.route_change().is_some()).map(|work| work.kind());
    assert_eq!(changes.collect::<Vec<_>>(), [Kind::Promotion, Kind::Rollback, Kind::RegionFailover]);
    let failovers = works().into_iter().filter(|work| work.failover().is_some()).map(|work| work.kind());
    assert_eq!(failovers.collect::<Vec<_>>(), [Kind::RegionFailover]);
}

//! Every rule of the route: what each command does, and each reason why it may not. `model` tries random sequences of
//! commands against a naive model, and breaks the rules one by one to see that the model notices.

mod model;
mod place;
mod sleep;
mod traps;

use super::*;
use crate::{
    aggregate::{self, Rejection as _, given},
    feed::Drain,
    ids::{DeploymentId, OperationId, RegionId},
    story::{
        BLUE, BLUE_BYTES, FIRST, GREEN, GREEN_BYTES, LYON, PRODUCTION, SECOND, THIRD, at, because, host, opened, owner,
    },
};

const BROKEN: &str = "checkout is broken";

fn is_open() -> Event {
    Event::Opened(opened())
}

fn change(by: OperationId, expected: u64, to: DeploymentId) -> Change {
    Change { by, expected: Epoch(expected), owner: owner(to), at: at(100), drain_until: at(130) }
}

fn promote(by: OperationId, expected: u64, to: DeploymentId) -> Command {
    Command::Promote(change(by, expected, to))
}

fn roll_back(by: OperationId, expected: u64, to: DeploymentId) -> Command {
    Command::RollBack { change: change(by, expected, to), reason: because(BROKEN) }
}

fn promoted(by: OperationId, epoch: u64, to: DeploymentId, left: Option<DeploymentId>) -> Event {
    let drain = left.map(|deployment| Drain { deployment, deadline: at(130) });
    Event::Promoted { by, epoch: Epoch(epoch), owner: owner(to), at: at(100), drain }
}

fn rolled_back() -> Vec<Event> {
    let drain = Some(Drain { deployment: GREEN, deadline: at(130) });
    vec![
        Event::RolledBack {
            by: THIRD,
            epoch: Epoch(3),
            owner: owner(BLUE),
            at: at(100),
            drain,
            reason: because(BROKEN),
        },
        Event::Pinned(Pin { deployment: BLUE, by: THIRD, reason: because(BROKEN) }),
        Event::Quarantined { digest: GREEN_BYTES, reason: because(BROKEN) },
    ]
}

/// BLUE owns the traffic, at epoch 1.
fn blue() -> Vec<Event> {
    vec![is_open(), promoted(FIRST, 1, BLUE, None)]
}

/// GREEN took it over, at epoch 2.
fn green() -> Vec<Event> {
    [blue(), vec![promoted(SECOND, 2, GREEN, Some(BLUE))]].concat()
}

/// BLUE has it back, at epoch 3: pinned, and GREEN's bytes in quarantine.
fn back() -> Vec<Event> {
    [green(), rolled_back()].concat()
}

fn and(mut events: Vec<Event>, then: Event) -> Vec<Event> {
    events.push(then);
    events
}

fn released() -> Event {
    Event::PinReleased { reason: because("fixed") }
}

fn frozen() -> Event {
    Event::Frozen { reason: because("sale") }
}

fn stale(expected: u64, actual: u64) -> Rejection {
    Rejection::StaleEpoch { expected: Epoch(expected), actual: Epoch(actual) }
}

fn pinned() -> Rejection {
    Rejection::Pinned { deployment: BLUE, reason: because(BROKEN) }
}

fn quarantined() -> Rejection {
    Rejection::Quarantined { digest: GREEN_BYTES, reason: because(BROKEN) }
}

fn state(events: &[Event]) -> RouteOwner {
    aggregate::fold(events)
}

#[test]
fn a_route_is_opened_once_and_the_same_again_is_no_event() {
    let elsewhere = Opened { region: RegionId(uuid::Uuid::nil()), ..opened() };
    given::<RouteOwner>([]).when(Command::Open(opened())).then([is_open()]);
    given::<RouteOwner>([is_open()]).when(Command::Open(opened())).then([]);
    given::<RouteOwner>([is_open()]).when(Command::Open(elsewhere)).then_rejected(&Rejection::Exists);
}

#[test]
fn nothing_is_asked_of_a_route_that_is_not_open() {
    let commands = [
        Command::AttachHost { host: host("shop.example.com") },
        Command::DetachHost { host: host("shop.example.com") },
        promote(FIRST, 0, BLUE),
        roll_back(FIRST, 0, BLUE),
        Command::ReleasePin { reason: because("fixed") },
        Command::LiftQuarantine { digest: GREEN_BYTES, reason: because("fixed") },
        Command::Freeze { reason: because("sale") },
        Command::Unfreeze { reason: because("sale") },
        Command::RaiseEpoch { floor: Epoch(9), reason: because("restored") },
    ];
    for command in commands {
        given::<RouteOwner>([]).when(command).then_rejected(&Rejection::NotFound);
    }
}

#[test]
fn neither_gate_opens_on_a_route_that_is_not_open() {
    let nobody = RouteOwner::default();
    assert_eq!(nobody.may_promote(Epoch(0), BLUE_BYTES), Err(Rejection::NotFound));
    assert_eq!(nobody.may_roll_back(Epoch(0), BLUE, BLUE_BYTES), Err(Rejection::NotFound));
}

#[test]
fn the_first_promotion_gives_the_route_its_owner_at_epoch_1_and_drains_nobody() {
    given::<RouteOwner>([is_open()]).when(promote(FIRST, 0, BLUE)).then([promoted(FIRST, 1, BLUE, None)]);
}

#[test]
fn a_promotion_raises_the_epoch_by_one_and_drains_the_owner_it_left() {
    given::<RouteOwner>(blue()).when(promote(SECOND, 1, GREEN)).then([promoted(SECOND, 2, GREEN, Some(BLUE))]);
}

#[test]
fn promoting_the_owner_again_drains_nobody() {
    given::<RouteOwner>(blue()).when(promote(SECOND, 1, BLUE)).then([promoted(SECOND, 2, BLUE, None)]);
}

#[test]
fn a_promotion_is_rejected_when_the_epoch_is_stale_or_from_the_future() {
    given::<RouteOwner>(green()).when(promote(THIRD, 1, GREEN)).then_rejected(&stale(1, 2));
    given::<RouteOwner>(green()).when(promote(THIRD, 3, GREEN)).then_rejected(&stale(3, 2));
}

#[test]
fn of_two_operations_decided_on_one_epoch_the_second_is_rejected() {
    let first = state(&blue()).decide(promote(SECOND, 1, GREEN)).expect("nothing holds the route");
    given::<RouteOwner>([blue(), first].concat()).when(promote(THIRD, 1, BLUE)).then_rejected(&stale(1, 2));
}

#[test]
fn the_same_operation_again_is_no_event() {
    given::<RouteOwner>(green()).when(promote(SECOND, 1, GREEN)).then([]);
    given::<RouteOwner>(back()).when(roll_back(THIRD, 2, BLUE)).then([]);
}

#[test]
fn an_operation_that_was_overtaken_is_judged_like_any_other() {
    given::<RouteOwner>(green()).when(promote(FIRST, 0, BLUE)).then_rejected(&stale(0, 2));
}

#[test]
fn a_frozen_route_refuses_promotions_until_it_is_unfrozen() {
    let refused = Rejection::Frozen { reason: because("sale") };
    given::<RouteOwner>(and(blue(), frozen())).when(promote(SECOND, 1, GREEN)).then_rejected(&refused);
    let thawed = and(and(blue(), frozen()), Event::Unfrozen { reason: because("over") });
    given::<RouteOwner>(thawed).when(promote(SECOND, 1, GREEN)).then([promoted(SECOND, 2, GREEN, Some(BLUE))]);
}

#[test]
fn a_freeze_does_not_stop_a_rollback() {
    given::<RouteOwner>(and(green(), frozen())).when(roll_back(THIRD, 2, BLUE)).then(rolled_back());
}

#[test]
fn freezing_twice_is_no_event_and_what_is_not_frozen_is_not_unfrozen() {
    given::<RouteOwner>(blue()).when(Command::Freeze { reason: because("sale") }).then([frozen()]);
    given::<RouteOwner>(and(blue(), frozen())).when(Command::Freeze { reason: because("other") }).then([]);
    given::<RouteOwner>(blue())
        .when(Command::Unfreeze { reason: because("over") })
        .then_rejected(&Rejection::NotFrozen);
}

#[test]
fn a_rollback_pins_and_quarantines_what_it_left() {
    given::<RouteOwner>(green()).when(roll_back(THIRD, 2, BLUE)).then(rolled_back());
}

#[test]
fn a_rollback_between_deployments_of_the_same_bytes_quarantines_nothing() {
    let twin = Owner { deployment: GREEN, ..owner(BLUE) };
    let event = Event::Promoted { by: SECOND, epoch: Epoch(2), owner: twin, at: at(100), drain: None };
    given::<RouteOwner>(and(blue(), event)).when(roll_back(THIRD, 2, BLUE)).then(rolled_back()[..2].to_vec());
}

#[test]
fn a_rollback_is_rejected_when_the_epoch_is_stale() {
    given::<RouteOwner>(green()).when(roll_back(THIRD, 1, BLUE)).then_rejected(&stale(1, 2));
}

#[test]
fn a_rollback_to_the_owner_is_rejected() {
    given::<RouteOwner>(green())
        .when(roll_back(THIRD, 2, GREEN))
        .then_rejected(&Rejection::IsOwner { deployment: GREEN });
}

#[test]
fn a_rollback_to_what_never_owned_the_route_is_rejected() {
    let never = |deployment| Rejection::NeverOwned { deployment };
    given::<RouteOwner>(blue()).when(roll_back(SECOND, 1, GREEN)).then_rejected(&never(GREEN));
    given::<RouteOwner>([is_open()]).when(roll_back(FIRST, 0, BLUE)).then_rejected(&never(BLUE));
}

#[test]
fn a_rollback_to_other_bytes_than_the_deployment_had_is_rejected() {
    let rebuilt = Change { owner: Owner { artifact: GREEN_BYTES, ..owner(BLUE) }, ..change(THIRD, 2, BLUE) };
    given::<RouteOwner>(green())
        .when(Command::RollBack { change: rebuilt, reason: because(BROKEN) })
        .then_rejected(&Rejection::NeverOwned { deployment: BLUE });
}

#[test]
fn a_promotion_is_rejected_until_the_pin_is_released() {
    let untouched = Change { owner: Owner { artifact: BLUE_BYTES, ..owner(GREEN) }, ..change(FIRST, 3, GREEN) };
    let state = || Command::Promote(untouched.clone());
    given::<RouteOwner>(back()).when(state()).then_rejected(&pinned());
    given::<RouteOwner>(back()).when(Command::ReleasePin { reason: because("fixed") }).then([released()]);
    assert_eq!(self::state(&and(back(), released())).decide(state()).map(|events| events.len()), Ok(1));
}

#[test]
fn what_is_not_pinned_is_not_released() {
    let release = || Command::ReleasePin { reason: because("fixed") };
    given::<RouteOwner>(green()).when(release()).then_rejected(&Rejection::NotPinned);
    given::<RouteOwner>(and(back(), released())).when(release()).then_rejected(&Rejection::NotPinned);
}

#[test]
fn a_quarantine_outlives_the_pin_until_it_is_lifted() {
    let lift = || Command::LiftQuarantine { digest: GREEN_BYTES, reason: because("patched") };
    let lifted = || Event::QuarantineLifted { digest: GREEN_BYTES, reason: because("patched") };
    let free = and(back(), released());
    given::<RouteOwner>(free.clone()).when(promote(FIRST, 3, GREEN)).then_rejected(&quarantined());
    given::<RouteOwner>(free.clone()).when(lift()).then([lifted()]);
    given::<RouteOwner>(and(free, lifted())).when(promote(SECOND, 3, GREEN)).then([promoted(
        SECOND,
        4,
        GREEN,
        Some(BLUE),
    )]);
}

#[test]
fn a_lifted_quarantine_leaves_the_pin() {
    let lifted = Event::QuarantineLifted { digest: GREEN_BYTES, reason: because("patched") };
    given::<RouteOwner>(and(back(), lifted)).when(promote(FIRST, 3, GREEN)).then_rejected(&pinned());
}

#[test]
fn a_rollback_works_while_pinned_but_not_into_quarantine() {
    given::<RouteOwner>(back()).when(roll_back(FIRST, 3, GREEN)).then_rejected(&quarantined());
    let lifted = Event::QuarantineLifted { digest: GREEN_BYTES, reason: because("patched") };
    let again = state(&and(back(), lifted)).decide(roll_back(FIRST, 3, GREEN)).expect("a rollback while pinned");
    assert!(again.contains(&Event::Pinned(Pin { deployment: GREEN, by: FIRST, reason: because(BROKEN) })));
    assert!(again.contains(&Event::Quarantined { digest: BLUE_BYTES, reason: because(BROKEN) }));
}

#[test]
fn what_is_not_quarantined_is_not_lifted() {
    given::<RouteOwner>(green())
        .when(Command::LiftQuarantine { digest: GREEN_BYTES, reason: because("patched") })
        .then_rejected(&Rejection::NotQuarantined { digest: GREEN_BYTES });
}

#[test]
fn after_a_restore_the_epoch_rises_and_never_falls() {
    let raise = |floor| Command::RaiseEpoch { floor: Epoch(floor), reason: because("restored") };
    let raised = Event::EpochRaised { epoch: Epoch(9), reason: because("restored") };
    given::<RouteOwner>(green()).when(raise(9)).then([raised.clone()]);
    given::<RouteOwner>(green()).when(raise(2)).then([]);
    given::<RouteOwner>(green()).when(raise(1)).then([]);
    let after = state(&and(green(), raised));
    assert_eq!((after.epoch, after.owner), (Epoch(9), Some(owner(GREEN))));
}

#[test]
fn hosts_are_attached_and_detached_once() {
    let shop = || host("shop.example.com");
    let attached = || Event::HostAttached { host: shop() };
    given::<RouteOwner>([is_open()]).when(Command::AttachHost { host: shop() }).then([attached()]);
    given::<RouteOwner>([is_open(), attached()]).when(Command::AttachHost { host: shop() }).then([]);
    given::<RouteOwner>([is_open(), attached()])
        .when(Command::DetachHost { host: shop() })
        .then([Event::HostDetached { host: shop() }]);
    given::<RouteOwner>([is_open()])
        .when(Command::DetachHost { host: shop() })
        .then_rejected(&Rejection::HostNotAttached);
}

#[test]
fn a_name_of_the_platforms_own_is_nobodys_to_attach() {
    for name in ["rhone.app", "shop.rhone.app"] {
        given::<RouteOwner>([is_open()])
            .when(Command::AttachHost { host: host(name) })
            .then_rejected(&Rejection::HostReserved);
    }
    // What was attached before the rule stays, and may go.
    let before = || Event::HostAttached { host: host("shop.rhone.app") };
    given::<RouteOwner>([is_open(), before()])
        .when(Command::DetachHost { host: host("shop.rhone.app") })
        .then([Event::HostDetached { host: host("shop.rhone.app") }]);
}

#[test]
fn a_route_has_at_most_a_hundred_hosts() {
    let full =
        || (0..100).map(|n| Event::HostAttached { host: host(&format!("h{n}.example.com")) }).collect::<Vec<_>>();
    let all = || [vec![is_open()], full()].concat();
    given::<RouteOwner>(all())
        .when(Command::AttachHost { host: host("one-more.example.com") })
        .then_rejected(&Rejection::TooManyHosts);
    given::<RouteOwner>(all()).when(Command::AttachHost { host: host("h7.example.com") }).then([]);
}

#[test]
fn epoch_and_revision_order_everything_the_edges_are_told() {
    let events = and(and(back(), released()), frozen());
    let mut route = RouteOwner::default();
    let mut told = vec![];
    for event in &events {
        route.apply(event);
        told.extend(route.route().map(|route| (route.epoch, route.revision)));
    }
    assert_eq!(told.len(), events.len());
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
}

#[test]
fn the_edges_are_told_the_owner_its_hosts_and_whom_to_drain() {
    assert_eq!(RouteOwner::default().route(), None);
    let attached = Event::HostAttached { host: host("shop.example.com") };
    let told = state(&and(green(), attached)).route().expect("an open route");
    assert_eq!((told.environment, told.region, told.epoch), (PRODUCTION, LYON, Epoch(2)));
    assert_eq!((told.owner, told.hosts), (Some(owner(GREEN)), vec!["shop.example.com".to_owned()]));
    assert_eq!(told.drain, Some(Drain { deployment: BLUE, deadline: at(130) }));
}

#[test]
fn a_stale_epoch_names_its_field_and_both_epochs() {
    let refused = stale(42, 43);
    assert_eq!((refused.code(), refused.field()), ("STALE_EPOCH", Some("expectedRouteEpoch")));
    assert_eq!(refused.expected_and_actual(), Some(("42".into(), "43".into())));
    assert_eq!(refused.to_string(), "the route has changed: expected epoch 42, it is at 43");
}

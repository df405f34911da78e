//! Budgets one beside the other: who pays, who is spared, and what is remembered. A minute's budget is so small here, or so
//! large, that what comes back during a test changes nothing.

use super::*;
use std::net::Ipv4Addr;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

fn rates(narrow: impl FnOnce(&mut RateLimits)) -> Rates {
    let mut limits = RateLimits::of_one_machine();
    narrow(&mut limits);
    Rates::new(&limits, now)
}

fn account(token: u128, user: u128, workspace: Option<u128>) -> Accounts {
    Accounts { token: Uuid::from_u128(token), user: Uuid::from_u128(user), workspace: workspace.map(Uuid::from_u128) }
}

fn standing(refused: Result<Standing, Fault>) -> Standing {
    let fault = refused.expect_err("it is refused");
    assert_eq!(fault.code, Code::RateLimited);
    (*fault.rate.expect("it says how it stands")).clone()
}

#[test]
fn what_the_narrowest_refuses_costs_the_wider_ones_nothing() {
    let rates = rates(|limits| (limits.token, limits.user) = (Budget::a_minute(6), Budget::a_minute(9)));
    rates.spend(account(1, 1, None), None, 6).expect("all of the token's");
    for _ in 0..100 {
        assert_eq!(standing(rates.spend(account(1, 1, None), None, 3)).whose, Whose::Token);
    }
    let other = rates.spend(account(2, 1, None), None, 3).expect("the user still has three");
    assert_eq!((other.whose, other.remaining), (Whose::User, 0));
    assert_eq!(standing(rates.spend(account(3, 1, None), None, 3)).whose, Whose::User);
    rates.spend(account(4, 2, None), None, 6).expect("another user has it all");
}

#[test]
fn a_refusal_says_what_is_left_and_when_it_is_enough() {
    let rates = rates(|limits| limits.token = Budget::a_minute(6));
    let spent = rates.spend(account(1, 1, None), None, 4).expect("four of six");
    assert_eq!((spent.limit, spent.cost, spent.remaining, spent.retry_after_seconds), (6, 4, 2, None));
    assert_eq!(spent.reset_at, now() + chrono::TimeDelta::seconds(40));
    let refused = standing(rates.spend(account(1, 1, None), None, 4));
    assert_eq!((refused.limit, refused.cost, refused.remaining), (6, 4, 2));
    let seconds = refused.retry_after_seconds.expect("it says when");
    assert!((11..=20).contains(&seconds), "two come back in 20 seconds: {seconds}");
    assert_eq!(refused.reset_at, now() + chrono::TimeDelta::seconds(40));
}

#[test]
fn a_cost_above_the_budget_is_all_of_it_and_a_cost_of_nothing_is_one() {
    let rates = rates(|limits| limits.token = Budget::a_minute(6));
    assert_eq!(rates.spend(account(1, 1, None), None, u32::MAX).expect("it may be spent").remaining, 0);
    assert_eq!(rates.spend(account(2, 2, None), None, 0).expect("it may be spent").remaining, 5);
}

#[test]
fn a_workspace_is_paid_by_its_tokens_and_by_every_change_of_it() {
    let rates = rates(|limits| limits.workspace = Budget::a_minute(CHANGE + 5));
    let shop = Uuid::from_u128(7);
    rates.spend(account(1, 1, Some(7)), None, 5).expect("five");
    rates.spend_change(account(2, 2, None), shop).expect("what is left");
    let refused = rates.spend_change(account(3, 3, None), shop).expect_err("nothing is left");
    assert_eq!(refused.rate.expect("it says how it stands").whose, Whose::Workspace);
    rates.spend_change(account(3, 3, None), Uuid::from_u128(8)).expect("another workspace is another budget");
}

#[test]
fn a_refusal_is_paid_by_who_asked_and_not_by_the_workspace() {
    let rates = rates(|limits| {
        limits.token = Budget::a_minute(CHANGE);
        limits.workspace = Budget::a_minute(CHANGE);
    });
    rates.spend_refusal(account(1, 1, None)).expect("all of it");
    let refused = rates.spend_refusal(account(1, 1, None)).expect_err("nothing is left");
    assert_eq!(refused.rate.expect("it says how it stands").whose, Whose::Token);
    rates.spend_change(account(2, 2, None), Uuid::from_u128(7)).expect("the workspace has all of its own");
}

#[test]
fn an_address_pays_for_whoever_calls_from_its_network() {
    let rates = rates(|limits| limits.address = Budget::a_minute(6));
    let from = |address: &str| Some(address.parse().expect("an address"));
    rates.spend(account(1, 1, None), from("2001:db8::1"), 6).expect("all of it");
    assert_eq!(standing(rates.spend(account(2, 2, None), from("2001:db8::2"), 1)).whose, Whose::Address);
    rates.spend(account(2, 2, None), from("2001:db8:0:1::2"), 1).expect("another network");
    rates.spend(account(2, 2, None), None, 1).expect("nobody knows from where");
}

#[test]
fn only_failures_cost_and_only_past_the_budget_an_address_is_not_heard() {
    let rates = rates(|limits| limits.failures = Budget::a_minute(3));
    let (bad, good) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
    for _ in 0..100 {
        rates.may_try(bad).expect("asking costs nothing");
    }
    for _ in 0..3 {
        rates.failed(bad);
        rates.may_try(bad).expect("it has not spent it all");
    }
    rates.failed(bad);
    let refused = rates.may_try(bad).expect_err("it has");
    assert_eq!(refused.rate.expect("it says when").limit, 3);
    rates.may_try(good).expect("its neighbour is heard");
    rates.may_try(None).expect("nobody knows from where");
}

#[test]
fn whoever_has_all_of_a_budget_again_is_forgotten_and_whoever_has_not_is_not() {
    let rates = rates(|limits| {
        limits.user = Budget::a_minute(6);
        limits.failures = Budget::a_minute(1);
        // A unit of this comes back within 15 nanoseconds.
        (limits.token, limits.address) = (Budget::a_minute(4_000_000_000), Budget::a_minute(4_000_000_000));
    });
    for number in 0..1_000 {
        let address = IpAddr::V4(Ipv4Addr::from_bits(number));
        rates.spend(account(number.into(), 1, None), Some(address), 0).ok();
    }
    rates.failed(Some(IpAddr::from([192, 0, 2, 1])));
    let before = rates.remembered();
    assert!(before >= 1_000, "{before}");
    rates.forget();
    assert_eq!(rates.remembered(), 2, "the user and the address that failed");
}

//! Times are as fine as the log keeps them, ids rise, and a manual clock repeats itself.

use super::*;
use std::collections::BTreeSet;

#[test]
fn a_time_has_whole_microseconds() {
    let clock = Clock::manual("2026-01-02T03:04:05.123456789Z".parse().expect("a time"));
    assert_eq!(clock.now().timestamp_subsec_nanos(), 123_456_000);
    clock.advance(Duration::nanoseconds(300));
    assert_eq!(clock.now().timestamp_subsec_nanos(), 123_457_000);
    assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000, 0);
}

#[test]
fn ids_are_of_version_7_and_rise_even_within_a_millisecond() {
    for clock in [Clock::system(), Clock::manual("2026-01-02T03:04:05Z".parse().expect("a time"))] {
        let ids = (0..10_000).map(|_| clock.new_id::<Uuid>()).collect::<Vec<_>>();
        assert!(ids.is_sorted(), "{clock:?}");
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}

#[test]
fn a_manual_clock_gives_the_same_ids_again_and_its_clones_share_them() {
    let clock = || Clock::manual("2026-01-02T03:04:05Z".parse().expect("a time"));
    let (one, other) = (clock(), clock());
    let id = one.new_id::<Uuid>();
    assert_eq!(id, other.new_id::<Uuid>());
    assert_ne!(id, one.clone().new_id::<Uuid>());
}

#[test]
fn secrets_differ_and_are_long() {
    assert_ne!(secret(), secret());
    assert_eq!(secret().len(), 43);
}

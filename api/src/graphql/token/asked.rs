//! What a new token shall be less than its holder, checked. The trap: a token that makes a wider one; nothing here goes beyond
//! the token that asks, in rights, in reach or in time.

use crate::{
    fault::{Code, Fault},
    graphql::member,
    identity::Limits,
};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::authorization::{Grant, Narrowing};

/// How long a token is valid when nobody says otherwise.
const USUAL: TimeDelta = TimeDelta::days(90);
/// The longest.
const LONGEST: TimeDelta = TimeDelta::days(366);
/// The shortest.
const SHORTEST: TimeDelta = TimeDelta::seconds(60);

/// The limits of a new token, made with one that has these.
pub(crate) fn limits(
    own: &Limits,
    grants: Option<&[String]>,
    expires_in: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Limits, Fault> {
    let narrowing = match grants {
        None => own.narrowing.clone(),
        Some(words) => {
            let only = Narrowing::only(member::grants(words)?).map_err(never)?;
            if !own.narrowing.covers(&only) {
                return Err(wider("grants", "no token makes one that may more than itself"));
            }
            only
        }
    };
    Ok(Limits { narrowing, until: Some(until(own, expires_in, now)?) })
}

/// Whoever deals in tokens may change something.
pub(crate) fn changes(own: &Limits) -> Result<(), Fault> {
    if own.narrowing.reads_only() {
        return Err(Fault::new(Code::Forbidden, "a token that only reads makes, rotates and revokes none"));
    }
    Ok(())
}

fn until(own: &Limits, expires_in: Option<i64>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Fault> {
    const FIELD: &str = "expiresInSeconds";
    let Some(seconds) = expires_in else {
        return Ok(own.until.map_or(now + USUAL, |own| own.min(now + USUAL)));
    };
    let lasts = TimeDelta::try_seconds(seconds).filter(|lasts| (SHORTEST..=LONGEST).contains(lasts));
    let until = now + lasts.ok_or_else(|| Fault::bad_input(FIELD, "must be 60 or more, and at most 366 days"))?;
    match own.until {
        Some(own) if until > own => Err(wider(FIELD, "no token makes one that is valid longer than itself")),
        Some(_) | None => Ok(until),
    }
}

fn never(grant: Grant) -> Fault {
    Fault::bad_input("grants", format!("must not hold {grant}: a narrowed token passes no rights on"))
}

fn wider(field: &'static str, rule: &'static str) -> Fault {
    let mut fault = Fault::new(Code::Forbidden, format!("{field}: {rule}"));
    (fault.field, fault.rule) = (Some(field.into()), Some(rule.into()));
    fault
}

#[cfg(test)]
mod tests {
    //! A new token is never more than the one that made it.
    use super::*;
    use std::collections::BTreeSet;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn own(grants: Option<&[Grant]>, lasts: Option<TimeDelta>) -> Limits {
        let narrowing = grants.map_or(Narrowing::Whole, |grants| Narrowing::Only(grants.iter().copied().collect()));
        Limits { narrowing, until: lasts.map(|lasts| now() + lasts) }
    }

    fn words(grants: &[&str]) -> Vec<String> {
        grants.iter().map(|&grant| grant.to_owned()).collect()
    }

    #[test]
    fn what_is_not_said_is_what_the_maker_has_for_ninety_days_at_most() {
        for lasts in [None, Some(TimeDelta::days(300)), Some(TimeDelta::days(3))] {
            let own = own(Some(&[Grant::Deploy]), lasts);
            let made = limits(&own, None, None, now()).expect("nothing is asked");
            assert_eq!(made.narrowing, own.narrowing);
            assert_eq!(made.until, Some(now() + lasts.unwrap_or(USUAL).min(USUAL)));
        }
    }

    #[test]
    fn no_token_makes_one_that_may_more_or_lives_longer() {
        let own = own(Some(&[Grant::Deploy, Grant::RollBack]), Some(TimeDelta::days(3)));
        let made = limits(&own, Some(&words(&["deploy"])), Some(60), now()).expect("it is narrower");
        assert_eq!(made.narrowing, Narrowing::Only(BTreeSet::from([Grant::Deploy])));
        assert_eq!(made.until, Some(now() + SHORTEST));
        let refused = limits(&own, Some(&words(&["deploy", "scale"])), None, now()).expect_err("scale is more");
        assert_eq!((refused.code, refused.field.as_deref()), (Code::Forbidden, Some("grants")));
        let refused = limits(&own, None, Some(4 * 86_400), now()).expect_err("four days are more than three");
        assert_eq!((refused.code, refused.field.as_deref()), (Code::Forbidden, Some("expiresInSeconds")));
    }

    #[test]
    fn nonsense_names_its_field_and_nobody_puts_what_passes_rights_on_into_a_token() {
        let whole = own(None, None);
        for seconds in [i64::MIN, -1, 0, 59, LONGEST.num_seconds() + 1, i64::MAX] {
            let refused = limits(&whole, None, Some(seconds), now()).expect_err("out of bounds");
            assert_eq!(refused.field.as_deref(), Some("expiresInSeconds"), "{seconds}");
        }
        for word in ["members_manage", "support_grant", "workspace_manage", "fly"] {
            let refused = limits(&whole, Some(&words(&[word])), None, now()).expect_err("not in a token");
            assert_eq!((refused.code, refused.field.as_deref()), (Code::BadUserInput, Some("grants")), "{word}");
        }
        let reads = limits(&whole, Some(&[]), Some(LONGEST.num_seconds()), now()).expect("a token that only reads");
        assert!(changes(&reads).is_err() && changes(&whole).is_ok());
    }
}

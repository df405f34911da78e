//! What a new token shall be less than its holder, read. Whether that is not more than what made it is the token's own rule.

use crate::{fault::Fault, graphql::member};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    authorization::Narrowing,
    ids::WorkspaceId,
    token::{LONGEST, Limits, SHORTEST},
};

/// How long a token is valid when nobody says otherwise.
const USUAL: TimeDelta = TimeDelta::days(90);

/// What was asked for; what was not said is what the maker has.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) narrowing: Option<Narrowing>,
    pub(crate) lasts: Option<TimeDelta>,
}

impl Asked {
    /// Reads the input.
    pub(crate) fn read(
        workspace: Option<WorkspaceId>,
        grants: Option<&[String]>,
        expires_in: Option<i64>,
    ) -> Result<Self, Fault> {
        let narrowing = grants.map(|words| member::grants(words).map(Narrowing::Only)).transpose()?;
        Ok(Self { workspace, narrowing, lasts: expires_in.map(lasts).transpose()? })
    }

    /// The limits of a token that one with these makes now.
    pub(crate) fn limits(&self, own: &Limits, now: DateTime<Utc>) -> Limits {
        let usual = || own.until.map_or(now + USUAL, |own| own.min(now + USUAL));
        Limits {
            workspace: self.workspace.or(own.workspace),
            narrowing: self.narrowing.clone().unwrap_or_else(|| own.narrowing.clone()),
            until: Some(self.lasts.map_or_else(usual, |lasts| now + lasts)),
        }
    }

    /// The same words for the same request.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:?}", (self.workspace, &self.narrowing, self.lasts))
    }
}

/// No number of seconds that is no time; the token says how long it may be.
fn lasts(seconds: i64) -> Result<TimeDelta, Fault> {
    let lasts = TimeDelta::try_seconds(seconds).filter(|lasts| (SHORTEST..=LONGEST).contains(lasts));
    lasts.ok_or_else(|| Fault::bad_input("expiresInSeconds", "must be 60 or more, and at most 366 days"))
}

#[cfg(test)]
mod tests {
    //! What is not said is what the maker has; what is nonsense names its field.
    use super::*;
    use crate::fault::Code;
    use rhone_domain::authorization::Grant;
    use std::collections::BTreeSet;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn own(lasts: Option<TimeDelta>) -> Limits {
        let narrowing = Narrowing::Only(BTreeSet::from([Grant::Deploy]));
        let workspace = Some(WorkspaceId(uuid::Uuid::from_u128(7)));
        Limits { workspace, narrowing, until: lasts.map(|lasts| now() + lasts) }
    }

    #[test]
    fn what_is_not_said_is_what_the_maker_has_for_ninety_days_at_most() {
        for lasts in [None, Some(TimeDelta::days(300)), Some(TimeDelta::days(3))] {
            let own = own(lasts);
            let made = Asked::read(None, None, None).expect("nothing is asked").limits(&own, now());
            assert_eq!((&made.narrowing, made.workspace), (&own.narrowing, own.workspace));
            assert_eq!(made.until, Some(now() + lasts.unwrap_or(USUAL).min(USUAL)));
        }
    }

    #[test]
    fn what_is_said_is_taken_as_it_is() {
        let workspace = Some(WorkspaceId(uuid::Uuid::from_u128(8)));
        let asked = Asked::read(workspace, Some(&["scale".to_owned()]), Some(60)).expect("sound");
        let made = asked.limits(&own(None), now());
        let narrowing = Narrowing::Only(BTreeSet::from([Grant::Scale]));
        assert_eq!(made, Limits { workspace, narrowing, until: Some(now() + SHORTEST) });
        let reads = Asked::read(None, Some(&[]), None).expect("sound").limits(&own(None), now());
        assert!(reads.narrowing.reads_only());
    }

    #[test]
    fn nonsense_names_its_field() {
        for seconds in [i64::MIN, -1, 0, 59, LONGEST.num_seconds() + 1, i64::MAX] {
            let refused = Asked::read(None, None, Some(seconds)).expect_err("out of bounds");
            assert_eq!((refused.code, refused.field.as_deref()), (Code::BadUserInput, Some("expiresInSeconds")));
        }
        let refused = Asked::read(None, Some(&["fly".to_owned()]), None).expect_err("no grant");
        assert_eq!((refused.code, refused.field.as_deref()), (Code::BadUserInput, Some("grants")));
    }
}

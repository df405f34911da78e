//! A moment of the past, in the words of clients: a version or a time, or neither for now.

use crate::{fault::Fault, graphql::time::Time};
use async_graphql::InputObject;
use rhone_domain::numbers::Version;
use rhone_eventstore::AsOf;

/// A moment: a version or a time; neither means now.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub(crate) struct MomentInput {
    /// Up to and with this event of the stream.
    version: Option<i64>,
    /// Up to and with what the log had received by then.
    time: Option<Time>,
}

/// What a client said of a moment.
pub(crate) fn as_of(field: &'static str, moment: Option<MomentInput>) -> Result<AsOf, Fault> {
    match moment.unwrap_or_default() {
        MomentInput { version: None, time: None } => Ok(AsOf::Latest),
        MomentInput { version: None, time: Some(time) } => Ok(AsOf::Time(time.read(format!("{field}.time"))?)),
        MomentInput { version: Some(version), time: None } => match u64::try_from(version) {
            Ok(version) if version > 0 => Ok(AsOf::Version(Version(version))),
            _ => Err(Fault::bad_input(field, "must be a version from 1 on")),
        },
        MomentInput { version: Some(_), time: Some(_) } => {
            Err(Fault::bad_input(field, "must be a version or a time, and not both"))
        }
    }
}

#[cfg(test)]
mod tests {
    //! A moment is read, or refused by its field.
    use super::*;
    use chrono::{DateTime, Utc};

    #[test]
    fn a_moment_is_a_version_or_a_time_or_now() {
        let time = Some(DateTime::<Utc>::UNIX_EPOCH);
        let said = |version, time: Option<DateTime<Utc>>| {
            as_of("at", Some(MomentInput { version, time: time.map(Time::from) })).ok()
        };
        assert_eq!(as_of("at", None).ok(), Some(AsOf::Latest));
        assert_eq!(said(Some(3), None), Some(AsOf::Version(Version(3))));
        assert_eq!(said(None, time), time.map(AsOf::Time));
        for (version, time) in [(Some(3), time), (Some(0), None), (Some(-1), None)] {
            assert_eq!(said(version, time), None);
        }
    }
}

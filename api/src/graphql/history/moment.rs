//! A moment of the past, in the words of clients: a version, a time or a position of the log, or none of them for now.

use crate::{
    fault::Fault,
    graphql::{context::position, time::Time},
};
use async_graphql::{Context, InputObject};
use chrono::{DateTime, Utc};
use rhone_domain::numbers::Version;
use rhone_eventstore::{AsOf, Position};

/// A moment: a version, a time or a position of the log; none of them means now.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct MomentInput {
    /// Up to and with this event of the stream.
    version: Option<i64>,
    /// Up to and with what the log had received by then.
    time: Option<Time>,
    /// Up to and with what stands in the log up to there, as a payload or an event gave it.
    position: Option<String>,
}

/// What a client said of a moment.
pub(crate) fn as_of(ctx: &Context<'_>, field: &'static str, moment: Option<MomentInput>) -> Result<AsOf, Fault> {
    let moment = moment.unwrap_or_default();
    let time = moment.time.map(|time| time.read(format!("{field}.time"))).transpose()?;
    one_of(field, (moment.version, time, position(ctx, field, moment.position.as_deref())?))
}

/// A version, a time, a position.
type Said = (Option<i64>, Option<DateTime<Utc>>, Option<Position>);

fn one_of(field: &'static str, said: Said) -> Result<AsOf, Fault> {
    match said {
        (None, None, None) => Ok(AsOf::Latest),
        (None, Some(time), None) => Ok(AsOf::Time(time)),
        (None, None, Some(position)) => Ok(AsOf::Position(position)),
        (Some(version), None, None) => match u64::try_from(version) {
            Ok(version) if version > 0 => Ok(AsOf::Version(Version(version))),
            _ => Err(Fault::bad_input(field, "must be a version from 1 on")),
        },
        _ => Err(Fault::bad_input(field, "must be a version, a time or a position, and only one of them")),
    }
}

#[cfg(test)]
mod tests {
    //! A moment is read, or refused by its field.
    use super::*;

    #[test]
    fn a_moment_is_a_version_or_a_time_or_a_position_or_now() {
        let (time, position) = (Some(DateTime::<Utc>::UNIX_EPOCH), Some(Position::START));
        let said = |version, time, position| one_of("at", (version, time, position)).ok();
        assert_eq!(said(None, None, None), Some(AsOf::Latest));
        assert_eq!(said(Some(3), None, None), Some(AsOf::Version(Version(3))));
        assert_eq!(said(None, time, None), time.map(AsOf::Time));
        assert_eq!(said(None, None, position), position.map(AsOf::Position));
        for (version, time, position) in [
            (Some(3), time, None),
            (Some(3), None, position),
            (None, time, position),
            (Some(0), None, None),
            (Some(-1), None, None),
        ] {
            assert_eq!(said(version, time, position), None);
        }
    }
}

//! The words of `rhone logs`.

use chrono::{DateTime, Duration, Utc};
use clap::{ArgGroup, Args};

/// `rhone logs`.
#[derive(Clone, Debug, Default, Args)]
#[command(group(ArgGroup::new("whose").required(true).multiple(true)
    .args(["app", "environment", "deployment", "allocation", "operation"])))]
pub struct LogsArgs {
    /// Of this app.
    #[arg(long)]
    pub app: Option<String>,
    /// Of this environment.
    #[arg(long)]
    pub environment: Option<String>,
    /// Of this deployment.
    #[arg(long)]
    pub deployment: Option<String>,
    /// Of this allocation.
    #[arg(long)]
    pub allocation: Option<String>,
    /// Of this operation: what its build printed.
    #[arg(long)]
    pub operation: Option<String>,
    /// Go on with what is printed from now on, for ever; a connection that breaks is taken up where it broke.
    #[arg(short, long)]
    pub follow: bool,
    /// Printed then or later: a time such as 2026-11-20T12:00:00Z, or as long ago as 90s, 15m, 1h or 2d.
    #[arg(long, value_parser = moment)]
    pub since: Option<Moment>,
    /// Printed before, in the same words.
    #[arg(long, value_parser = moment, conflicts_with = "follow")]
    pub until: Option<Moment>,
    /// With this text in them, in whatever case.
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// How many of the newest lines, where --since does not say from when on.
    #[arg(short = 'n', long, default_value_t = 100, conflicts_with = "since")]
    pub tail: u32,
    /// Print JSON with the names of the API, a line each.
    #[arg(long)]
    pub json: bool,
}

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Then.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// When that is.
    pub(crate) fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(long) => now - long,
        }
    }
}

fn moment(text: &str) -> Result<Moment, &'static str> {
    const RULE: &str = "must be a time such as 2026-11-20T12:00:00Z, or 90s, 15m, 1h, 2d";
    if let Ok(at) = text.parse::<DateTime<Utc>>() {
        return Ok(Moment::At(at));
    }
    let unit = text.chars().last().ok_or(RULE)?;
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| RULE)?;
    let number = i64::from(number);
    let long = match unit {
        's' => Duration::seconds(number),
        'm' => Duration::minutes(number),
        'h' => Duration::hours(number),
        'd' if number <= 36_500 => Duration::days(number),
        _ => return Err(RULE),
    };
    Ok(Moment::Ago(long))
}

#[cfg(test)]
mod tests {
    //! Moments as people say them.
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("90s"), Ok(Moment::Ago(Duration::seconds(90))));
        assert_eq!(moment("2d"), Ok(Moment::Ago(Duration::days(2))));
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        assert_eq!(moment("2026-11-20T12:00:00Z"), Ok(Moment::At(now)));
        let hour = moment("1h").expect("an hour").before(now);
        assert_eq!(hour.to_rfc3339(), "2026-11-20T11:00:00+00:00");
        for wrong in ["", "h", "1", "1w", "-1h", "1.5h", "yesterday", "40000d", "1ü"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}

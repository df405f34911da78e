//! `rhone rebuild`: a projection from zero, beside the live one.

use crate::{
    config::{Database, required, section},
    data::Data,
    output::line,
};
use anyhow::{Context as _, Result, bail};
use rhone_eventstore::{Clock, postgres::connect};
use rhone_projections::{
    catalogue::Catalogue,
    deployments::Deployments,
    projection::Projection,
    rebuild::{RebuildError, Rebuilt, rebuild},
    schema::Form,
    timeline::Timeline,
};
use serde::Serialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What can be rebuilt, as the command line takes it.
pub(crate) const NAMES: [&str; 3] = [Catalogue::NAME, Deployments::NAME, Timeline::NAME];

/// `rhone rebuild`.
pub(crate) async fn run(data: &Data, projection: &str, as_json: bool) -> Result<()> {
    let (mut admin, projector) = connected(&section(data, "database")?).await?;
    say(projection, anew(projection, &mut admin, &projector).await?, as_json);
    Ok(())
}

/// What came of building every projection of a database anew.
#[derive(Debug, Default)]
pub(crate) struct Every {
    /// Rows that were compared, and are the same.
    pub(crate) same: i64,
    pub(crate) not_compared: Vec<NotCompared>,
    /// What differs, in words.
    pub(crate) differing: Vec<String>,
}

/// A projection whose rows were of another version than this program's, so that there was nothing to compare.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotCompared {
    pub(crate) read_model: &'static str,
    /// Of the rows that were replaced.
    pub(crate) version: i32,
    /// As many as were built anew.
    pub(crate) rows: i64,
}

impl Every {
    fn take(&mut self, read_model: &'static str, rebuilt: Result<Rebuilt>) -> Result<()> {
        let Rebuilt { tables, form, .. } = match rebuilt {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                let Some(RebuildError::Differs { table, differing, .. }) = error.downcast_ref::<RebuildError>() else {
                    return Err(error);
                };
                self.differing.push(format!("{read_model} in {differing} rows of table {table}"));
                return Ok(());
            }
        };
        let rows: i64 = tables.iter().map(|(_, rows)| rows).sum();
        match form {
            Form::Same => self.same += rows,
            Form::Other { live } => self.not_compared.push(NotCompared { read_model, version: live, rows }),
        }
        Ok(())
    }
}

/// Every projection of this database, also after one that differs.
pub(crate) async fn every(database: &Database) -> Result<Every> {
    let (mut admin, projector) = connected(database).await?;
    let mut every = Every::default();
    for projection in NAMES {
        every.take(projection, anew(projection, &mut admin, &projector).await)?;
    }
    projector.close().await;
    admin.close().await?;
    Ok(every)
}

async fn connected(database: &Database) -> Result<(PgConnection, PgPool)> {
    let admin_url = required("database.admin_url", database.admin_url.as_ref())?;
    let admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    let projector_url = required("database.projector_url", database.projector_url.as_ref())?;
    let projector = connect(projector_url, "rhone rebuild", 4).await.context("connecting as the projector")?;
    Ok((admin, projector))
}

async fn anew(projection: &str, admin: &mut PgConnection, projector: &PgPool) -> Result<Rebuilt> {
    let owner = Clock::system().new_id::<Uuid>().to_string();
    let rebuilt = match projection {
        Catalogue::NAME => rebuild::<Catalogue>(admin, projector, &owner).await,
        Deployments::NAME => rebuild::<Deployments>(admin, projector, &owner).await,
        Timeline::NAME => rebuild::<Timeline>(admin, projector, &owner).await,
        other => bail!("there is no projection `{other}`"),
    };
    rebuilt.with_context(|| format!("rebuilding {projection}"))
}

fn say(projection: &str, rebuilt: Rebuilt, as_json: bool) {
    let Rebuilt { events, seconds, tables, form } = rebuilt;
    if as_json {
        let tables: BTreeMap<String, i64> = tables.into_iter().collect();
        let compared = form == Form::Same;
        let said = json!({
            "projection": projection, "events": events, "seconds": seconds, "tables": tables, "compared": compared,
        });
        line(said);
        return;
    }
    let outcome = match form {
        Form::Same => "the same rows as live".to_owned(),
        Form::Other { live } => format!("not compared: the live rows were of version {live}"),
    };
    line(format_args!("{projection}: {events} events in {seconds:.1} s, {outcome}"));
    for (table, rows) in tables {
        line(format_args!("  {table}: {rows} rows"));
    }
}

#[cfg(test)]
mod tests {
    //! What is the same, what differs, and what could not be compared.
    use super::*;

    fn rebuilt(form: Form) -> Rebuilt {
        Rebuilt { events: 3, seconds: 0.1, tables: vec![("entries".to_owned(), 5), ("names".to_owned(), 2)], form }
    }

    /// The sin: rows that were not compared counted as the same, and a difference that ended everything.
    #[test]
    fn rows_that_were_not_compared_are_told_apart_from_those_that_are_the_same() {
        let differs = RebuildError::Differs { table: "entries".to_owned(), differing: 2, live: 6, rebuilt: 5 };
        let mut every = Every::default();
        every.take("deployments", Err(differs).context("rebuilding deployments")).expect("it is told");
        every.take("catalogue", Ok(rebuilt(Form::Same))).expect("it is told");
        every.take("timeline", Ok(rebuilt(Form::Other { live: 4 }))).expect("it is told");
        assert_eq!((every.same, &every.differing[..]), (7, &["deployments in 2 rows of table entries".to_owned()][..]));
        let [one] = &every.not_compared[..] else { panic!("{every:?}") };
        assert_eq!((one.read_model, one.version, one.rows), ("timeline", 4, 7));
        let broken = every.take("timeline", Err(RebuildError::Busy).context("rebuilding timeline"));
        assert!(broken.is_err(), "what failed is no difference");
    }
}

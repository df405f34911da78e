//! `GET /v1/timeline`: a timeline as JSON or CSV, in one stream of any length, under the same filter, the same token and the
//! same row-level security as in GraphQL. The trap avoided: an answer that was cut off and looks whole; JSON is one array, and
//! a page that cannot be read breaks the connection. Each page is paid for, and asks anew whether the token still stands.

mod table;

use super::{
    Infrastructure,
    caller::{self, Origin, paid, within},
    refusal::Refusal,
};
use crate::{
    authenticate::Authenticator as _,
    fault::Fault,
    graphql::{
        context::reached,
        id,
        timeline::{TimelineFilter, TimelineKind},
    },
    identity::Principal,
};
use async_graphql::ID;
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use rhone_domain::ids::WorkspaceId;
use rhone_eventstore::{Cursor, LogIncarnation, Position};
use rhone_projections::{
    catalogue,
    keyset::{Keyset, Towards},
    people,
    session::Session,
    timeline::{self, Entry, Filter},
};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::Arc,
};
use table::{Form, Line};
use uuid::Uuid;

/// Lines that are read at once.
const PAGE: i64 = 500;
/// What a page costs: what as many lines cost in GraphQL with a field or two each.
const COST: u32 = 1_000;

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asked {
    format: Option<String>,
    workspace_id: Option<String>,
    project_id: Option<String>,
    app_id: Option<String>,
    environment_id: Option<String>,
    object_id: Option<String>,
    operation_id: Option<String>,
    correlation: Option<String>,
    actor: Option<String>,
    /// Separated by commas.
    types: Option<String>,
    kind: Option<String>,
    since: Option<String>,
    until: Option<String>,
    at_least_position: Option<String>,
}

/// The lines, as they are read.
pub(super) async fn export(
    State(infrastructure): State<Arc<Infrastructure>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let principal = caller::budgeted(&infrastructure, &headers, origin, COST).await?;
    let Query(asked) =
        asked.map_err(|rejection| Refusal::bad_input(format!("query string: {}", rejection.body_text())))?;
    let form = form(asked.format.as_deref())?;
    let target = position(infrastructure.incarnation, asked.at_least_position.as_deref())?;
    let filter = filter(asked)?;
    let session = Session::new(infrastructure.api.clone(), principal.eyes(), principal.workspace);
    let reader = Reader { infrastructure, principal, origin, session, filter, form };
    let first = within(async {
        if let Some(target) = target {
            reached(reader.session.pool(), target).await?;
        }
        reader.is_seen().await?;
        reader.page(None).await
    });
    let first = first.await?;
    let (kind, name) = form.named();
    let disposition = format!("attachment; filename=\"{name}\"");
    let fixed = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let named = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((fixed, named, Body::from_stream(pages(reader, first))).into_response())
}

fn form(format: Option<&str>) -> Result<Form, Refusal> {
    match format.unwrap_or("json") {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        _ => Err(Refusal::bad_input("format: must be json or csv")),
    }
}

fn position(incarnation: LogIncarnation, text: Option<&str>) -> Result<Option<Position>, Refusal> {
    let read = |text: &str| text.parse::<Cursor>().and_then(|cursor| cursor.continue_in(incarnation));
    text.map(read).transpose().map_err(|error| Refusal::bad_input(format!("atLeastPosition: {error}")))
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Fault> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    text.map(read).transpose().map_err(|_| Fault::bad_input(field, "must be a time such as 2026-11-20T12:00:00Z"))
}

fn filter(asked: Asked) -> Result<Filter, Fault> {
    let workspace = asked.workspace_id.map(|id| id::read::<WorkspaceId>("workspaceId", &ID(id))).transpose()?;
    let kind = match asked.kind.as_deref() {
        None => None,
        Some("EVENT") => Some(TimelineKind::Event),
        Some("REFUSAL") => Some(TimelineKind::Refusal),
        Some("LATE_EVIDENCE") => Some(TimelineKind::LateEvidence),
        Some(_) => return Err(Fault::bad_input("kind", "must be EVENT, REFUSAL or LATE_EVIDENCE")),
    };
    let types = asked.types.map(|types| types.split(',').map(str::to_owned).collect());
    let filter = TimelineFilter {
        project_id: asked.project_id.map(ID),
        app_id: asked.app_id.map(ID),
        environment_id: asked.environment_id.map(ID),
        object_id: asked.object_id.map(ID),
        operation_id: asked.operation_id.map(ID),
        correlation: asked.correlation,
        actor: asked.actor,
        types,
        kind,
        since: time("since", asked.since.as_deref())?.map(Into::into),
        until: time("until", asked.until.as_deref())?.map(Into::into),
    };
    let filter = filter.within(&Filter { workspace, ..Filter::default() })?;
    let chosen = filter.workspace.is_some()
        || filter.project.is_some()
        || filter.app.is_some()
        || filter.environment.is_some()
        || filter.correlation.is_some()
        || !filter.streams.is_empty();
    if !chosen {
        let rule = "one of it, projectId, appId, environmentId, objectId, operationId and correlation must be given";
        return Err(Fault::bad_input("workspaceId", rule));
    }
    Ok(filter)
}

/// Who reads, and what.
struct Reader {
    infrastructure: Arc<Infrastructure>,
    principal: Principal,
    origin: Origin,
    session: Session,
    filter: Filter,
    form: Form,
}

impl Reader {
    /// That the caller may see each place that is asked for; a foreign one is answered as one that is not there.
    async fn is_seen(&self) -> Result<(), Refusal> {
        let places = [
            ("workspaceId", "workspace", self.filter.workspace.map(|id| id.0)),
            ("projectId", "project", self.filter.project.map(|id| id.0)),
            ("appId", "app", self.filter.app.map(|id| id.0)),
            ("environmentId", "environment", self.filter.environment.map(|id| id.0)),
        ];
        let mut transaction = self.session.begin().await?;
        for (field, kind, id) in places {
            let Some(id) = id else { continue };
            if catalogue::by_ids(&mut transaction, kind, &[id]).await?.is_empty() {
                return Err(Refusal::not_found(format!("{field}: there is no such {kind}")));
            }
        }
        Ok(())
    }

    async fn page(&self, from: Option<Position>) -> Result<Page, Refusal> {
        let mut transaction = self.session.begin().await?;
        let keyset = Keyset { from, towards: Towards::Newer, most: PAGE };
        let entries = timeline::page(&mut transaction, &self.filter, &keyset).await?;
        let actors: BTreeSet<Uuid> = entries.iter().map(|entry| entry.actor).collect();
        let names = people::names(&mut transaction, &Vec::from_iter(actors)).await?;
        Ok(Page { entries, names })
    }

    async fn next(&self, from: Position) -> Result<Page, Refusal> {
        paid(&self.infrastructure, &self.principal, self.origin, COST).await;
        within(async {
            self.infrastructure.tokens.still_valid(&self.principal).await?;
            self.page(Some(from)).await
        })
        .await
    }

    fn written(&self, page: &Page, is_first: bool, is_last: bool) -> Bytes {
        let incarnation = self.infrastructure.incarnation;
        let name = |entry: &Entry| page.names.get(&entry.actor).cloned();
        let lines = page.entries.iter().map(|entry| Line::of(entry, name(entry), incarnation));
        self.form.written(lines, is_first, is_last).into()
    }
}

/// Lines, and what their actors are called.
#[derive(Default)]
struct Page {
    entries: Vec<Entry>,
    names: HashMap<Uuid, String>,
}

/// Where a stream of pages stands.
struct Standing {
    reader: Reader,
    page: Page,
    is_first: bool,
}

fn pages(reader: Reader, first: Page) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let standing = Standing { reader, page: first, is_first: true };
    stream::try_unfold(Some(standing), |standing| async move {
        let Some(Standing { reader, page, is_first }) = standing else { return Ok(None) };
        let last = page.entries.last().map(|entry| entry.position);
        let is_full = i64::try_from(page.entries.len()).is_ok_and(|lines| lines == PAGE);
        let after = match last.filter(|_| is_full) {
            Some(last) => reader.next(last).await.map_err(|refusal| io::Error::other(refusal.message))?,
            None => Page::default(),
        };
        let is_last = after.entries.is_empty();
        let bytes = reader.written(&page, is_first, is_last);
        let next = (!is_last).then_some(Standing { reader, page: after, is_first: false });
        Ok(Some((bytes, next)))
    })
}

#[cfg(test)]
mod tests {
    //! What is asked is read, or refused by the name of its field.
    use super::*;

    #[test]
    fn a_question_without_a_place_is_refused_and_so_is_a_word_that_means_nothing() {
        let field = |asked: Asked| filter(asked).expect_err("refused").field.expect("a field").into_owned();
        assert_eq!(field(Asked::default()), "workspaceId");
        assert_eq!(field(Asked { since: Some("yesterday".into()), ..Asked::default() }), "since");
        assert_eq!(field(Asked { kind: Some("REFUSALS".into()), ..Asked::default() }), "kind");
        assert_eq!(field(Asked { types: Some("app.created,app.gone".into()), ..Asked::default() }), "types");
        assert_eq!(field(Asked { app_id: Some("app_7".into()), ..Asked::default() }), "appId");
        assert!(form(Some("xml")).is_err() && form(None).is_ok());
    }
}

//! Where a plan names workspaces, projects, apps and environments. The trap avoided: a new word whose name is sent as if it were an
//! id; a test walks the whole command line.

use super::Plan;
use crate::client::{
    args::{Daily, TokenVerb},
    history_args::Past,
    named::Level,
};
use serde_json::Value;

type Named<'a> = Vec<(Level, &'a mut String)>;

impl Plan {
    /// Every place that is meant, as it was said.
    pub(in crate::client) fn named(&mut self) -> Named<'_> {
        match self {
            Self::Change(_, input)
            | Self::Environment(input)
            | Self::Confidential { input, .. }
            | Self::Telling(_, input) => of_input(input),
            Self::List(listing, Some(id)) => listing.level().map(|level| (level, id)).into_iter().collect(),
            Self::App(app) | Self::Credentials(app) => vec![(Level::App, app)],
            Self::Timeline { app, environment } | Self::Deploy { app, environment, .. } => {
                said([(Level::App, Some(app)), (Level::Environment, environment.as_mut())])
            }
            Self::ShowEnvironment(environment) | Self::Variables(environment) | Self::Secret { environment, .. } => {
                vec![(Level::Environment, environment)]
            }
            Self::Push { workspace, .. } | Self::Members(workspace) => vec![(Level::Workspace, workspace)],
            Self::Invite(asked) => vec![(Level::Workspace, &mut asked.workspace)],
            Self::Build(args) => vec![(Level::Environment, &mut args.environment)],
            Self::Token(TokenVerb::Create { workspace, .. }) => said([(Level::Workspace, workspace.as_mut())]),
            Self::Past(past) => of_past(past),
            Self::Daily(daily) => of_daily(daily),
            Self::Logs(words) => {
                said([(Level::App, words.app.as_mut()), (Level::Environment, words.environment.as_mut())])
            }
            Self::List(_, None)
            | Self::Pack { .. }
            | Self::Image(_)
            | Self::Deployment(_)
            | Self::Operation(_)
            | Self::Watch(_)
            | Self::Accept(_)
            | Self::Token(_)
            | Self::Login { .. }
            | Self::Logout
            | Self::Whoami => Vec::new(),
        }
    }
}

fn said<'a>(places: impl IntoIterator<Item = (Level, Option<&'a mut String>)>) -> Named<'a> {
    places.into_iter().filter_map(|(level, text)| Some((level, text?))).collect()
}

/// By the names that the API has for them.
fn of_input(input: &mut Value) -> Named<'_> {
    let fields = input.as_object_mut().into_iter().flatten();
    fields
        .filter_map(|(field, value)| match (Level::of(field.strip_suffix("Id")?)?, value) {
            (level, Value::String(text)) => Some((level, text)),
            (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => None,
        })
        .collect()
}

fn of_past(past: &mut Past) -> Named<'_> {
    match past {
        Past::Timeline(asked) => said([
            (Level::Workspace, asked.workspace.as_mut()),
            (Level::Project, asked.project.as_mut()),
            (Level::App, asked.app.as_mut()),
            (Level::Environment, asked.environment.as_mut()),
            (Level::Any, asked.object.as_mut()),
        ]),
        Past::History(asked) => vec![(Level::Any, &mut asked.object)],
        Past::Explain(_) | Past::SupportBundle(_) => Vec::new(),
    }
}

fn of_daily(daily: &mut Daily) -> Named<'_> {
    match daily {
        Daily::Link(words) => said([(Level::Environment, words.target.as_mut())]),
        Daily::Open(words) => vec![(Level::Environment, &mut words.environment)],
        Daily::Status(words) => vec![(Level::App, &mut words.app)],
        Daily::Operations(words) => {
            said([(Level::App, Some(&mut words.app)), (Level::Environment, words.only.as_mut())])
        }
        Daily::Import(words) => vec![(Level::Environment, &mut words.environment)],
        Daily::Promote(words) => vec![(Level::Environment, &mut words.environment)],
        Daily::Rollback(words) => vec![(Level::Environment, &mut words.environment)],
        Daily::Route(_) => Vec::new(),
    }
}

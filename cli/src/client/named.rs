//! Names in place of ids: `acme`, `acme/web`, `acme/web/counter`, `acme/web/counter/production`. One question finds the id, by the
//! lists of slugs; ids are left alone. The trap avoided: a name that one command takes and the next one does not; wherever a
//! workspace, a project, an app or an environment is meant, it is found here.

use super::{connection::Connection, failure::Failure, plan::Plan};
use rhone_domain::text::Slug;
use serde_json::{Map, Value};

/// For the help.
pub(crate) const HELP: &str = "\
Names: wherever a workspace, a project, an app or an environment is meant, its id does, and so do slugs:
  acme, acme/web, acme/web/counter, acme/web/counter/production
";

/// The list that has them, and how one of them is called.
const LISTS: [(&str, &str); 4] =
    [("workspaces", "workspace"), ("projects", "project"), ("apps", "app"), ("environments", "environment")];

/// What is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Workspace,
    Project,
    App,
    Environment,
    /// Anything that has an id; only what has several slugs is taken for a name.
    Any,
}

impl Level {
    /// As the API calls it.
    pub(super) fn of(noun: &str) -> Option<Self> {
        match noun {
            "workspace" => Some(Self::Workspace),
            "project" => Some(Self::Project),
            "app" => Some(Self::App),
            "environment" => Some(Self::Environment),
            _ => None,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Project => "project",
            Self::App => "app",
            Self::Environment => "environment",
            Self::Any => "object",
        }
    }

    /// How it is named.
    fn form(self) -> &'static str {
        match self {
            Self::Workspace => "WORKSPACE",
            Self::Project => "WORKSPACE/PROJECT",
            Self::App => "WORKSPACE/PROJECT/APP",
            Self::Environment => "WORKSPACE/PROJECT/APP/ENVIRONMENT",
            Self::Any => "WORKSPACE/PROJECT, with /APP and /ENVIRONMENT",
        }
    }

    fn has(self, slugs: usize) -> bool {
        match self {
            Self::Workspace => slugs == 1,
            Self::Project => slugs == 2,
            Self::App => slugs == 3,
            Self::Environment => slugs == 4,
            Self::Any => (2..=4).contains(&slugs),
        }
    }
}

/// The slugs of a name; none of an id, which has a `_` where no slug has one.
pub(super) fn slugs(level: Level, text: &str) -> Result<Option<Vec<&str>>, Failure> {
    let is_path = text.contains('/');
    if !is_path && (text.contains('_') || level == Level::Any) {
        return Ok(None);
    }
    let slugs: Vec<&str> = text.split('/').collect();
    if !level.has(slugs.len()) || slugs.iter().any(|slug| Slug::parse("slug", slug).is_err()) {
        let (noun, form) = (level.noun(), level.form());
        return Err(Failure::usage(format_args!(
            "{noun}: `{text}` is neither an id nor slugs as in {form}; a slug is 3 to 63 of a-z, 0-9 and -"
        )));
    }
    Ok(Some(slugs))
}

/// The id of what is meant.
pub(crate) async fn id_of(connection: &Connection, level: Level, text: &str) -> Result<String, Failure> {
    let Some(slugs) = slugs(level, text)? else { return Ok(text.to_owned()) };
    let (document, variables) = question(&slugs);
    answered(&slugs, &connection.query(&document, variables).await?)
}

/// The same plan, with ids alone.
pub(super) async fn resolve(connection: &Connection, plan: &mut Plan) -> Result<(), Failure> {
    for (level, text) in plan.named() {
        *text = id_of(connection, level, text).await?;
    }
    Ok(())
}

/// All of the way in one question: of each list the one with that slug.
fn question(slugs: &[&str]) -> (String, Value) {
    let way = &LISTS[..slugs.len()];
    let below = |below: String, (list, noun): &(&str, &str)| {
        format!("{list}(slug: ${noun}, first: 1) {{ nodes {{ id {below} }} }}")
    };
    let asked: Vec<String> = way.iter().map(|(_, noun)| format!("${noun}: String!")).collect();
    let document = format!("query({}) {{ {} }}", asked.join(", "), way.iter().rev().fold(String::new(), below));
    let variables: Map<String, Value> =
        way.iter().zip(slugs).map(|((_, noun), slug)| ((*noun).to_owned(), (*slug).into())).collect();
    (document, variables.into())
}

/// The last one's id, or the first one that is not there.
fn answered(slugs: &[&str], data: &Value) -> Result<String, Failure> {
    let mut at = data;
    for (depth, (slug, (list, noun))) in slugs.iter().zip(LISTS).enumerate() {
        at = &at[list]["nodes"][0];
        if at.is_null() {
            let above = slugs[..depth].join("/");
            let place = if above.is_empty() { String::new() } else { format!(" in {above}") };
            return Err(Failure::absent(format_args!("{noun}: none of yours{place} has the slug `{slug}`")));
        }
    }
    at["id"].as_str().map(str::to_owned).ok_or_else(|| Failure::Unexpected("a thing without an id".into()))
}

#[cfg(test)]
mod tests;

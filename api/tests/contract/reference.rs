//! The reference as people read it: what can be asked first, what it is made of after. In the schema's own words.

use super::model::{Field, Model, Of};
use rhone_api::Code;
use std::fmt::Write as _;

/// What a test sends to a running platform, word for word; the faults follow it.
const EXAMPLES: &str = include_str!("examples.md");

const HEAD: &str = "# The API, field by field\n\n\
    Generated from [schema.graphql](../api/schema.graphql) by `UPDATE=1 cargo test -p rhone-api --test contract`; \
    do not edit. How fields are retired: [deprecation.md](deprecation.md).\n\n\
    **Now, at least, and then.** What was just written is read by handing the payload's `position` to a query as \
    `atLeastPosition`: everything that the query can lead to is awaited, for at most two seconds; what has not come so far by \
    then is not shown, and the answer is `CONFLICT` with the rule `NOT_REACHED`. A position of another life of the log is \
    `CONFLICT` with the rule `RESYNC`. Objects are shown as they are now and take no `asOf` (ADR 0026): the past is asked of \
    `replay(stream, at)` and `why(at)`, at a version, a time or a position; of an app's `replay(at)`, with all that belongs to \
    the app, at a time or a position; and of an environment's `changes(from, to)`, between two times.\n\n\
    **What the caller may do** is told before it is tried: plans (`promotion`, `rollbackPlan`, `scalePlan`, `failover`, \
    `regionReadiness`, `sleepReadiness`, `drainReadiness`) and affordances (`cancellable`, `affordances`) say `allowed`, and if \
    not, the `code` that the mutation would be refused with and the `missingGrant`; `viewerGrants` says what is held in a place.\n";

/// The whole of it.
pub(crate) fn of(model: &Model) -> String {
    let mut text = format!("{HEAD}\n{EXAMPLES}");
    for code in Code::ALL {
        let _ = writeln!(text, "- `{}` ({}): {}", code.as_str(), code.status().as_u16(), code.meaning());
    }
    for (title, root) in [("Queries", "Query"), ("Mutations", "Mutation"), ("Subscriptions", "Subscription")] {
        let _ = write!(text, "\n## {title}\n\n");
        fields(&mut text, &model.types[root].fields);
    }
    for (title, kind) in [("Objects", "object"), ("Interfaces", "interface"), ("Unions", "union")] {
        section(&mut text, model, title, kind);
    }
    for (title, kind) in [("Inputs", "input"), ("Enums", "enum"), ("Scalars", "scalar")] {
        section(&mut text, model, title, kind);
    }
    text
}

fn section(text: &mut String, model: &Model, title: &str, kind: &'static str) {
    let _ = write!(text, "\n## {title}\n");
    // Pages of a connection are all alike.
    let paging = |name: &str| name.ends_with("Connection") || (name.ends_with("Edge") && name != "Edge");
    let roots = ["Query", "Mutation", "Subscription"];
    for (name, of) in model.of_kind(kind).filter(|(name, _)| !roots.contains(&name.as_str()) && !paging(name)) {
        let _ = write!(text, "\n### {name}\n\n");
        if !of.description.is_empty() {
            let _ = write!(text, "{}\n\n", of.description);
        }
        body(text, of);
    }
}

fn body(text: &mut String, of: &Of) {
    match of.kind {
        "enum" => {
            for (value, description) in &of.names {
                let _ = writeln!(text, "- `{value}`{}", said(description));
            }
        }
        "union" => {
            let names: Vec<_> = of.names.iter().map(|(name, _)| format!("`{name}`")).collect();
            let _ = writeln!(text, "One of {}.", names.join(", "));
        }
        _ => fields(text, &of.fields),
    }
}

fn fields(text: &mut String, fields: &[Field]) {
    for field in fields {
        let arguments: Vec<_> = field.arguments.iter().map(argument).collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let default = field.default.as_ref().map(|default| format!(" = {default}")).unwrap_or_default();
        let retired = field.deprecated.as_ref().map(|why| format!(" *Deprecated: {why}*")).unwrap_or_default();
        let (name, kind) = (&field.name, &field.kind);
        let _ = writeln!(text, "- `{name}{arguments}: {kind}{default}`{}{retired}", said(&field.description));
    }
}

fn argument(one: &Field) -> String {
    let default = one.default.as_ref().map(|default| format!(" = {default}")).unwrap_or_default();
    format!("{}: {}{default}", one.name, one.kind)
}

fn said(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(": {description}") }
}

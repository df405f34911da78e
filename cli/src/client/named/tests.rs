//! Every word that means a place takes its name, and a name that finds nothing says which part of it.

use super::*;
use crate::{
    args::{Args, Command},
    client::plan,
};
use clap::{ArgMatches, CommandFactory as _, Parser as _};
use serde_json::json;
use std::collections::BTreeSet;

/// Every command that takes a place, with each of its places by name.
const LINES: [&str; 73] = [
    "project create --workspace acme --slug web",
    "project list --workspace acme",
    "app create --project acme/web --slug counter",
    "app import https://git.example.com/a/b/c.git --project acme/web",
    "app source-set https://git.example.com/a/b/c.git --app acme/web/counter",
    "app source-remove --app acme/web/counter",
    "app list --project acme/web",
    "app show acme/web/counter",
    "app timeline acme/web/counter --environment acme/web/counter/production",
    "environment create --app acme/web/counter --slug production --kind production",
    "environment list --app acme/web/counter",
    "environment show acme/web/counter/production",
    "environment host-attach acme/web/counter/production shop.example.com",
    "environment host-detach acme/web/counter/production shop.example.com",
    "environment drain-policy acme/web/counter/production --drain-seconds 1",
    "environment scale acme/web/counter/production --replicas 2",
    "environment sleep acme/web/counter/production --reason acme",
    "environment wake acme/web/counter/production --reason acme",
    "environment sleep-policy acme/web/counter/production --after-seconds 60",
    "environment policy acme/web/counter/production --approvals 1 --reason acme",
    "environment residency acme/web/counter/production --region reg_1 --reason acme",
    "environment region-enable acme/web/counter/production --region reg_1 --cell cell_1",
    "environment region-disable acme/web/counter/production --region reg_1 --reason acme",
    "environment failover acme/web/counter/production --region reg_1 --sessions hydrate --reason acme",
    "environment freeze acme/web/counter/production --reason acme",
    "environment unfreeze acme/web/counter/production --reason acme",
    "environment pin-release acme/web/counter/production --reason acme",
    "environment quarantine-lift acme/web/counter/production --digest sha256:1 --reason acme",
    "environment rollback acme/web/counter/production --deployment dep_1 --reason acme",
    "env list acme/web/counter/production",
    "env set acme/web/counter/production PLACE=acme/web/counter",
    "env set acme/web/counter/production --secret TOKEN",
    "env unset acme/web/counter/production TOKEN",
    "env import acme/web/counter/production .env",
    "credential set git.example.com --app acme/web/counter",
    "credential list --app acme/web/counter",
    "credential remove git.example.com --app acme/web/counter",
    "artifact push . --workspace acme",
    "deployment create --app acme/web/counter --digest sha256:1 --environment acme/web/counter/production",
    "deployment create --app acme/web/counter --dir . --environment acme/web/counter/production",
    "deployment list --app acme/web/counter",
    "deployment approve dep_1 --environment acme/web/counter/production --digest sha256:1 --expected-epoch 1",
    "deployment promote dep_1 --environment acme/web/counter/production",
    "migration record m1 --environment acme/web/counter/production --deployment dep_1 --evidence acme",
    "migration restore m1 --environment acme/web/counter/production --evidence acme --reason acme",
    "binding provider acme/web/counter/production --resource api --vendor http",
    "binding service acme/web/counter/production --service cache --backend memory --without-url",
    "binding verify pb_1 --environment acme/web/counter/production",
    "binding rotate rsb_1 --environment acme/web/counter/production",
    "binding disable acme/web/counter/production --binding pb_1 --reason acme",
    "support grant --workspace acme --reason why --hours 1",
    "support end sup_1 --workspace acme",
    "operation list --app acme/web/counter --environment acme/web/counter/production",
    "deploy --environment acme/web/counter/production",
    "promote dep_1 --environment acme/web/counter/production",
    "rollback --environment acme/web/counter/production --reason acme",
    "link acme/web/counter/production",
    "status --app acme/web/counter",
    "open acme/web/counter/production",
    "token create --name ci --workspace acme",
    "member invite --workspace acme --role member",
    "member list --workspace acme",
    "member add u --workspace acme --role member",
    "member role u --workspace acme --role member",
    "member remove u --workspace acme",
    "member revoke inv_1 --workspace acme",
    "member grants u --project acme/web",
    "member grants u --environment acme/web/counter/production",
    "timeline --workspace acme --project acme/web --app acme/web/counter --environment acme/web/counter/production",
    "timeline --object acme/web/counter",
    "history acme/web/counter/production",
    "logs --app acme/web/counter --environment acme/web/counter/production",
    "logs --environment acme/web/counter/production -f",
];

/// What arguments are called that mean a place.
const PLACES: [&str; 7] = ["workspace", "project", "app", "environment", "only", "target", "object"];

fn words(line: &str) -> Vec<&str> {
    std::iter::once("rhone").chain(line.split(' ')).collect()
}

/// What is said of places on a line: the argument's own value, not what looks like one.
fn said(line: &str) -> (String, Vec<(String, String)>) {
    let matches = Args::command().try_get_matches_from(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
    let (mut at, mut command): (&ArgMatches, String) = (&matches, String::new());
    while let Some((name, below)) = at.subcommand() {
        command = format!("{command} {name}").trim().to_owned();
        at = below;
    }
    let one = |name: &&str| Some(((*name).to_owned(), at.try_get_one::<String>(name).ok().flatten()?.clone()));
    (command, PLACES.iter().filter_map(one).collect())
}

/// Every argument of the command line that means a place and stands on none of these lines.
fn forgotten(lines: &[&str]) -> Vec<String> {
    let tried: BTreeSet<String> = lines
        .iter()
        .flat_map(|line| {
            let (command, places) = said(line);
            places.into_iter().map(move |(name, _)| format!("{command}: {name}"))
        })
        .collect();
    let mut all = Vec::new();
    walk(&Args::command(), "", &mut all);
    all.into_iter().filter(|one| !tried.contains(one)).collect()
}

fn walk(command: &clap::Command, words: &str, all: &mut Vec<String>) {
    for below in command.get_subcommands() {
        let words = format!("{words} {}", below.get_name()).trim().to_owned();
        let ids = below.get_arguments().map(|argument| argument.get_id().as_str());
        all.extend(ids.filter(|id| PLACES.contains(id)).map(|id| format!("{words}: {id}")));
        walk(below, &words, all);
    }
}

#[test]
fn every_word_that_means_a_place_takes_its_name() {
    assert_eq!(forgotten(&LINES), Vec::<String>::new());
    assert_eq!(forgotten(&LINES[1..]), ["project create: workspace"], "a word that nobody tried is found");
    for line in LINES {
        let Command::Client(noun) = Args::parse_from(words(line)).command else { panic!("{line} asks the API") };
        let (mut plan, _) = plan::of(noun);
        let mut found = Vec::new();
        for (level, text) in plan.named() {
            let slugs = slugs(level, text).expect(line);
            assert!(slugs.is_some(), "{line}: {text} is a name");
            found.push(text.clone());
        }
        let mut meant: Vec<String> = said(line).1.into_iter().map(|(_, value)| value).collect();
        found.sort_unstable();
        meant.sort_unstable();
        assert_eq!(found, meant, "{line}");
    }
}

#[test]
fn an_id_is_left_alone_and_what_is_neither_is_refused_by_name() {
    let level = Level::Environment;
    for id in ["env_1", "env_00000000000000000000000000000007"] {
        assert!(slugs(level, id).expect("an id").is_none());
    }
    for object in ["op_1", "route_owner:00000000-0000-0000-0000-000000000007", "nonsense"] {
        assert!(slugs(Level::Any, object).expect("the API knows").is_none(), "{object}");
    }
    for (level, wrong) in [
        (level, "production"),
        (level, "acme/web/counter"),
        (level, "acme/web/counter/production/more"),
        (level, "acme/web/counter/Production"),
        (level, "acme/web//production"),
        (level, "acme/my_web/counter/production"),
        (level, ""),
        (Level::App, "acme/web"),
        (Level::Workspace, "acme/web"),
        (Level::Workspace, "x"),
        (Level::Any, "a/b"),
    ] {
        let refused = slugs(level, wrong).expect_err(wrong);
        assert_eq!(refused.exit_code(), 2, "{wrong}");
        assert!(refused.to_string().contains(level.noun()) && refused.to_string().contains(level.form()), "{refused}");
    }
}

#[test]
fn one_question_finds_the_way_and_what_is_not_there_is_named() {
    let slugs = ["acme", "web", "counter"];
    let (document, variables) = question(&slugs);
    let expected = "query($workspace: String!, $project: String!, $app: String!) { \
        workspaces(slug: $workspace, first: 1) { nodes { id projects(slug: $project, first: 1) { nodes { id \
        apps(slug: $app, first: 1) { nodes { id  } } } } } } }";
    assert_eq!(document, expected);
    assert_eq!(variables, json!({ "workspace": "acme", "project": "web", "app": "counter" }));
    let found = |apps: Value| {
        let projects = json!({ "nodes": [{ "id": "prj_1", "apps": { "nodes": apps } }] });
        answered(&slugs, &json!({ "workspaces": { "nodes": [{ "id": "ws_1", "projects": projects }] } }))
    };
    assert_eq!(found(json!([{ "id": "app_1" }])).expect("it is there"), "app_1");
    let absent = found(json!([])).expect_err("there is none");
    assert_eq!(absent.to_string(), "NOT_FOUND: app: none of yours in acme/web has the slug `counter`");
    assert_eq!(absent.exit_code(), 1);
    let nobody = answered(&slugs, &json!({ "workspaces": { "nodes": [] } })).expect_err("there is none");
    assert_eq!(nobody.to_string(), "NOT_FOUND: workspace: none of yours has the slug `acme`");
}

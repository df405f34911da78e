//! Every connection of the schema, in each of its orders, from its beginning and from its end, in pages of two: together they
//! are the list, each row once and in a strict order. The table is the schema itself: a new connection is tried, or red. The
//! trap avoided: a page that fits the next one in the order that everybody asks for, and not in the other.

use crate::roles::added;
use rhone_tests::{
    artifacts::{self, Version},
    graphql::{Client, unique},
    inputs::Owner,
    platform::Platform,
    schema::{Output, Schema},
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// From which end a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

/// In which order a list says that it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
    /// In one of its own, whichever way.
    Own,
}

/// A row: its cursor, and the id of what stands there, if it has one.
type Row = (String, Option<String>);

#[derive(Clone, Debug, Default)]
struct Page {
    rows: Vec<Row>,
    /// Where the next one goes on.
    end: Option<String>,
    more: bool,
}

/// What a cursor is in the order of its list: an id, a place in the log, a number or a name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id(Uuid),
    Place(u64, u64),
    Name(String),
}

fn key((cursor, _): &Row) -> Key {
    if let Ok(id) = Uuid::parse_str(cursor) {
        return Key::Id(id);
    }
    if cursor.contains(':') {
        return Key::Name(cursor.clone());
    }
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u64>().ok());
    let mut parts = cursor.rsplit('-');
    match (number(parts.next()), number(parts.next())) {
        (Some(place), Some(transaction)) => Key::Place(transaction, place),
        (Some(number), None) => Key::Place(0, number),
        (None, _) => Key::Name(cursor.clone()),
    }
}

/// No list of these tests is longer.
const LONGEST: usize = 1_000;

/// All rows, page by page, in the order of the list.
async fn walked(
    ask: &impl AsyncFn(Way, usize, Option<String>) -> Page,
    way: Way,
    most: usize,
) -> Result<Vec<Row>, String> {
    let (mut seen, mut at) = (Vec::new(), None);
    loop {
        let page = ask(way, most, at).await;
        let size = page.rows.len();
        match way {
            Way::Forward => seen.extend(page.rows),
            Way::Backward => drop(seen.splice(0..0, page.rows)),
        }
        if size > most || seen.len() > LONGEST {
            return Err(format!("{way:?} by {most}: a page of {size}, and {} so far", seen.len()));
        }
        if !page.more {
            return Ok(seen);
        }
        at = Some(page.end.ok_or_else(|| format!("{way:?} by {most}: there is more, and no cursor to it"))?);
    }
}

/// How many rows a list has whose pages fit together, or what is wrong with them.
async fn judged(ask: &impl AsyncFn(Way, usize, Option<String>) -> Page, order: Order) -> Result<usize, String> {
    let whole = walked(ask, Way::Forward, 100).await?;
    let keys: Vec<_> = whole.iter().map(key).collect();
    let (rises, falls) = (keys.is_sorted_by(|one, next| one < next), keys.is_sorted_by(|one, next| one > next));
    let ordered = match order {
        Order::NewestFirst => falls,
        Order::OldestFirst => rises,
        Order::Own => rises || falls,
    };
    if !ordered {
        return Err(format!("it does not come {order:?}: {keys:?}"));
    }
    let ids: Vec<_> = whole.iter().filter_map(|(_, id)| id.as_ref()).collect();
    if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
        return Err(format!("something comes twice: {ids:?}"));
    }
    for way in [Way::Forward, Way::Backward] {
        let seen = walked(ask, way, 2).await?;
        if seen != whole {
            return Err(format!("{way:?} by two it is {seen:?}, and at once {whole:?}"));
        }
    }
    Ok(whole.len())
}

/// A connection, and where it is.
struct Listed<'a> {
    object: &'a str,
    field: &'a Output,
    way: String,
    order: Order,
}

impl Listed<'_> {
    async fn page(&self, client: &Client, (way, most, at): (Way, usize, Option<String>)) -> Page {
        let (size, from) = if way == Way::Forward { ("first", "after") } else { ("last", "before") };
        let order = match self.order {
            Order::NewestFirst => ", order: NEWEST_FIRST",
            Order::OldestFirst => ", order: OLDEST_FIRST",
            Order::Own => "",
        };
        // A list of what differs says from when.
        let since = if self.field.name == "differences" { ", from: { time: \"2001-01-01T00:00:00Z\" }" } else { "" };
        let at = at.map(|at| format!(", {from}: \"{at}\"")).unwrap_or_default();
        let node = self.field.answer.trim_end_matches("Connection");
        let has_id = Schema::checked_in().objects[node].iter().any(|field| field.name == "id");
        let node = if has_id { "node { id }" } else { "" };
        let list = format!(
            "list: {}({size}: {most}{order}{since}{at}) {{ edges {{ cursor {node} }} \
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}",
            self.field.name
        );
        let mut seen = client.data(&format!("{{ {} }}", self.way.replace('$', &list)), json!({})).await;
        while seen.get("list").is_none() {
            let inner = seen.as_object().and_then(|fields| fields.values().next()).cloned();
            seen = inner.unwrap_or_else(|| panic!("{}: {seen} has no list", self.way));
        }
        let (seen, (more, end)) = match way {
            Way::Forward => (&seen["list"], ("hasNextPage", "endCursor")),
            Way::Backward => (&seen["list"], ("hasPreviousPage", "startCursor")),
        };
        let row = |edge: &Value| (text(&edge["cursor"]), edge["node"]["id"].as_str().map(str::to_owned));
        Page {
            rows: seen["edges"].as_array().expect("edges").iter().map(row).collect(),
            end: seen["pageInfo"][end].as_str().map(str::to_owned),
            more: seen["pageInfo"][more] == true,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_comes_whole_and_in_a_strict_order_whichever_way_it_is_read() {
    // Of its own, for regions are everybody's.
    let platform = Platform::start().await;
    let many = Many::new(&platform).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for listed in many.lists() {
        let ask = async |way, most, at| listed.page(&many.owner.tenant.client, (way, most, at)).await;
        let mut found = judged(&ask, listed.order).await;
        for _ in 0..4 {
            // What is added while it is read is no row too many.
            if found.is_err() {
                found = judged(&ask, listed.order).await;
            }
        }
        let name = format!("{}.{} {:?}", listed.object, listed.field.name, listed.order);
        match found {
            Ok(rows) if rows > 2 => eprintln!("orders: {name}: {rows} rows"),
            Ok(rows) => wrong.push(format!("{name}: {rows} rows are too few to try")),
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
        tried += 1;
    }
    assert!(tried > 30, "only {tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Somebody who has more than two of everything that is listed in pages.
struct Many {
    owner: Owner,
    region: String,
    cell: String,
}

impl Many {
    async fn new(platform: &Platform) -> Self {
        let owner = Owner::new(platform).await;
        let (client, tenant) = (&owner.tenant.client, &owner.tenant);
        let workspace = tenant.workspace.as_str();
        artifacts::push(client, workspace, Version::Green).await;
        artifacts::push_with(client, workspace, Version::Blue, "[wake]\nhold = [\"POST /api/incr\"]\n".to_owned(), &[])
            .await;
        let (mut region, mut cell) = (String::new(), String::new());
        for _ in 0..3 {
            let input = json!({ "slug": unique("w"), "name": "W" });
            client.done("workspaceCreate", "__typename", input).await;
            let input = json!({ "workspaceId": workspace, "slug": unique("p"), "name": "P" });
            client.done("projectCreate", "__typename", input).await;
            let input = json!({ "projectId": tenant.project, "slug": unique("a"), "name": "A" });
            client.done("appCreate", "__typename", input).await;
            let input = json!({ "appId": tenant.app, "slug": unique("e"), "kind": "STAGING",
                "regionId": owner.good_value("regionId"), "cellId": owner.good_value("cellId") });
            client.done("environmentCreate", "__typename", input).await;
            // Each with a promotion to the same environment.
            let input = json!({ "appId": tenant.app, "artifactDigest": owner.good_value("artifactDigest"),
                "environmentId": tenant.preview.id });
            let made = client.done("deploymentCreate", "__typename", input).await;
            tenant.succeeds(&text(&made["operation"]["id"])).await;
            let input = json!({ "workspaceId": workspace, "role": "MEMBER" });
            client.done("memberInvite", "__typename", input).await;
            added(platform, &owner, "MEMBER").await;
            client.done("tokenCreate", "__typename", json!({ "name": "a token of the tests" })).await;
            let input = json!({ "slug": unique("r"), "name": "R" });
            region = text(&client.done("regionCreate", "region { id }", input).await["region"]["id"]);
        }
        for _ in 0..3 {
            let input = json!({ "regionId": region, "slug": unique("c") });
            cell = text(&client.done("cellCreate", "cell { id }", input).await["cell"]["id"]);
        }
        for _ in 0..3 {
            client.done("hostCreate", "__typename", json!({ "cellId": cell, "slug": unique("h") })).await;
        }
        let many = Self { owner, region, cell };
        until("all that was made can be read", PATIENCE, async || many.is_read().await.then_some(())).await;
        many
    }

    /// The last of what is read behind the log: a host, and the line of a token.
    async fn is_read(&self) -> bool {
        let query = "query($id: ID!) { node(id: $id) { ... on Cell { hosts { edges { cursor } } } } viewer { timeline { edges { cursor } } } }";
        let seen = self.owner.tenant.client.data(query, json!({ "id": self.cell })).await;
        let rows = |list: &Value| list["edges"].as_array().map_or(0, Vec::len);
        rows(&seen["node"]["hosts"]) == 3 && rows(&seen["viewer"]["timeline"]) > 2
    }

    /// Every connection, in each of its orders.
    fn lists(&self) -> Vec<Listed<'_>> {
        let mut lists = Vec::new();
        for (object, fields) in &Schema::checked_in().objects {
            // Lines are paged in `logs`: one of them cuts a chunk in two, and more of them come all the time.
            let paged = |field: &&Output| field.answer.ends_with("Connection") && field.answer != "LogLineConnection";
            for field in fields.iter().filter(paged) {
                let way = self.way(object);
                let has_orders = field.arguments.iter().any(|argument| argument.name == "order");
                let orders: &[Order] =
                    if has_orders { &[Order::NewestFirst, Order::OldestFirst] } else { &[Order::Own] };
                lists.extend(orders.iter().map(|order| Listed { object, field, way: way.clone(), order: *order }));
            }
        }
        lists
    }

    fn way(&self, object: &str) -> String {
        let tenant = &self.owner.tenant;
        match object {
            "Query" => "$".to_owned(),
            "Viewer" => "viewer { $ }".to_owned(),
            "Workspace" => format!("workspace(id: \"{}\") {{ $ }}", tenant.workspace),
            "Project" => format!("project(id: \"{}\") {{ $ }}", tenant.project),
            "App" => format!("app(id: \"{}\") {{ $ }}", tenant.app),
            "AppReplay" => format!("app(id: \"{}\") {{ replay {{ $ }} }}", tenant.app),
            "Environment" => format!("environment(id: \"{}\") {{ $ }}", tenant.preview.id),
            "Replay" => format!("replay(stream: \"{}\") {{ $ }}", tenant.workspace),
            "Region" => format!("node(id: \"{}\") {{ ... on Region {{ $ }} }}", self.region),
            "Cell" => format!("node(id: \"{}\") {{ ... on Cell {{ $ }} }}", self.cell),
            other => panic!("no way to the lists of {other}"),
        }
    }
}

/// What a list can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sin {
    /// The row of the cursor comes again.
    Doubles,
    /// The row behind the cursor is left out.
    Loses,
    /// It ends where one row is left.
    EndsEarly,
    /// Two rows have changed places.
    Swaps,
    /// The other order was asked for.
    IgnoresTheOrder,
    /// A page by `last` is the first one.
    IgnoresTheWay,
    /// Under another cursor the same thing.
    TellsTwice,
}

impl Sin {
    const ALL: [Self; 7] = [
        Self::Doubles,
        Self::Loses,
        Self::EndsEarly,
        Self::Swaps,
        Self::IgnoresTheOrder,
        Self::IgnoresTheWay,
        Self::TellsTwice,
    ];
}

/// A list in memory, the newest of seven first.
fn page(sin: Option<Sin>, (way, most, at): (Way, usize, Option<String>)) -> Page {
    let sins = |one| sin == Some(one);
    let way = if sins(Sin::IgnoresTheWay) { Way::Forward } else { way };
    let mut rows: Vec<Row> = (1..=7).rev().map(|n: usize| (n.to_string(), Some(format!("thing {n}")))).collect();
    if sins(Sin::Swaps) {
        rows.swap(3, 4);
    }
    if sins(Sin::IgnoresTheOrder) {
        rows.reverse();
    }
    if sins(Sin::TellsTwice) {
        let told = rows[4].1.clone();
        rows[5].1 = told;
    }
    let place = at.and_then(|at| rows.iter().position(|(cursor, _)| *cursor == at));
    let beside = 1 + usize::from(sins(Sin::Loses)) - usize::from(sins(Sin::Doubles));
    let rest = match (way, place) {
        (_, None) => &rows[..],
        (Way::Forward, Some(place)) => rows.get(place + beside..).unwrap_or_default(),
        (Way::Backward, Some(place)) => &rows[..(place + 1).saturating_sub(beside)],
    };
    let left = rest.len().saturating_sub(most);
    let rows = if way == Way::Forward { &rest[..rest.len() - left] } else { &rest[left..] };
    let end = if way == Way::Forward { rows.last() } else { rows.first() };
    let more = left > usize::from(sins(Sin::EndsEarly));
    Page { rows: rows.to_vec(), end: end.map(|(cursor, _)| cursor.clone()), more }
}

#[tokio::test]
async fn a_list_whose_pages_do_not_fit_is_caught() {
    let found = async |sin| judged(&async |way, most, at| page(sin, (way, most, at)), Order::NewestFirst).await;
    assert_eq!(found(None).await, Ok(7));
    for sin in Sin::ALL {
        let found = found(Some(sin)).await;
        assert!(found.is_err(), "{sin:?}: {found:?}");
    }
}

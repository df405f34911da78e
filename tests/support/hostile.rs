//! Requests made to cost far more than they are long, against the schema as it is: asked by the tests, which want them refused,
//! and by `./dev bench api`, which measures what they cost. The trap avoided: a set that only a made-up schema is tried with.

use serde_json::json;

/// Large, and no dearer for it: these are answered, the page with as many rows as any page has at most.
pub const HARMLESS: [&str; 2] = ["sixty thousand commas", "a huge page"];

/// One of them: what it is, and the body of its request.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// In words.
    pub what: &'static str,
    /// As it is sent.
    pub body: String,
}

/// `levels` fragments, each spreading the next one twice: 2^levels fields from a few hundred bytes.
fn bomb(levels: usize) -> String {
    let spreads =
        (0..levels).map(|n| format!("fragment F{n} on Viewer{{...F{0}...F{0}}}", n + 1)).collect::<Vec<_>>().concat();
    format!("{{viewer{{...F0}}}}{spreads}fragment F{levels} on Viewer{{actor}}")
}

fn many(what: &str, count: usize) -> String {
    (0..count).map(|n| what.replace('#', &n.to_string())).collect::<Vec<_>>().concat()
}

fn nested(open: &str, levels: usize) -> String {
    format!("{{ {} __typename {} }}", open.repeat(levels), "}".repeat(levels))
}

/// The whole set.
pub fn requests() -> Vec<Hostile> {
    let documents = expanding().into_iter().chain(deep()).chain(long());
    let documents = documents.map(|(what, query)| Hostile { what, body: json!({ "query": query }).to_string() });
    let small = r#"{"query":"{ __typename }"}"#;
    let variables = format!("{}1{}", "{\"a\":".repeat(12_000), "}".repeat(12_000));
    let bodies = [
        ("an array of operations", format!("[{}]", vec![small; 5_000].join(","))),
        ("variables 12,000 deep", format!(r#"{{"query":"{{ __typename }}","variables":{variables}}}"#)),
    ];
    documents.chain(bodies.map(|(what, body)| Hostile { what, body })).collect()
}

fn expanding() -> Vec<(&'static str, String)> {
    let pages = "a#: workspaces(first: 100) { nodes { projects(first: 100) { nodes { apps(first: 100) { nodes { id } } } } } } ";
    let gates = "a#: workspaces(first: 10) { nodes { projects(first: 10) { nodes { apps(first: 10) { nodes {
        deployments(first: 10) { nodes { rollbackPlan { allowed } } } } } } } } } ";
    let types = "interfaces { possibleTypes { ";
    let by_fragments = "{ __schema { types { ...A } } } fragment A on __Type { interfaces { possibleTypes { ...B } } }
        fragment B on __Type { interfaces { possibleTypes { ...C } } }
        fragment C on __Type { interfaces { possibleTypes { name } } }"
        .to_owned();
    let around = "workspaces(first: 1) { nodes { projects(first: 1) { nodes { workspace { id } } } } } ";
    vec![
        ("fragments that double 11 times", bomb(11)),
        ("fragments that double 15 times", bomb(15)),
        ("fragments that double 30 times", bomb(30)),
        ("a fragment that spreads itself", "{ viewer { ...A } } fragment A on Viewer { ...A }".into()),
        (
            "two that spread each other",
            "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }".into(),
        ),
        ("a field a thousand times by alias", format!("{{ {} }}", many("a#: __typename ", 1_000))),
        ("pages of pages of pages by alias", format!("{{ {} }}", many(pages, 90))),
        ("one page of pages of pages", format!("{{ {} }}", many(pages, 1))),
        ("a round trip by alias, 99 times", format!("{{ {} }}", many(&format!("a#: {around}"), 99))),
        ("a huge page", "{ workspaces(first: 300000) { nodes { id } } }".into()),
        ("a negative page", "{ workspaces(first: -5) { nodes { id } } }".into()),
        ("the gates of every deployment by alias", format!("{{ {} }}", many(gates, 20))),
        (
            "the whole schema, thirty times",
            format!("{{ {} }}", many("a#: __schema { types { fields { args { name } } } } ", 30)),
        ),
        ("types of types", format!("{{ __schema {{ types {{ {}name {} }} }} }}", types.repeat(5), "} } ".repeat(5))),
        ("types of types by fragments", by_fragments),
    ]
}

fn deep() -> Vec<(&'static str, String)> {
    let argument = |open: &str, close: &str| {
        format!("{{ workspace(id: {}1{}) {{ id }} }}", open.repeat(5_000), close.repeat(5_000))
    };
    vec![
        ("fields nested 500 deep", nested("viewer { ", 500)),
        ("inline fragments nested 500 deep", nested("... { ", 500)),
        ("lists nested 5,000 deep", argument("[", "]")),
        ("objects nested 5,000 deep", argument("{a:", "}")),
        ("brackets that are never closed", "{ viewer ".repeat(3_000)),
    ]
}

fn long() -> Vec<(&'static str, String)> {
    let argument = |value: String| format!("{{ workspace(id: {value}) {{ id }} }}");
    vec![
        ("directives, 2,000 on one field", format!("{{ __typename {} }}", "@skip(if: false) ".repeat(2_000))),
        ("an unknown directive 40 times", format!("{{ __typename {} }}", "@x ".repeat(40))),
        ("spreads of nothing", format!("{{ {} }}", "...F ".repeat(5_000))),
        ("ten thousand operations", many("query Q# { __typename } ", 10_000)),
        ("a text of 200 KB", format!("{{ __typename }} # {}", "x".repeat(200 * 1_024))),
        ("sixty thousand commas", format!("{{ __typename {} }}", ",".repeat(60_000))),
        ("a string that does not end", argument(format!("\"{}", "x".repeat(60_000)))),
        ("a block string of quotes", argument(format!("\"\"\"{}\"\"\"", "\\\"\"\"".repeat(12_000)))),
        ("numbers of 60,000 digits", argument("9".repeat(60_000))),
        ("variables, 5,000 of them", format!("query({}) {{ workspace(id: $a0) {{ id }} }}", many("$a#: ID! ", 5_000))),
    ]
}

//! Hole 4: pages, and what they cost.

use rhone_api::{Code, Exposure, Page, page};
use serde_json::json;

use crate::server::{start, start_with};

#[test]
fn a_cost_clamps_and_saturates_whatever_it_is_given() {
    assert_eq!(page::cost(None, None, 3), 25 * 3 + 1);
    assert_eq!(page::cost(Some(10), None, 3), 10 * 3 + 1);
    assert_eq!(page::cost(None, Some(300_000), 3), 100 * 3 + 1);
    assert_eq!(page::cost(Some(-5), None, 3), 100 * 3 + 1);
    assert_eq!(page::cost(Some(i32::MIN), None, usize::MAX), usize::MAX);
}

#[test]
fn a_page_has_one_direction_and_no_negative_rows() {
    let refused = |first, after: Option<&str>, last, before: Option<&str>| {
        let fault = Page::parse(first, after.map(Into::into), last, before.map(Into::into)).unwrap_err();
        assert_eq!(fault.code, Code::BadUserInput);
        fault.field.unwrap().into_owned()
    };
    assert_eq!(refused(Some(-1), None, None, None), "first");
    assert_eq!(refused(None, None, Some(-1), None), "last");
    assert_eq!(refused(Some(1), None, Some(1), None), "last");
    assert_eq!(refused(Some(1), None, None, Some("c")), "before");
    assert_eq!(refused(None, Some("c"), Some(1), None), "after");
    assert_eq!(refused(None, Some("c"), None, Some("d")), "after");
    assert_eq!(Page::parse(None, None, None, None).unwrap().size, 25);
    assert_eq!(Page::parse(Some(300_000), None, None, None).unwrap().size, 100);
}

#[tokio::test]
async fn a_negative_page_is_refused_by_name_and_a_huge_one_is_clamped() {
    let server = start().await;
    for field in ["first", "last"] {
        let reply = server.query(&format!("{{ tree {{ leaves({field}: -5) {{ edges {{ cursor }} }} }} }}")).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{}", reply.text);
        let extensions = &reply.json()["errors"][0]["extensions"];
        assert_eq!(
            (extensions["field"].as_str(), extensions["rule"].as_str()),
            (Some(field), Some("must not be negative"))
        );
    }
    let reply = server.query("{ tree { leaves(first: 300000) { edges { cursor } } } }").await;
    assert_eq!(reply.json()["data"]["tree"]["leaves"]["edges"].as_array().unwrap().len(), 100);
}

/// Fields enough to pass the limit at 100 rows and not at 25.
fn wide(root: &str, arguments: &str) -> String {
    let fields = (0..60).map(|n| format!(" a{n}: cursor b{n}: node {{ id }}")).collect::<Vec<_>>().concat();
    let variables = if arguments.contains("$n") { "($n: Int)" } else { "" };
    format!("query {variables} {{ {root} {{ leaves{arguments} {{ edges {{ cursor{fields} }} }} }} }}")
}

#[tokio::test]
async fn a_page_costs_the_same_through_an_interface() {
    let server = start_with(Exposure::Production, |settings| settings.limits.aliases = 200).await;
    for root in ["tree", "plant"] {
        let reply = server.query(&wide(root, "")).await;
        assert_eq!(reply.status, 200, "{root}: {}", reply.text);
        for dear in ["(first: 100)", "(last: 100)", "(first: 300000)", "(first: -5)", "(first: $n)"] {
            let reply = server.query_with(&wide(root, dear), json!({ "n": 100 })).await;
            assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{root} {dear}: {}", reply.text);
        }
        let spread = wide(root, "(first: 100)").replace("edges {", "... { edges {").replacen(" } } }", " } } } }", 1);
        assert_eq!(server.query(&spread).await.code(), "QUERY_TOO_COMPLEX", "{root}, through a fragment");
    }
}

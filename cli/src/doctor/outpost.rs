//! What `rhone doctor` asks of a host where edges or a runner run and nothing of the control plane: what they are told, whether
//! they answer, whether the API is reached from here, and room on their disk. The trap avoided: asking such a host for a database
//! and for keys, which must never be there.

use super::{Finding, host, told_by_environment, within};
use crate::{
    config::{Edge, reference::SECTIONS, section},
    data::Data,
    private_file,
};
use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

/// Whoever has one of these is part of the control plane.
const CONTROL: [&str; 4] = ["database", "keys", "serve", "work"];

/// The sections of edges and of a runner, if they are all that runs here. An edge's may have any name of its own.
pub(super) fn parts(data: &Data) -> Option<Vec<String>> {
    let file: Option<Map<String, Value>> = private_file::read(&data.config()).ok()?;
    let file = file.unwrap_or_default();
    let is_edge = |name: &str| file.get(name).is_some_and(|told| told.get("control_url").is_some());
    // `RHONE_EDGE_1_TOKEN` is told to the section `edge-1`.
    let named = file.keys().any(|name| name.starts_with("edge-"));
    let mut sections: BTreeSet<String> = file.keys().cloned().collect();
    let told = told_by_environment().into_iter().filter(|name| *name != "edge" || !named);
    sections.extend(told.map(str::to_owned));
    if data.report().exists() || CONTROL.iter().any(|name| sections.contains(*name)) {
        return None;
    }
    let is_part = |name: &String| {
        ["edge", "runner"].contains(&name.as_str())
            || (!SECTIONS.iter().any(|(known, _)| *known == name.as_str()) && is_edge(name))
    };
    let parts: Vec<String> = sections.into_iter().filter(is_part).collect();
    (!parts.is_empty()).then_some(parts)
}

/// Everything about them.
pub(super) async fn examined(data: &Data, parts: &[String]) -> Vec<Finding> {
    let mut findings = vec![super::configuration(&data.config())];
    for name in parts {
        let (kind, starts) = match name.as_str() {
            "runner" => ("runner", "start `rhone runner`; its log says more"),
            _ => ("edge", "start `rhone edge`; its log says more"),
        };
        findings.extend(part(kind, starts, Told::read(data, name)).await);
    }
    findings
}

/// Everything about one part that is told this; `starts` is what mends its silence.
pub(super) async fn part(kind: &'static str, starts: &'static str, told: Result<Told>) -> Vec<Finding> {
    const UNREAD: &str = "mend that section: docs/configuration.md says what is in it";
    const AWAY: &str = "see whether the API runs, and whether `control_url` of that section names it";
    match told {
        Err(error) => vec![Finding::new(kind, Err((format!("{error:#}"), UNREAD)))],
        Ok(told) => {
            let api = format!("{}/livez", told.control_url.trim_end_matches('/'));
            let answers = within(kind, starts, answers(&told)).await;
            vec![answers, within("API", AWAY, asked(&api)).await, host::disk(&told.data_dir)]
        }
    }
}

/// What each of them is told.
pub(super) struct Told {
    data_dir: PathBuf,
    admin: SocketAddr,
    control_url: String,
}

impl Told {
    fn read(data: &Data, name: &str) -> Result<Self> {
        if name == "runner" {
            let rhone_runner::Config { data_dir, admin, control_url, .. } = section(data, name)?;
            return Ok(Self { data_dir, admin, control_url });
        }
        section::<Edge>(data, name).map(Self::from)
    }
}

impl From<Edge> for Told {
    fn from(Edge { data_dir, admin, control_url, .. }: Edge) -> Self {
        Self { data_dir, admin, control_url }
    }
}

async fn answers(told: &Told) -> Result<String> {
    if told.admin.port() == 0 {
        return Ok("not looked at: it picks the port of `admin` when it starts".to_owned());
    }
    asked(&format!("http://{}/readyz", told.admin)).await
}

async fn asked(url: &str) -> Result<String> {
    let client = Client::builder().no_proxy().build().context("preparing to ask")?;
    let response = client.get(url).send().await.with_context(|| format!("asking {url}"))?;
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    ensure!(status.is_success(), "{url} answers {status}: {}", text.trim());
    Ok(format!("{url} answers"))
}

#[cfg(test)]
mod tests {
    //! Who is asked what.
    use super::*;
    use serde_json::json;
    use std::fs;

    #[test]
    fn a_host_of_an_edge_or_a_runner_alone_is_no_control_plane() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = Data::at(folder.path());
        for (file, alone) in [
            (json!({ "edge": {} }), Some(vec!["edge"])),
            (json!({ "edge-2": { "control_url": "http://api" }, "runner": {} }), Some(vec!["edge-2", "runner"])),
            (json!({ "runner": {}, "rnner": {} }), Some(vec!["runner"])),
            (json!({ "databse": {} }), None),
            (json!({ "edge": {}, "bus": {} }), Some(vec!["edge"])),
            (json!({ "edge": {}, "work": {} }), None),
            (json!({ "runner": {}, "keys": {} }), None),
            (json!({ "database": {} }), None),
            (json!({}), None),
        ] {
            fs::write(data.config(), file.to_string()).expect("a file");
            let alone = alone.map(|parts| parts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(parts(&data), alone, "{file}");
        }
        fs::write(data.config(), "{").expect("a file");
        assert_eq!(parts(&data), None, "a file that cannot be read is looked at as a whole");
    }

    #[tokio::test]
    async fn what_such_a_host_is_not_told_is_named_and_nothing_else_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = Data::at(folder.path());
        fs::write(data.config(), json!({ "runner": { "data_dir": "/r" } }).to_string()).expect("a file");
        let findings = examined(&data, &["runner".to_owned()]).await;
        let named: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(named, ["configuration", "runner"]);
        assert!(findings[1].line().contains("missing field"), "{}", findings[1].line());
    }
}

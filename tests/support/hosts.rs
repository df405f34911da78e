//! A second machine for the platform: a host of its cell with a runner of its own, on the same computer. The trap avoided:
//! gates and apps that outlive their test; a shell waits for this process' end, ends the agent and then every gate by its pid.

use crate::{
    graphql::{Client, unique},
    platform::Platform,
    program, signals,
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A host with a runner; it is gone when this is dropped.
#[derive(Debug)]
pub struct Host {
    /// Its id, as the API shows it.
    pub id: String,
    /// What its runner shows.
    pub token: String,
    folder: PathBuf,
    /// Its end is the shell's sign to stop everything.
    guard: Child,
}

/// A gate that gets SIGQUIT ends its app at once.
const SHELL: &str = r#"
folder=$1; shift
"$@" >"$folder/agent.out" 2>&1 </dev/null &
agent=$!
read -r _
kill -KILL "$agent" 2>/dev/null
wait "$agent"
for status in "$folder"/allocations/*/gate.json; do
    gate=$(sed -n 's/.*"gate":{"pid":\([0-9]*\).*/\1/p' "$status" 2>/dev/null)
    [ -n "$gate" ] && tr '\0' ' ' 2>/dev/null <"/proc/$gate/cmdline" | grep -q "$folder" && kill -QUIT "$gate"
done
"#;

impl Host {
    /// Adds one to the platform's cell, and waits until its runner is heard.
    pub async fn start(platform: &Platform) -> Self {
        let (report, operator) = (platform.report(), platform.developer());
        let input = json!({ "cellId": format!("cell_{}", report.ids.cell.simple()), "slug": unique("host") });
        let id = text(&operator.done("hostCreate", "host { id }", input).await["host"]["id"]);
        let made = "mutation($id: ID!) { runnerTokenCreate(input: { hostId: $id, name: \"second\" }) { secret } }";
        let token = text(&operator.data(made, json!({ "id": id })).await["runnerTokenCreate"]["secret"]);
        let folder = platform.data().join(&id);
        std::fs::create_dir_all(&folder).expect("the data folder is ours");
        let guard = start(platform, &folder, (crate::database::uuid(&id).to_string(), token.clone()));
        let host = Self { id, token, folder, guard };
        let ready = async || host.said().contains("runner is ready").then_some(());
        until("the second runner is ready", PATIENCE, ready).await;
        host
    }

    /// What its agent said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("agent.out")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        signals::end_all_of(&self.folder);
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

/// The platform's own section of the configuration, with another host's folder, name and token.
fn start(platform: &Platform, folder: &PathBuf, (host, token): (String, String)) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", SHELL, "e2e"]).arg(folder).arg(program::path("rhone"));
    shell.arg("--data").arg(platform.data()).arg("runner");
    shell.env("RHONE_RUNNER_DATA_DIR", folder).env("RHONE_RUNNER_HOST", host).env("RHONE_RUNNER_TOKEN", token);
    shell.env("RHONE_RUNNER_ADMIN", "127.0.0.1:0");
    shell.stdin(Stdio::piped()).spawn().expect("there is a shell")
}

/// A host as the API shows it.
pub async fn look(operator: &Client, host: &str) -> Value {
    let query = "query($id: ID!) { node(id: $id) { ... on Host { id slug state capacity heldBy } } }";
    operator.data(query, json!({ "id": host })).await["node"].clone()
}

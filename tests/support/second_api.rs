//! Another API on the same database, with settings of its own. The trap avoided: limits that are tested in the library and never
//! reach the binary.

use crate::{
    graphql::http,
    platform::Platform,
    program,
    wait::{PATIENCE, until},
};
use std::{net::TcpListener, process::Stdio};
use tokio::process::{Child, Command};

/// It ends when it is dropped.
#[derive(Debug)]
pub struct SecondApi {
    /// Where it is.
    pub url: String,
    process: Child,
}

impl SecondApi {
    /// With these settings, by the names of their environment variables.
    pub async fn with(platform: &Platform, settings: &[(&str, String)]) -> Self {
        // Nobody takes it in between: ports of the system's choice are not given twice in a row.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it has an address");
        let process = Command::new(program::path("rhone"))
            .arg("--data")
            .arg(platform.data())
            .arg("serve")
            .env("RHONE_SERVE_LISTEN", free.to_string())
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("rhone starts");
        let second = Self { url: format!("http://{free}"), process };
        let look =
            async || http().get(format!("{}/readyz", second.url)).send().await.ok().filter(|got| got.status() == 200);
        until("the second API is ready", PATIENCE, look).await;
        second
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("nobody waited for it")
    }
}

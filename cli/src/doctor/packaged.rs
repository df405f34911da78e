//! What `rhone doctor` can tell of an edge that systemd runs (packaging/systemd/rhone-edge.service). Its section is
//! root's and is handed to the unit as a credential, so no data folder tells of it. The trap avoided: silence, or a wish
//! that somebody signs in, on a host that serves the traffic.

use super::{
    Finding, configuration,
    outpost::{Told, part},
};
use crate::config::{Edge, section_of};
use anyhow::Result;
use std::{
    fs, io, iter,
    path::{Path, PathBuf},
};

const UNIT: &str = "rhone-edge.service";
/// Where systemd looks for units; the first one counts.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
/// What hands a file to the unit under the name that `rhone edge` reads in its folder.
const HANDED: &str = "LoadCredential=rhone.json:";
/// Where the unit sees that file, and nobody else need.
const SEEN: &str = "/run/credentials/rhone-edge.service/rhone.json";

/// The unit of an edge, and the file that is handed to it.
pub(super) struct Packaged {
    unit: PathBuf,
    settings: PathBuf,
}

impl Packaged {
    /// That of this machine, if it has one that is told something.
    pub(super) fn of_this_machine() -> Option<Self> {
        Self::below(UNITS.map(Path::new))
    }

    /// The tarball's units lie on every host; an edge is where the file is that is handed to it.
    fn below<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Option<Self> {
        let unit = folders.into_iter().map(|folder| folder.join(UNIT)).find(|unit| unit.exists())?;
        let settings = handed(&fs::read_to_string(&unit).ok()?)?;
        // Whoever may not enter its folder cannot say that it is not there.
        let is_missing = matches!(settings.try_exists(), Ok(false));
        (!is_missing).then_some(Self { unit, settings })
    }

    /// Everything about it that this user may know.
    pub(super) async fn examined(&self) -> Vec<Finding> {
        // The environment of whoever asks is not the unit's.
        self.judged(section_of(&self.settings, "edge", iter::empty())).await
    }

    async fn judged(&self, section: Result<Edge>) -> Vec<Finding> {
        const AS_ROOT: &str = "sudo rhone doctor, which reads it; systemctl status rhone-edge says whether it runs";
        const STARTS: &str = "systemctl start rhone-edge; journalctl -u rhone-edge says more";
        let (unit, settings) = (self.unit.display(), self.settings.display());
        let handed = format!("{unit} hands section `edge` of {settings} to the edge as {SEEN}");
        if section.as_ref().is_err_and(is_denied) {
            let unread = format!("{handed}; this user may not read it, so neither settings nor answers are looked at");
            return vec![Finding::wished("edge unit", Err((unread, AS_ROOT)))];
        }
        let told = section.as_ref().map(told).unwrap_or_default();
        let mut findings = vec![Finding::new("edge unit", Ok(handed + &told)), configuration(&self.settings)];
        findings.extend(part("edge", STARTS, section.map(Told::from)).await);
        findings
    }
}

/// The file that a unit hands over.
fn handed(unit: &str) -> Option<PathBuf> {
    let path = unit.lines().find_map(|line| line.strip_prefix(HANDED))?;
    Some(PathBuf::from(path.trim())).filter(|path| path.is_absolute())
}

/// What is no secret of its settings.
fn told(edge: &Edge) -> String {
    let Edge { listen, admin, control_url, region, data_dir, .. } = edge;
    let data_dir = data_dir.display();
    format!("; listen {listen}, admin {admin}, control_url {control_url}, region {region}, data_dir {data_dir}")
}

fn is_denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    //! An edge that systemd runs is found, asked, and told of where it may not be asked.
    use super::*;
    use crate::{data::Data, doctor::examined_beside, private_file};
    use anyhow::Context as _;
    use axum::{Router, http::StatusCode, routing::get};
    use serde_json::{Value, json};
    use std::net::SocketAddr;
    use tempfile::TempDir;
    use tokio::net::TcpListener;

    /// A machine with the tarball's units, and the file that the edge's is handed.
    struct Machine {
        folder: TempDir,
    }

    impl Machine {
        fn new() -> Self {
            let machine = Self { folder: tempfile::tempdir().expect("a folder") };
            fs::create_dir(machine.units()).expect("ours");
            let unit = include_str!("../../../packaging/systemd/rhone-edge.service");
            let here = unit.replace("/etc/rhone/edge.json", machine.settings().to_str().expect("UTF-8"));
            fs::write(machine.units().join(UNIT), here).expect("ours");
            machine
        }

        fn units(&self) -> PathBuf {
            self.folder.path().join("units")
        }

        fn settings(&self) -> PathBuf {
            self.folder.path().join("edge.json")
        }

        fn packaged(&self) -> Option<Packaged> {
            Packaged::below([self.folder.path(), self.units().as_path()])
        }

        fn told(&self, settings: &Value) -> Packaged {
            private_file::write(&self.settings(), settings).expect("ours");
            self.packaged().expect("an edge is told something")
        }
    }

    /// Answers for an edge and for the API.
    async fn answering(ready: StatusCode) -> SocketAddr {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().route("/livez", get("ok\n")).route("/readyz", get(move || async move { ready }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn section(at: SocketAddr, folder: &Path) -> Value {
        let (url, nats) = (format!("http://{at}"), "nats://edge:s3cret@127.0.0.1:4222");
        json!({ "edge": { "data_dir": folder, "listen": "127.0.0.1:80", "admin": at, "control_url": url,
            "token": "s3cret", "region": uuid::Uuid::from_u128(10), "feed_key": "17".repeat(32), "nats_url": nats } })
    }

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(Finding::line).collect()
    }

    #[test]
    fn the_packaged_unit_names_the_file_that_is_looked_at() {
        let unit = include_str!("../../../packaging/systemd/rhone-edge.service");
        assert_eq!(handed(unit), Some(PathBuf::from("/etc/rhone/edge.json")));
        assert!(unit.contains("\nExecStart=/usr/bin/rhone --data %d edge\n"), "the folder of its credentials");
        for strange in ["", "LoadCredential=token:/etc/rhone/edge.json", "LoadCredential=rhone.json:stored"] {
            assert_eq!(handed(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_unit_that_is_handed_nothing_is_no_edge() {
        let machine = Machine::new();
        // The sin: every unit that lies there counts, and the tarball puts all of them on every host.
        let sin = |machine: &Machine| machine.units().join(UNIT).exists();
        assert!(sin(&machine) && machine.packaged().is_none());
        fs::write(machine.settings(), "{").expect("ours");
        assert!(machine.packaged().is_some(), "also where the file is broken");
    }

    #[tokio::test]
    async fn where_systemd_runs_an_edge_it_is_asked_and_nobody_has_to_sign_in() {
        let machine = Machine::new();
        let at = answering(StatusCode::OK).await;
        let edge = machine.told(&section(at, machine.folder.path()));
        let nothing = Data::at(&machine.folder.path().join("nothing"));
        let findings = Box::pin(examined_beside(&nothing, Some(edge))).await;
        let named: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(named, ["edge unit", "configuration", "edge", "API", "disk"]);
        let said = lines(&findings);
        assert!(said[..4].iter().all(|line| line.starts_with("ok ")), "{said:?}");
        assert!(said[0].contains(SEEN) && said[0].contains(&format!("control_url http://{at}")), "{said:?}");
        assert!(!said.concat().contains("s3cret"), "{said:?}");
        // The sin: looking into the data folder alone, by which nothing runs here.
        let sin = Box::pin(examined_beside(&nothing, None)).await;
        assert!(sin.iter().all(|finding| !finding.name.contains("edge")), "{:?}", lines(&sin));
    }

    #[tokio::test]
    async fn an_edge_that_is_not_ready_or_is_told_too_little_is_bad() {
        let machine = Machine::new();
        let at = answering(StatusCode::SERVICE_UNAVAILABLE).await;
        let said = lines(&machine.told(&section(at, machine.folder.path())).examined().await);
        assert!(said[2].starts_with("bad  edge: ") && said[2].contains("journalctl -u rhone-edge"), "{said:?}");
        let said = lines(&machine.told(&json!({ "edge": { "admin": at } })).examined().await);
        assert!(said[2].starts_with("bad  edge: ") && said[2].contains("missing field"), "{said:?}");
    }

    #[tokio::test]
    async fn whoever_may_not_read_the_file_is_told_where_it_is_and_who_may() {
        let machine = Machine::new();
        let edge = machine.told(&json!({}));
        let failing = |kind: io::ErrorKind| Err::<Edge, _>(io::Error::from(kind)).context("reading it");
        let denied = edge.judged(failing(io::ErrorKind::PermissionDenied)).await;
        let said = lines(&denied);
        assert!(denied.len() == 1 && denied[0].goes_on(), "nothing is wrong: {said:?}");
        for told in [machine.settings().to_str().expect("UTF-8"), SEEN, "mend: sudo rhone doctor"] {
            assert!(said[0].contains(told), "{told} is not in {said:?}");
        }
        // The sin: whatever cannot be read is taken for another user's.
        let broken = edge.judged(failing(io::ErrorKind::InvalidData)).await;
        assert!(!broken.iter().all(Finding::goes_on), "{:?}", lines(&broken));
    }
}

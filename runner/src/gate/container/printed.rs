//! What a container prints, read from the engine and kept as any app's lines are. How far was read stands in `printed.json`, so
//! that the next gate goes on there. The trap avoided: lines lost between two gates; some of the last second may come twice.

use crate::{control_plane::chain, engine::Engine, gate::log::Log};
use chrono::DateTime;
use futures_util::StreamExt as _;
use rhone_domain::logs::LogStream;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often it is written down how far was read.
const NOTED: Duration = Duration::from_secs(1);
/// Between two attempts at an engine that does not answer.
const PAUSE: Duration = Duration::from_millis(500);
const FILE: &str = "printed.json";

/// How far was read: of which container, and the engine's time of the last part, which has a fixed form and can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Printed {
    container: String,
    until: String,
}

/// Reads to the end of the container, also across restarts of the engine.
pub(super) async fn follow(engine: Engine, container: String, folder: PathBuf, log: Log) {
    let mut printed = Printed::resume(&folder, container.clone());
    let mut noted = printed.clone();
    let (mut out, mut err) = (log.lines(LogStream::Stdout), log.lines(LogStream::Stderr));
    let mut tick = interval(NOTED);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let from = printed.until.clone();
        let mut parts = std::pin::pin!(engine.logs(&container, seconds(&from)));
        let broke = loop {
            tokio::select! {
                part = parts.next() => match part {
                    Some(Ok((stream, part))) => {
                        let lines = if stream == LogStream::Stderr { &mut err } else { &mut out };
                        printed.take(&from, &part, |text| lines.take(text));
                    }
                    Some(Err(error)) => break Some(error),
                    None => break None,
                },
                _ = tick.tick() => printed.note(&mut noted, &folder),
            }
        };
        printed.note(&mut noted, &folder);
        let gone = engine.has_ended(&container).await;
        match broke {
            None if gone => break,
            Some(error) if gone => {
                tracing::warn!(error = chain(&error), "some of what the app printed last is lost");
                break;
            }
            Some(_) | None => sleep(PAUSE).await,
        }
    }
    out.end();
    err.end();
}

impl Printed {
    fn resume(folder: &Path, container: String) -> Self {
        let found = fs::read(folder.join(FILE)).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        found.filter(|found| found.container == container).unwrap_or(Self { container, until: String::new() })
    }

    /// A part begins with its time. What was read before is passed over; the parts of one long line have one time.
    fn take(&mut self, from: &str, part: &[u8], mut keep: impl FnMut(&[u8])) {
        let Some(at) = part.iter().position(|byte| *byte == b' ') else { return };
        let time = String::from_utf8_lossy(&part[..at]);
        if time.as_ref() > from {
            keep(&part[at + 1..]);
            self.until = time.into_owned();
        }
    }

    fn note(&self, noted: &mut Self, folder: &Path) {
        if noted == self {
            return;
        }
        match self.write(folder) {
            Ok(()) => noted.clone_from(self),
            Err(error) => tracing::warn!(%error, "how far the app's output was read is not on disk"),
        }
    }

    /// Not flushed: after a power cut no container runs either.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let passing = folder.join(".printed.json");
        fs::write(&passing, serde_json::to_vec(self)?)?;
        fs::rename(passing, folder.join(FILE))
    }
}

/// The engine is asked by whole seconds.
fn seconds(time: &str) -> i32 {
    DateTime::parse_from_rfc3339(time).ok().and_then(|time| i32::try_from(time.timestamp()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    //! Parts as an engine writes them.
    use super::*;

    fn taken(printed: &mut Printed, from: &str, parts: &[&str]) -> Vec<String> {
        let mut texts = Vec::new();
        for part in parts {
            printed.take(from, part.as_bytes(), |text| texts.push(String::from_utf8_lossy(text).into_owned()));
        }
        texts
    }

    #[test]
    fn what_was_read_is_passed_over_and_a_long_line_is_not() {
        let (one, two) = ("2026-11-27T10:00:00.000000001Z", "2026-11-27T10:00:00.000000002Z");
        let mut printed = Printed::default();
        let parts = [format!("{one} a\n"), format!("{two} begins"), format!("{two}  ends\n")];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert_eq!(taken(&mut printed, "", &parts), ["a\n", "begins", " ends\n"]);
        assert_eq!(printed.until, two);
        assert_eq!(taken(&mut printed, one, &parts), ["begins", " ends\n"]);
        assert_eq!(seconds(one), 1_795_773_600);
        assert_eq!(seconds(""), 0);
    }

    #[test]
    fn another_container_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let printed = Printed { container: "one".into(), until: "later".into() };
        printed.write(folder.path()).expect("written");
        assert_eq!(Printed::resume(folder.path(), "one".into()), printed);
        assert_eq!(Printed::resume(folder.path(), "two".into()).until, "");
    }
}

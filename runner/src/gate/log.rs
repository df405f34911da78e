//! The app's output: cut into lines with its secrets hidden, then on disk, twice: as chunks for the control plane (`log_folder`),
//! and as `app.log` for whoever stands at the host, turned over at a size. The traps: a secret that is written down before
//! anybody looks at it; an app whose output nobody reads stops at a full pipe, so reading goes on even when the disk is full;
//! and an app that floods: what is beyond the limit of a second is dropped, and said to be.

use super::GateSpec;
use crate::{clock, log_folder::Writing};
use rhone_domain::logs::{Cutter, LogLine, LogStream, Mask, Pace};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::Notify,
    time::{Instant, sleep, timeout},
};

mod flood;
mod turning;

use flood::Flood;
use turning::Turning;

/// One log, shared by the app's two outputs.
#[derive(Clone)]
pub(super) struct Log {
    kept: Arc<Mutex<Kept>>,
    /// Something was written since it was handed over.
    written: Arc<Notify>,
    mask: Mask,
}

struct Kept {
    chunks: Writing,
    text: Turning,
    flood: Flood,
    backlog_bytes: u64,
}

impl Log {
    pub(super) fn open(folder: &Path, spec: &GateSpec, mask: Mask) -> io::Result<Self> {
        let kept = Kept {
            chunks: Writing::resume(&folder.join("logs"))?,
            text: Turning::open(&folder.join("app.log"), spec.log_bytes)?,
            flood: Flood::new(spec.log_lines_per_second),
            backlog_bytes: spec.log_backlog_bytes,
        };
        Ok(Self { kept: Arc::new(Mutex::new(kept)), written: Arc::default(), mask })
    }

    /// Writes all that comes, until its end.
    pub(super) async fn keep(self, stream: LogStream, mut output: impl AsyncRead + Unpin) {
        let mut lines = self.lines(stream);
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = output.read(&mut buffer).await {
            lines.take(&buffer[..length]);
        }
        lines.end();
    }

    /// Takes what comes on one of the outputs, in whatever parts.
    pub(super) fn lines(&self, stream: LogStream) -> Lines {
        Lines { log: self.clone(), stream, cutter: Cutter::new(self.mask.clone()) }
    }

    /// The text without the app's secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        self.mask.hide(text)
    }

    /// Hands over what was written, at its pace; for ever.
    pub(super) async fn hand_over(self) {
        let (mut pace, mut last) = (Pace::default(), Instant::now());
        loop {
            if timeout(Pace::LONGEST, self.written.notified()).await.is_ok() {
                sleep(pace.gather(last.elapsed())).await;
                last = Instant::now();
            }
            // After a silence too: what was dropped is said although nothing follows.
            self.close();
        }
    }

    /// Hands over what was written.
    pub(super) fn close(&self) {
        let mut kept = self.kept();
        let dropped = kept.flood.said(Instant::now());
        let closed = kept.write(&dropped.map(note).into_iter().collect::<Vec<_>>());
        told(closed.and_then(|()| kept.close()));
    }

    fn write(&self, stream: LogStream, texts: Vec<String>) {
        if texts.is_empty() {
            return;
        }
        let (at, now) = (clock::now(), Instant::now());
        let mut kept = self.kept();
        let mut lines = Vec::with_capacity(texts.len());
        for text in texts {
            lines.extend(kept.flood.said(now).map(note));
            if kept.flood.admits(now, text.len()) {
                lines.push(LogLine { at, stream, text });
            }
        }
        told(kept.write(&lines));
        self.written.notify_one();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an app's outputs, cut into lines.
pub(super) struct Lines {
    log: Log,
    stream: LogStream,
    cutter: Cutter,
}

impl Lines {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        self.cutter.take(bytes, |text| lines.push(text));
        self.log.write(self.stream, lines);
    }

    /// No more comes: what has no end is a line.
    pub(super) fn end(self) {
        let Self { log, stream, mut cutter } = self;
        log.write(stream, cutter.end().into_iter().collect());
    }
}

impl Kept {
    fn write(&mut self, lines: &[LogLine]) -> io::Result<()> {
        let text = self.text.write(lines);
        self.chunks.write(lines).and(text)
    }

    fn close(&mut self) -> io::Result<()> {
        self.chunks.close()?;
        self.chunks.keep_within(self.backlog_bytes)
    }
}

fn note(text: String) -> LogLine {
    LogLine { at: clock::now(), stream: LogStream::Rhone, text }
}

fn told(written: io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(%error, "some of the app's output is lost");
    }
}

#[cfg(test)]
mod tests {
    //! What an app prints, and what is found on disk.
    use super::*;
    use crate::log_folder::{read, take_over};
    use rhone_domain::hidden::Hidden;
    use std::{fs, time::Duration};

    fn opened(folder: &Path, lines_per_second: u32) -> Log {
        let spec = GateSpec { log_lines_per_second: lines_per_second, ..super::super::example_spec() };
        Log::open(folder, &spec, Mask::of(&[Hidden::new("canary-4711".into())])).expect("a log")
    }

    fn handed_over(folder: &Path) -> Vec<LogLine> {
        let chunks = take_over(&folder.join("logs"), 100).expect("taken over");
        chunks.into_iter().flat_map(|(_, path)| read(&path).expect("readable")).collect()
    }

    #[tokio::test]
    async fn a_secret_is_in_no_file_and_every_line_is_in_both() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = opened(folder.path(), 100);
        log.clone().keep(LogStream::Stdout, &b"token canary-4711\n\xff\n"[..]).await;
        log.clone().keep(LogStream::Stderr, &b"without an end canary-4711"[..]).await;
        log.close();
        let lines = handed_over(folder.path());
        let told: Vec<_> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
        let expected = [
            (LogStream::Stdout, "token ***"),
            (LogStream::Stdout, "\u{fffd}"),
            (LogStream::Stderr, "without an end ***"),
        ];
        assert_eq!(told, expected);
        let text = fs::read_to_string(folder.path().join("app.log")).expect("there");
        assert_eq!(text, "token ***\n\u{fffd}\nwithout an end ***\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_limited_and_what_was_dropped_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = opened(folder.path(), 100);
        log.clone().keep(LogStream::Stdout, "x\n".repeat(1_000).as_bytes()).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        log.clone().keep(LogStream::Stdout, &b"after\n"[..]).await;
        log.close();
        let lines = handed_over(folder.path());
        assert_eq!(lines.len(), 102);
        assert_eq!(lines[100].text, "900 lines were dropped here: there were too many within a second");
        assert_eq!((lines[100].stream, lines[101].text.as_str()), (LogStream::Rhone, "after"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_line_after_a_silence_is_handed_over_shortly() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = opened(folder.path(), 100);
        let handing_over = tokio::spawn(log.clone().hand_over());
        sleep(Pace::LONGEST * 5).await;
        log.keep(LogStream::Stdout, &b"one\n"[..]).await;
        let begun = Instant::now();
        while handed_over(folder.path()).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(begun.elapsed() < Duration::from_millis(200), "after {:?}", begun.elapsed());
        handing_over.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_drop_is_told_although_nothing_follows_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = opened(folder.path(), 1);
        log.clone().keep(LogStream::Stdout, &b"one\ntwo\n"[..]).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        log.close();
        assert_eq!(
            handed_over(folder.path())[1].text,
            "1 lines were dropped here: there were too many within a second"
        );
    }
}

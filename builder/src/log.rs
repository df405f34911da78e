//! What a build says, line by line. Writers: the builder and the programs that it runs. The traps avoided: a secret that a
//! program prints, a line without an end, a reader that is gone, and a slow one that loses lines.

use crate::clock;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _},
    sync::mpsc,
};

/// No line is longer, in bytes, its mark included.
pub const LINE_LIMIT: usize = 16 * 1024;
/// What stands at the end of a line that was cut.
const CUT: &str = " [cut]";
/// What stands where a secret was.
const MASK: &str = "***";
/// So many of the last lines are kept for whoever reports a failure.
const LAST: usize = 20;

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The builder itself.
    Step,
    /// A program, on its standard output.
    Out,
    /// A program, on its standard error.
    Err,
}

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was read.
    pub at: DateTime<Utc>,
    /// Who said it.
    pub stream: Stream,
    /// At most [`LINE_LIMIT`] bytes, without secrets and without NUL.
    pub text: String,
}

/// Where the lines of one build go. Its clones go to the same place.
#[derive(Clone)]
pub struct Log {
    lines: mpsc::Sender<Line>,
    masked: Arc<[String]>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// A log and its reader. A build waits for a slow reader once `capacity` lines are unread; it never waits for one that is
    /// gone. The texts in `masked` never reach the reader, nor does any of their lines.
    pub fn channel(capacity: usize, masked: Vec<String>) -> (Self, mpsc::Receiver<Line>) {
        let (lines, reader) = mpsc::channel(capacity.max(1));
        let mut pieces: Vec<String> = Vec::new();
        for secret in masked {
            // A program prints a secret of several lines line by line; a line such as `}` gives nothing away.
            pieces.extend(secret.lines().map(str::trim).filter(|line| line.len() >= 4).map(str::to_owned));
            pieces.push(secret);
        }
        pieces.retain(|piece| !piece.is_empty());
        // The longer first: one secret may begin with another.
        pieces.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        pieces.dedup();
        (Self { lines, masked: pieces.into(), last: Arc::default() }, reader)
    }

    /// What the builder says.
    pub async fn step(&self, text: impl AsRef<str> + Send) {
        self.say(Stream::Step, text.as_ref()).await;
    }

    /// What a program prints.
    pub async fn out(&self, text: impl AsRef<str> + Send) {
        self.say(Stream::Out, text.as_ref()).await;
    }

    /// What a program complains of.
    pub async fn err(&self, text: impl AsRef<str> + Send) {
        self.say(Stream::Err, text.as_ref()).await;
    }

    async fn say(&self, stream: Stream, text: &str) {
        self.say_read(stream, text, Read::Whole).await;
    }

    async fn say_read(&self, stream: Stream, text: &str, read: Read) {
        let text = self.fit(text, read);
        if stream != Stream::Step {
            self.remember(&text);
        }
        // A reader that is gone is nobody's failure.
        let _ = self.lines.send(Line { at: clock::now(), stream, text }).await;
    }

    /// Passes on what a program prints until it closes its output.
    pub(crate) async fn keep(&self, stream: Stream, mut output: impl AsyncBufRead + Unpin + Send) {
        while let Ok(Some((line, read))) = read_line(&mut output, LINE_LIMIT + self.longest_secret()).await {
            self.say_read(stream, &String::from_utf8_lossy(&line), read).await;
        }
    }

    /// The last lines that programs printed, oldest first.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets the last lines: what follows is another program's.
    pub(crate) fn forget(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn remember(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(text.to_owned());
    }

    fn longest_secret(&self) -> usize {
        self.masked.first().map_or(0, String::len)
    }

    /// Masks, then cuts: a secret that stands across the cut is gone before it.
    fn fit(&self, text: &str, read: Read) -> String {
        let mut text = self.hide(&text.replace('\0', "\u{fffd}"));
        let mut read = read;
        if read == Read::Cut {
            // What was not read may be the rest of a secret whose beginning stands at the end.
            text.truncate(floor(&text, text.len().saturating_sub(self.longest_secret())));
        }
        if text.len() > LINE_LIMIT {
            read = Read::Cut;
        }
        if read == Read::Cut {
            text.truncate(floor(&text, LINE_LIMIT - CUT.len()));
            text.push_str(CUT);
        }
        text
    }
}

impl Log {
    /// A text that is not a line, an error's for example, without the secrets of this log.
    pub fn hide(&self, text: &str) -> String {
        self.masked.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// The same, no longer than a line.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.fit(text, Read::Whole)
    }
}

/// How much of a line was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    Cut,
}

/// The last place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// One line without its end, of which at most `most` bytes are kept; none at the end of the output.
async fn read_line(
    output: &mut (impl AsyncBufRead + Unpin + Send),
    most: usize,
) -> std::io::Result<Option<(Vec<u8>, Read)>> {
    let (mut line, mut read) = (Vec::new(), Read::Whole);
    loop {
        let part = output.fill_buf().await?;
        if part.is_empty() {
            return Ok((!line.is_empty() || read == Read::Cut).then_some((line, read)));
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let words = &part[..end.unwrap_or(part.len())];
        let room = most - line.len();
        line.extend_from_slice(&words[..words.len().min(room)]);
        if words.len() > room {
            read = Read::Cut;
        }
        let used = end.map_or(part.len(), |end| end + 1);
        output.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Some((line, read)));
        }
    }
}

#[cfg(test)]
mod tests;

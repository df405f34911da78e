//! What a build says, line by line. Writers: the builder and the programs that it runs. The traps avoided: a secret that a
//! program prints, a line without an end, also of a program that was killed in its middle, a reader that is gone, and a slow
//! one that loses lines.

use crate::clock;
use chrono::{DateTime, Utc};
use rhone_domain::logs::{Cutter, Mask};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _},
    sync::mpsc,
};

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
    /// As [`Cutter`] cuts it, without secrets and without NUL.
    pub text: String,
}

/// Where the lines of one build go. Its clones go to the same place.
#[derive(Clone)]
pub struct Log {
    lines: mpsc::Sender<Line>,
    mask: Mask,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// A log and its reader. A build waits for a slow reader once `capacity` lines are unread; it never waits for one that is
    /// gone. What `mask` hides never reaches the reader.
    pub fn channel(capacity: usize, mask: Mask) -> (Self, mpsc::Receiver<Line>) {
        let (lines, reader) = mpsc::channel(capacity.max(1));
        (Self { lines, mask, last: Arc::default() }, reader)
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
        for text in self.cut(text) {
            self.pass_on(stream, text).await;
        }
    }

    /// Passes on what a program prints until it closes its output, or until it is given up; then the line that it began, too.
    pub(crate) async fn keep(
        &self,
        stream: Stream,
        mut output: impl AsyncBufRead + Unpin + Send,
        given_up: impl Future<Output = ()> + Send,
    ) {
        let mut cutter = Cutter::new(self.mask.clone());
        let mut given_up = pin!(given_up);
        loop {
            let part = tokio::select! {
                biased;
                () = &mut given_up => break,
                part = output.fill_buf() => part,
            };
            let Ok(part @ [_, ..]) = part else { break };
            let (mut lines, taken) = (Vec::new(), part.len());
            cutter.take(part, |line| lines.push(line));
            output.consume(taken);
            for line in lines {
                self.pass_on(stream, line).await;
            }
        }
        if let Some(line) = cutter.end() {
            self.pass_on(stream, line).await;
        }
    }

    async fn pass_on(&self, stream: Stream, text: String) {
        let text = readable(text);
        if stream != Stream::Step {
            self.remember(&text);
        }
        // A reader that is gone is nobody's failure.
        let _ = self.lines.send(Line { at: clock::now(), stream, text }).await;
    }

    /// The lines of a text, at least one.
    fn cut(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut cutter = Cutter::new(self.mask.clone());
        cutter.take(text.strip_suffix('\n').unwrap_or(text).as_bytes(), |line| lines.push(line));
        cutter.take(b"\n", |line| lines.push(line));
        lines
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
}

impl Log {
    /// A text that is not a line, an error's for example, without the secrets of this log.
    pub fn hide(&self, text: &str) -> String {
        self.mask.hide(text)
    }

    /// The same of a text of one line, no longer than a line.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.cut(text).into_iter().next().map(readable).unwrap_or_default()
    }
}

/// Without NUL, which no database keeps in a text.
fn readable(line: String) -> String {
    if line.contains('\0') { line.replace('\0', "\u{fffd}") } else { line }
}

#[cfg(test)]
mod tests;

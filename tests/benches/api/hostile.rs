//! What requests cost that want to cost more than they are long: processor time and memory for each started KB, and what honest
//! callers notice of them. The trap avoided: memory weighed on a process that has grown before, which takes from what it holds;
//! each is weighed on one of its own that has answered honest queries and nothing else.

use crate::{
    load::{Again, End, Request, client, open_loop, send},
    phases::{of, query},
    seeded::{Seeded, forget_peak_of, held_by, peak_of},
    subjects::Subjects,
};
use rhone_tests::{
    figure::{Goal, Printer, p99},
    hostile::{Hostile, requests},
    second_api::SecondApi,
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// As often is each sent, one after the other, so that a tick of the processor's account is little.
const TIMES: usize = 50;
/// As many honest queries a process answers before its memory is weighed.
const BEFORE: usize = 100;
/// Honest requests a second, and hostile ones beside them.
const HONEST: f64 = 100.0;
const BESIDE: f64 = 10.0;
/// Alone and beside hostile ones take turns so often.
const ROUNDS: usize = 5;

pub(crate) async fn cost(seeded: &Seeded, subjects: &Subjects, length: Duration, print: &Printer) {
    let sender = Sender { http: client(Duration::from_secs(10)), seeded, subjects, next: AtomicUsize::new(0) };
    let all = requests();
    let (mut processor, mut memory) = (Vec::new(), Vec::new());
    for hostile in &all {
        processor.push((sender.processor(hostile).await, hostile.what));
        memory.push((sender.memory(hostile).await, hostile.what));
    }
    let processor = dearest(processor);
    let name = format!("a hostile request's processor time for each started KB, the dearest ({})", processor.1);
    print.figure(&name, processor.0, "ms", all.len() * TIMES, Some(Goal::Below(20.0)));
    let memory = dearest(memory);
    let name = format!("a hostile request's memory for each started KB, the dearest ({})", memory.1);
    print.figure(&name, memory.0, "MiB", all.len() * TIMES, Some(Goal::Below(10.0)));
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(sender.honest(length / 4).await);
        let (honest, ()) = tokio::join!(sender.honest(length / 4), sender.flood(&all, length / 4));
        beside.push(honest);
    }
    let (alone, beside) = (middle(alone), middle(beside));
    print.figure("honest queries at 100/s alone, p99", alone, "ms", ROUNDS, None);
    print.figure("honest queries at 100/s beside 10 hostile ones a second, p99", beside, "ms", ROUNDS, None);
    let ratio = beside / alone;
    print.figure("honest queries' p99 beside hostile ones over alone", ratio, "x", ROUNDS, Some(Goal::Below(1.1)));
}

struct Sender<'a> {
    http: reqwest::Client,
    seeded: &'a Seeded,
    subjects: &'a Subjects,
    /// Whose turn it is: nobody's budget is spent, so that every request is looked at.
    next: AtomicUsize,
}

impl Sender<'_> {
    async fn send(&self, url: &str, hostile: &Hostile) {
        let subject = self.next.fetch_add(1, Ordering::Relaxed) % self.subjects.0.len();
        let request = self.http.post(format!("{url}/graphql"));
        let request = request.bearer_auth(&self.subjects.0[subject].token).header("content-type", "application/json");
        let answer = request.body(hostile.body.clone()).send().await.expect("the API answers");
        assert_ne!(answer.status(), reqwest::StatusCode::TOO_MANY_REQUESTS, "{}: it was not looked at", hostile.what);
        answer.bytes().await.expect("the API answers whole");
    }

    /// Milliseconds of one, for each started KB.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    async fn processor(&self, hostile: &Hostile) -> f64 {
        let processor = self.seeded.processor();
        for _ in 0..TIMES {
            self.send(&self.seeded.urls[0], hostile).await;
        }
        let busy = self.seeded.processor().saturating_sub(processor).as_secs_f64() * 1_000.0 / TIMES as f64;
        busy / kilobytes(hostile)
    }

    /// MiB of one, for each started KB.
    async fn memory(&self, hostile: &Hostile) -> f64 {
        let api = SecondApi::with(&self.seeded.platform, &[]).await;
        for nth in 0..BEFORE {
            assert_eq!(send(&self.http, &api.url, &query(self.subjects, nth)).await, End::Good, "an honest query");
        }
        forget_peak_of(api.pid());
        let held = held_by(api.pid());
        for _ in 0..TIMES {
            self.send(&api.url, hostile).await;
        }
        (peak_of(api.pid()) - held) / kilobytes(hostile)
    }

    async fn honest(&self, length: Duration) -> f64 {
        let urls = &self.seeded.urls[..1];
        let next = |nth| -> Request { query(self.subjects, nth) };
        let sent = open_loop(&self.http, urls, HONEST, length, Again::Never, next).await;
        p99(of(&sent, |_| true))
    }

    async fn flood(&self, all: &[Hostile], length: Duration) {
        let mut due = tokio::time::interval(Duration::from_secs_f64(1.0 / BESIDE));
        let flood = async {
            for hostile in all.iter().cycle() {
                due.tick().await;
                self.send(&self.seeded.urls[0], hostile).await;
            }
        };
        let _ended = tokio::time::timeout(length, flood).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn kilobytes(hostile: &Hostile) -> f64 {
    hostile.body.len().div_ceil(1_024) as f64
}

fn dearest(costs: Vec<(f64, &'static str)>) -> (f64, &'static str) {
    costs.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are some")
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

//! Twice as much as it can do: what it still answers in time, and how soon it is itself again.

use crate::{
    load::{Again, End, client, open_loop, send},
    phases::{RATE, counted, median, of, query},
    seeded::Seeded,
    subjects::Subjects,
};
use rhone_tests::figure::{Goal, Printer};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// An answer that comes later is of no use to anybody.
const IN_TIME: Duration = Duration::from_secs(1);
/// As many ask at once to find the peak: fewer leave the process idle, and more stand in each other's way.
const ASKERS: [usize; 4] = [16, 32, 64, 128];

pub(crate) async fn double(seeded: &Seeded, subjects: &Subjects, length: Duration, print: &Printer) {
    let urls = &seeded.urls[..1];
    let mut peak = 0.0_f64;
    for askers in ASKERS {
        let answers = answers(&urls[0], subjects, askers, length / 2).await;
        print.figure(&format!("answers a second to {askers} askers in a closed loop"), answers, "answers/s", 1, None);
        peak = peak.max(answers);
    }
    print.figure("peak: the most of these", peak, "answers/s", ASKERS.len(), None);
    // Whoever is not answered in time leaves, as people and their browsers do.
    let impatient = client(IN_TIME);
    let sent = open_loop(&impatient, urls, peak * 2.0, length, Again::Never, |nth| query(subjects, nth)).await;
    let good = sent.iter().filter(|one| one.end == End::Good && one.took <= IN_TIME).count();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let goodput = good as f64 / length.as_secs_f64();
    print.figure("goodput at twice the peak: answers within 1 s", goodput, "answers/s", sent.len(), None);
    let share = Some(Goal::AtLeast(0.8));
    print.figure("goodput at twice the peak over the peak", goodput / peak, "x", sent.len(), share);
    counted(print, "at twice the peak", &sent, None);
    print.figure(
        "recovery after it: until half a second of 200 requests/s has a median below 50 ms",
        recovery(urls, subjects).await,
        "s",
        1,
        Some(Goal::Below(10.0)),
    );
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn answers(url: &str, subjects: &Subjects, askers: usize, length: Duration) -> f64 {
    let (client, next, good) = (client(Duration::from_secs(10)), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    let askers = (0..askers).map(|_| async {
        while begun.elapsed() < length {
            let request = query(subjects, next.fetch_add(1, Ordering::Relaxed));
            if send(&client, url, &request).await == End::Good {
                good.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    futures_util::future::join_all(askers).await;
    good.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn recovery(urls: &[String], subjects: &Subjects) -> f64 {
    let (begun, client) = (Instant::now(), client(Duration::from_secs(5)));
    loop {
        let half = Duration::from_millis(500);
        let sent = open_loop(&client, urls, RATE, half, Again::Never, |nth| query(subjects, nth)).await;
        let all_good = sent.iter().all(|one| one.end == End::Good);
        if (all_good && median(&of(&sent, |_| true)) < 0.05) || begun.elapsed() > Duration::from_mins(1) {
            return begun.elapsed().as_secs_f64();
        }
    }
}

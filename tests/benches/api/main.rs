//! `./dev bench api`: the API over a seeded platform. Twenty console queries and ten mutations in an open loop, what the
//! machine allows beside them, live subscribers, hostile requests, overload and its end, the loss of one of two API processes,
//! how many statements each query costs, and a worker that goes through all of its lanes. It prints figures and judges nothing.
//! `RHONE_BENCH_SCALE` is a share of the whole platform, `RHONE_BENCH_SECONDS` the length of a phase.

mod hostile;
mod lanes;
mod load;
mod mutations;
mod overload;
mod phases;
mod queries;
mod seeded;
mod served;
mod stalls;
mod statements;
mod subjects;
mod subscribers;

use rhone_tests::figure::Printer;
use seeded::Seeded;
use std::{env, str::FromStr, time::Duration};
use subjects::Subjects;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(bench());
}

async fn bench() {
    let print = Printer::new("api");
    let length = Duration::from_secs(setting("RHONE_BENCH_SECONDS", 120));
    let mut seeded = Seeded::start(setting("RHONE_BENCH_SCALE", 1.0), &print).await;
    seeded.memory(&print, "at rest");
    let subjects = Subjects::choose(&seeded, 200).await;
    seeded.forget_peak();
    phases::steady(&seeded, &subjects, length, &print).await;
    seeded.most_memory(&print, "at 200 requests/s");
    subscribers::deliver(&seeded, &subjects, length / 4, &print).await;
    seeded.most_memory(&print, "with 1,000 subscribers");
    hostile::cost(&seeded, &subjects, length, &print).await;
    seeded.forget_peak();
    overload::double(&seeded, &subjects, length / 4, &print).await;
    seeded.most_memory(&print, "at twice the peak");
    seeded.memory(&print, "after all of it");
    phases::kill_one(&seeded, &subjects, length / 4, &print).await;
    statements::count(&seeded, &subjects, &print).await;
    lanes::look_after(&mut seeded, &print).await;
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

//! What the same takes without the platform: a commit that is cloned and built by its own command, and an app that is started
//! as a plain process. The trap avoided: a figure that nobody can place; beside each stands how often it goes into the
//! platform's own.

use super::deploys;
use rhone_tests::{
    figure::{Printer, p50},
    graphql::http,
    program,
    repository::Repository,
};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The last commit, cloned without its history and built, again and again; beside what the platform took for its like.
pub(crate) fn built(print: &Printer, repository: &Repository, platform: &[Duration]) {
    let hand: Vec<Duration> = (0..deploys()).map(|_| cloned_and_built(repository)).collect();
    let over = p50(platform.to_vec()) / p50(hand.clone());
    print.distribution("by hand: cloned and built", hand, None);
    print.figure("warm: accepted to preview_ready, its p50 over the one by hand", over, "x", platform.len(), None);
}

fn cloned_and_built(repository: &Repository) -> Duration {
    let room = tempfile::tempdir().expect("a folder");
    let sources = room.path().join("sources");
    let begun = Instant::now();
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--depth", "1"]).arg(format!("file://{}", repository.address())).arg(&sources);
    done(clone.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]));
    done(Command::new("python3").arg("build.py").current_dir(&sources));
    begun.elapsed()
}

fn done(command: &mut Command) {
    let output = command.output().expect("it is installed");
    assert!(output.status.success(), "{command:?}: {}", program::text(&output.stderr));
}

/// The app that images are made of, from its start to its first answer; beside what the platform took for an image of it.
pub(crate) async fn started(print: &Printer, platform: &[Duration]) {
    let mut hand = Vec::new();
    for _ in 0..deploys() {
        hand.push(first_answer().await);
    }
    let over = p50(platform.to_vec()) / p50(hand.clone());
    print.distribution("by hand: the image's app started to its first answer", hand, None);
    let name = "`rhone deploy --image` to its first answer, its p50 over the one by hand";
    print.figure(name, over, "x", platform.len(), None);
}

async fn first_answer() -> Duration {
    let (counter, folder) = (program::path("counter"), program::example("blue"));
    let begun = Instant::now();
    let mut command = Command::new(counter);
    let mut app = command.current_dir(folder).env_remove("PORT").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut said = String::new();
    BufReader::new(app.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
    let address = said.trim_end().rsplit(' ').next().expect("it says where it listens");
    let answer = http().get(format!("http://{address}/health")).send().await.expect("it answers");
    assert_eq!(answer.status(), 200);
    let took = begun.elapsed();
    let _ = (app.kill(), app.wait());
    took
}

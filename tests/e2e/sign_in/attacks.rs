//! Everything that is tried against a sign-in and its session (S14), counted. An attack counts as refused only if nobody is
//! signed in by it, and nothing was done.

mod device;
mod flow;
mod mutants;
mod redirects;
mod session;

use rhone_tests::platform::Platform;

/// What came of attacks: each by name, and whether it was refused.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<(String, bool)>);

impl Tally {
    /// An attack was tried.
    pub(super) fn note(&mut self, attack: impl Into<String>, refused: bool) {
        self.0.push((attack.into(), refused));
    }

    /// Those that were not refused.
    pub(super) fn accepted(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, refused)| !refused).map(|(attack, _)| attack.as_str()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_who_did_not_sign_in_here() {
    let platform = Platform::shared().await;
    let mut tally = Tally::default();
    flow::attack(platform, &mut tally).await;
    redirects::attack(platform, &mut tally).await;
    session::attack(platform, &mut tally).await;
    device::attack(platform, &mut tally).await;
    for (attack, refused) in &tally.0 {
        println!("S14 {}: {attack}", if *refused { "refused" } else { "ACCEPTED" });
    }
    let accepted = tally.accepted();
    println!("S14: {}/{} refused", tally.0.len() - accepted.len(), tally.0.len());
    assert!(tally.0.len() > 100, "only {} attacks", tally.0.len());
    assert!(accepted.is_empty(), "{accepted:#?}");
}

//! Everything that is tried against a sign-in and its session (S14), counted. An attack counts as refused only if nobody is
//! signed in by it, and nothing was done.

mod device;
mod flow;
mod redirects;
mod session;

use rhone_tests::platform::Platform;

/// What came of attacks: each by name, and whether it was refused.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<(String, bool)>);

impl Tally {
    /// An attack was tried.
    pub(super) fn note(&mut self, attack: impl Into<String>, refused: bool) {
        let attack = attack.into();
        println!("S14 {}: {attack}", if refused { "refused" } else { "ACCEPTED" });
        self.0.push((attack, refused));
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
    let refused = tally.0.iter().filter(|(_, refused)| *refused).count();
    println!("S14: {refused}/{} refused", tally.0.len());
    assert!(tally.0.len() > 100, "only {} attacks", tally.0.len());
    let accepted: Vec<_> = tally.0.iter().filter(|(_, refused)| !refused).collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
}

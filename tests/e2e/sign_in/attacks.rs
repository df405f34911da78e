//! Everything that is tried against a sign-in (S14), against its session (S15), and across sites (S8), counted. An attack counts as refused only if
//! nobody is signed in by it, and nothing was done; one on a session, besides, only if its honest twin went through.

mod device;
mod flow;
mod kept;
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

    /// The same beside its honest twin: where that failed too, nothing was refused.
    pub(super) fn held(&mut self, attack: impl Into<String>, honest: bool, refused: bool) {
        self.note(attack, honest && refused);
    }

    /// Those that were not refused.
    pub(super) fn accepted(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, refused)| !refused).map(|(attack, _)| attack.as_str()).collect()
    }

    /// Prints the set whole; it has so many, and all are refused.
    fn told(&self, set: &str, attacks: usize) {
        for (attack, refused) in &self.0 {
            println!("{set} {}: {attack}", if *refused { "refused" } else { "ACCEPTED" });
        }
        let accepted = self.accepted();
        println!("{set}: {}/{} refused", self.0.len() - accepted.len(), self.0.len());
        assert_eq!((accepted, self.0.len()), (Vec::new(), attacks), "{set}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_who_did_not_sign_in_here() {
    let platform = Platform::shared().await;
    let mut tally = Tally::default();
    flow::attack(platform, &mut tally).await;
    redirects::attack(platform, &mut tally).await;
    device::attack(platform, &mut tally).await;
    tally.told("S14", 102);
}

/// On the whole API, by the cookie that a browser sends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_elsewhere_makes_a_mutation_run_with_the_cookie() {
    let platform = Platform::shared().await;
    let mut tally = Tally::default();
    session::cross_site(platform, &mut tally).await;
    session::sockets(platform, &mut tally).await;
    tally.told("S8", 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_uses_a_session_that_is_not_theirs() {
    let platform = Platform::shared().await;
    let mut tally = Tally::default();
    session::attack(platform, &mut tally).await;
    kept::attack(platform, &mut tally).await;
    tally.told("S15", 71);
}

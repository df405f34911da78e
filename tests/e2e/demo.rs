//! `rhone demo` as far as nothing in it is a matter of speed: from real commits to a rollback and its timeline. It checks each of its
//! claims itself, and ends at the first that does not hold. The trap avoided: a story that nobody has told since it was written.

use rhone_tests::{
    platform::Platform,
    program::{self, text},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_goes_from_real_commits_to_a_rollback_and_its_timeline() {
    let platform = Platform::start().await;
    let examples = program::example("blue").parent().expect("it lies in a folder").display().to_string();
    let output = platform.rhone(&["demo", "--gentle", "--examples", &examples]).await;
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
    for step in 1..=7 {
        assert!(told.contains(&format!("\n== {step}. ")), "step {step}: {told}");
    }
    assert!(!told.contains("\n== 8. "), "nothing was to be killed: {told}");
    assert_eq!(told.matches("PASS exactly commit ").count(), 2, "two versions, each of a commit of its own: {told}");
    for claim in ["the same commit gives the same digest", "blue serves again with exactly", " claims held, in "] {
        assert!(told.contains(claim), "{claim}: {told}");
    }
    // The sin: a story that goes on without what it tells of.
    let output = platform.rhone(&["demo", "--gentle", "--examples", "/nowhere"]).await;
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success() && !told.contains("claims held"), "it was told to its end: {told}");
    assert!(wrong.contains("/nowhere"), "{wrong}");
}

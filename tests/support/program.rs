//! The programs under test, found beside this test's own, and the example's two versions. The trap avoided: a program of an
//! older build; whoever runs the tests by hand is told what builds them.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};
use tokio::time::timeout;

/// Longer than anything takes that is run to its end: what should have been refused would go on for ever.
const LONGEST: Duration = Duration::from_mins(10);

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the checkout")
}

/// A program of this workspace.
pub fn path(name: &str) -> PathBuf {
    let test = env::current_exe().expect("this program has a path");
    let profile = test.ancestors().nth(2).expect("tests are built into target/<profile>/deps");
    let program = profile.join(name);
    assert!(program.is_file(), "{} is missing: run `./dev build`", program.display());
    program
}

/// The example's folder of a version, laid out once.
pub fn example(version: &str) -> PathBuf {
    static LAID_OUT: OnceLock<PathBuf> = OnceLock::new();
    LAID_OUT.get_or_init(lay_out).join(format!("counter-{version}"))
}

/// In a folder of this test run: the same programs give the same bytes.
fn lay_out() -> PathBuf {
    let folder = path("counter").with_file_name("e2e-examples");
    std::fs::create_dir_all(&folder).expect("target is ours");
    let pack = root().join("examples/counter/pack.sh");
    let packed = Command::new(&pack).arg(path("counter")).arg(&folder).output().expect("pack.sh runs");
    assert!(packed.status.success(), "{}: {}", pack.display(), text(&packed.stderr));
    folder
}

/// Runs `rhone` on a data folder, to its end.
pub async fn rhone(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(path("rhone"));
    command.arg("--data").arg(data).args(words);
    ended(command).await
}

/// The same, in a folder and with these variables.
pub async fn rhone_in(folder: &Path, data: &Path, variables: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = Command::new(path("rhone"));
    command.current_dir(folder).arg("--data").arg(data).args(words).envs(variables.iter().copied());
    ended(command).await
}

/// Runs a program to its end; one that has none is killed, and its test fails.
pub async fn ended(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(LONGEST, output).await.expect("the program ends").expect("the program runs")
}

/// What a program said.
pub fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

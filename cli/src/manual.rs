//! `rhone completions` and `rhone man`: made from the command line itself. The trap avoided: a page about a command of another
//! program; both come from the one that runs.

use crate::args::Args;
use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::{fs, io, path::Path};

/// `rhone completions`.
pub(crate) fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Args::command(), "rhone", &mut io::stdout());
}

/// `rhone man`: a page for each command; says how many.
pub(crate) fn pages(folder: &Path) -> Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    clap_mangen::generate_to(Args::command(), folder).with_context(|| format!("writing into {}", folder.display()))?;
    let entries = fs::read_dir(folder).with_context(|| format!("looking into {}", folder.display()))?;
    Ok(entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "1")).count())
}

#[cfg(test)]
mod tests {
    //! Every command has its page, and every shell its words.
    use super::*;

    #[test]
    fn every_command_has_a_page_and_the_first_one_the_exit_codes() {
        let folder = tempfile::tempdir().expect("a folder");
        let written = pages(folder.path()).expect("written");
        assert!(written > 50, "{written} pages");
        for name in ["rhone.1", "rhone-backup.1", "rhone-environment-rollback.1", "rhone-env-import.1"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        let page = fs::read_to_string(folder.path().join("rhone.1")).expect("it is there");
        assert!(page.contains("Exit codes") && page.contains("refused by a rule or a gate"), "{page}");
        assert!(!folder.path().join("rhone-runner-gate.1").exists(), "what is hidden has none");
    }

    #[test]
    fn every_shell_knows_a_command_of_every_kind() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "rhone", &mut script);
            let script = String::from_utf8(script).expect("text");
            for word in ["backup", "promote", "completions", "environment"] {
                assert!(script.contains(word), "{word} in {shell}");
            }
        }
    }
}

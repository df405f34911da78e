//! How the story sounds: a heading per step, facts, and a line for each claim that held. The trap avoided: PASS printed by
//! hope; it takes the condition and is an error when that is false.

use crate::output::line;
use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::Instant;

/// Whoever tells.
pub(super) struct Teller {
    begun: Instant,
    held: u32,
    margin: &'static str,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), held: 0, margin: "   " }
    }

    /// A step begins.
    pub(super) fn step(&self, number: u8, title: &str) {
        line(format_args!("\n== {number}. {title} [{:.1} s]", self.begun.elapsed().as_secs_f64()));
    }

    /// Something that is so.
    pub(super) fn fact(&self, text: impl std::fmt::Display) {
        line(format_args!("{}{text}", self.margin));
    }

    /// A claim; the story ends if it does not hold.
    pub(super) fn holds(&mut self, is_so: bool, claim: impl std::fmt::Display) -> Result<()> {
        if !is_so {
            line(format_args!("{}FAIL {claim}", self.margin));
            bail!("this does not hold: {claim}");
        }
        self.held += 1;
        line(format_args!("{}PASS {claim}", self.margin));
        Ok(())
    }

    /// A claim about how long something took.
    pub(super) fn within(&mut self, limit: Duration, took: Duration, claim: impl std::fmt::Display) -> Result<()> {
        self.holds(took < limit, format_args!("{claim}: {} ms (limit {} ms)", took.as_millis(), limit.as_millis()))
    }

    /// It was told to the end.
    pub(super) fn end(&self) {
        line(format_args!("\n{} claims held, in {:.1} s", self.held, self.begun.elapsed().as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    //! A claim that does not hold ends the story.
    use super::*;

    #[test]
    fn a_claim_that_does_not_hold_is_an_error() {
        let mut teller = Teller::new();
        assert!(teller.holds(true, "one is one").is_ok());
        assert!(teller.holds(false, "one is two").is_err());
        let limit = Duration::from_millis(10);
        assert!(teller.within(limit, limit, "it took no longer than it may").is_err());
        assert_eq!(teller.held, 1);
    }
}

//! Whether generated files are what their generator made. The four that Vango commits are named here; an artifact declares
//! their digests when it is built, and the packed files are compared with that. Trap: treating project config as generated
//! build output; what a person writes, such as `rhone.toml`, is never on this list.

use crate::{
    actor::{UnknownWord, words},
    artifact_facts::{ArtifactFacts, GeneratedFacts},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The files that Vango generates and that are committed.
pub const FILES: [&str; 4] =
    ["app/routes/routes_gen.go", "vango_state_bindings_gen.go", "vango_state_manifest.json", "vango_state_schema.json"];

words! {
    /// Whether generated files are up to date.
    Freshness {
        /// Each is what its generator made.
        Fresh = "fresh",
        /// One is not, or is missing.
        Stale = "stale",
        /// The artifact does not declare what was generated.
        Undeclared = "undeclared",
    }
}

/// Whether an artifact's generated files are fresh.
pub fn freshness(facts: &ArtifactFacts) -> Freshness {
    match (facts.generated.is_empty(), stale(facts).next()) {
        (true, _) => Freshness::Undeclared,
        (false, Some(_)) => Freshness::Stale,
        (false, None) => Freshness::Fresh,
    }
}

/// The files that are not what was declared, by name.
pub fn stale(facts: &ArtifactFacts) -> impl Iterator<Item = (&str, &GeneratedFacts)> {
    let entries = facts.generated.iter().filter(|(_, file)| file.packed != Some(file.declared));
    entries.map(|(name, file)| (name.as_str(), file))
}

#[cfg(test)]
mod tests {
    //! Fresh, stale, missing, undeclared; and what is not generated.
    use super::*;
    use crate::story::{BLUE_BYTES, GREEN_BYTES, facts};

    fn with(packed: Option<crate::digest::Digest>) -> ArtifactFacts {
        let file = GeneratedFacts { declared: GREEN_BYTES, packed };
        ArtifactFacts { generated: [(FILES[0].to_owned(), file)].into(), ..facts() }
    }

    #[test]
    fn a_file_that_is_missing_or_another_one_is_stale() {
        assert_eq!(freshness(&with(Some(GREEN_BYTES))), Freshness::Fresh);
        assert_eq!(freshness(&with(Some(BLUE_BYTES))), Freshness::Stale);
        assert_eq!(freshness(&with(None)), Freshness::Stale);
        assert_eq!(freshness(&ArtifactFacts { generated: [].into(), ..facts() }), Freshness::Undeclared);
        assert_eq!(stale(&with(None)).map(|(name, _)| name).collect::<Vec<_>>(), [FILES[0]]);
    }

    #[test]
    fn a_comparison_that_forgives_a_missing_file_is_caught() {
        let sin = |facts: &ArtifactFacts| facts.generated.values().all(|f| f.packed.is_none_or(|p| p == f.declared));
        assert!(sin(&with(None)), "the sin lets it pass");
        assert_eq!(freshness(&with(None)), Freshness::Stale, "and the rule does not");
    }

    #[test]
    fn trap_treating_project_config_as_generated_build_output() {
        for config in ["rhone.toml", "vango.json", "go.mod", "rhone.source.json"] {
            assert!(!FILES.contains(&config), "{config} is written by people");
        }
    }
}

//! Whether the generated files are what their generator made. Trap: treating project config as generated build output; only
//! what an artifact declares as generated is asked for, and only files that are generated can be declared. What it packs and does
//! not declare is not taken for fresh: a warning.

use super::{Code, Facts, Judged, Refusal};
use crate::{generated, generated::Freshness};

pub(crate) const KIND: &str = "generated";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let Some(next) = facts.next else {
        return Judged::warning(
            KIND,
            "which files the artifact declares as generated is not on record",
            "not on record",
        );
    };
    let unsaid = generated::unsaid(next).join(", ");
    match generated::freshness(next) {
        Freshness::Undeclared | Freshness::Fresh if !unsaid.is_empty() => {
            let reason =
                format!("{unsaid}: packed, and not declared under `[generated]`; nobody knows whether it is fresh");
            Judged::warning(KIND, reason, format!("undeclared: {unsaid}"))
        }
        Freshness::Undeclared => {
            Judged::open(KIND, "the artifact declares no generated files", Freshness::Undeclared.as_str())
        }
        Freshness::Fresh => {
            let files = next.generated.keys().map(String::as_str).collect::<Vec<_>>();
            Judged::open(KIND, "every declared file is what was generated", files.join(", "))
        }
        Freshness::Stale => {
            let stale = generated::stale(next).collect::<Vec<_>>();
            let names = stale.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let found = |file: &crate::artifact_facts::GeneratedFacts| {
                file.packed.map_or_else(|| "nothing".to_owned(), |packed| packed.to_string())
            };
            let shown =
                stale.iter().map(|(name, file)| format!("{name}: {} declared, {} packed", file.declared, found(file)));
            let evidence = shown.collect::<Vec<_>>().join("; ");
            let message = format!("{names}: not what was generated; generate again, commit, and build a new artifact");
            Judged::closed(KIND, Refusal::new(Code::GeneratedStale, Some("deploymentId"), message), evidence)
        }
    }
}

//! Generated files: stale, fresh, and packed without anybody saying what was generated. Trap: what is not found stale, taken for
//! fresh.

use super::*;
use crate::{
    artifact_facts::GeneratedFacts,
    generated::{FILES, stale},
    story::GREEN_BYTES,
};
use std::collections::BTreeMap;

/// Every file of the shop that is generated, as it was generated.
pub(super) fn all() -> BTreeMap<String, GeneratedFacts> {
    let file = GeneratedFacts { declared: GREEN_BYTES, packed: Some(GREEN_BYTES) };
    FILES.map(|name| (name.to_owned(), file)).into()
}

/// A promotion of what declares all of them but this one.
fn without(name: &str) -> Given {
    promotion().with(|g| g.next.generated.retain(|file, _| file != name))
}

#[test]
fn a_stale_generated_file_blocks_and_nothing_opens_it() {
    let stale = promotion().with(|g| {
        let file = GeneratedFacts { declared: GREEN_BYTES, packed: Some(BLUE_BYTES) };
        g.next.generated = [("app/routes/routes_gen.go".to_owned(), file)].into();
    });
    assert_eq!(stale.judged("generated"), (Fail, Some("GENERATED_STALE")));
    assert_eq!(stale.acknowledging("generated").refused(), Some("GENERATED_STALE"));
    assert_eq!(promotion().judged("generated"), (Pass, None));
}

/// The sin: what is not found stale is taken for fresh.
#[test]
fn a_generated_file_that_is_packed_and_that_nobody_declares_is_warned_of() {
    let none = || promotion().with(|g| g.next.generated.clear());
    for given in [none(), without("vango_state_manifest.json"), without("vango_state_schema.json")] {
        assert!(stale(&given.next).next().is_none(), "the sin lets it pass");
        assert_eq!(given.judged("generated"), (Warn, None), "{:?}", given.next.generated);
    }
    let no_schema = |g: &mut Given| g.next.vango.as_mut().expect("a Vango app").schema_hash = None;
    let passes = [
        (without("vango_state_schema.json").with(no_schema), "there is none"),
        (without("app/routes/routes_gen.go"), "nobody knows whether it is there"),
        (none().with(|g| g.next.vango = None), "it is no Vango app"),
    ];
    for (given, why) in passes {
        assert_eq!(given.judged("generated"), (Pass, None), "{why}");
    }
}

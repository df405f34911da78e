//! Tokens as callers are looked up by them, written inline: valid from the append that makes one, and no longer than the
//! append that ends it. The trap: the secret; its SHA-256 goes into the table and nothing else does.

use rhone_domain::{
    actor::ActorKind,
    token::{Holder, Token},
};
use serde_json::{Value, json};

/// The row.
pub fn rows(token: &Token) -> Vec<Value> {
    let Some(described) = &token.token else { return Vec::new() };
    let (kind, region, host, access) = match described.holder {
        Holder::Person => (ActorKind::Token.as_str(), None, None, None),
        Holder::Support(access) => (ActorKind::Support.as_str(), None, None, Some(access)),
        Holder::Runner(host) => ("runner", None, Some(host), None),
        Holder::Edge(region) => ("edge", Some(region), None, None),
    };
    vec![json!({
        "table": "token",
        "token": described.id,
        "hash": token.secret.as_ref().map(|secret| secret.digest.hex()),
        "hint": token.secret.as_ref().map(|secret| &secret.hint),
        "kind": kind,
        "actor": described.actor,
        "workspace": described.limits.workspace,
        "region": region,
        "host": host,
        "access": access,
        "grants": described.limits.narrowing,
        "name": described.name,
        "made": token.made,
        "until": described.limits.until,
        "rotated": token.rotated,
        "ended": token.ended,
    })]
}

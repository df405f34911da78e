//! What the platform says of itself: its nouns and its classes of state, from the tables that its rules use. The trap: a
//! description kept beside the rules, which ends up describing something else.

use async_graphql::SimpleObject;
use rhone_domain::{
    object_model::{self, NOUNS},
    state_taxonomy::{self, TAXONOMY},
};

/// A class of state: who has it, how it lasts, and what becomes of it.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct StateClass {
    /// A stable word.
    class: &'static str,
    name: &'static str,
    owner: &'static str,
    writer: &'static str,
    /// In which capacities events of it are written; none when it is not in the log.
    writers: Vec<&'static str>,
    /// truth, selection, hint, diagnostic or customer: what it may be used for.
    standing: &'static str,
    durability: &'static str,
    /// How much of it may be lost.
    rpo: &'static str,
    /// How soon it is back.
    rto: &'static str,
    deploy_impact: &'static str,
    scale_impact: &'static str,
    failure_behavior: &'static str,
}

impl From<&state_taxonomy::Row> for StateClass {
    fn from(row: &state_taxonomy::Row) -> Self {
        Self {
            class: row.class.as_str(),
            name: row.name,
            owner: row.owner,
            writer: row.writer,
            writers: row.writers.iter().map(|writer| writer.as_str()).collect(),
            standing: row.standing.as_str(),
            durability: row.durability,
            rpo: row.rpo,
            rto: row.rto,
            deploy_impact: row.deploy_impact,
            scale_impact: row.scale_impact,
            failure_behavior: row.failure_behavior,
        }
    }
}

/// A noun of the platform.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct NounDescription {
    name: &'static str,
    /// The first half of its streams' names.
    category: &'static str,
    meaning: &'static str,
    owner: &'static str,
    written_by: &'static str,
    durability: &'static str,
    /// The mistake that its rules make impossible.
    trap: &'static str,
}

impl From<&object_model::Noun> for NounDescription {
    fn from(noun: &object_model::Noun) -> Self {
        Self {
            name: noun.name,
            category: noun.category,
            meaning: noun.meaning,
            owner: noun.owner,
            written_by: noun.written_by,
            durability: noun.durability,
            trap: noun.trap,
        }
    }
}

/// Every class of state.
pub(crate) fn state_taxonomy() -> Vec<StateClass> {
    TAXONOMY.iter().map(Into::into).collect()
}

/// Every noun.
pub(crate) fn object_model() -> Vec<NounDescription> {
    NOUNS.iter().map(Into::into).collect()
}

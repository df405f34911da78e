//! What a document weighs once its fragments are written out, computed without writing them out: each fragment is weighed
//! once and its weight added wherever it is spread. The trap avoided: walking the expansion to measure it, which is the very
//! attack; and a cost by type, which async-graphql skips behind interfaces. This cost goes by names, so it is the same there.
//! So do the lists of the schema about itself, which the library lets expand without an end.

use std::{collections::HashMap, convert::Infallible};

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use super::price;
use crate::{fault::Fault, page};

/// The figures that `document` holds against its limits; all of them saturate.
#[derive(Debug, Default)]
pub(super) struct Weight {
    pub(super) definitions: usize,
    pub(super) aliases: usize,
    pub(super) expanded: usize,
    pub(super) depth: usize,
    pub(super) height: usize,
    pub(super) cost: usize,
}

/// The recursion of this file, and so of its stack; above every limit anyone would set on height.
const DEEPEST: usize = 128;

pub(super) fn weigh(document: &ExecutableDocument, variables: &Variables) -> Result<Weight, Fault> {
    let mut scale = Scale { document, variables, fragments: HashMap::new(), aliases: 0 };
    let mut total = Weight::default();
    for (_, operation) in document.operations.iter() {
        let part = scale.selections(&operation.node.selection_set, 0, false)?;
        total.definitions += 1;
        total.expanded = total.expanded.saturating_add(part.expanded);
        total.depth = total.depth.max(part.depth);
        total.height = total.height.max(part.height);
        // `edges` at the root has no page around it, so it counts as a default page.
        total.cost = total.cost.max(part.cost(page::DEFAULT));
    }
    for name in document.fragments.keys() {
        // Validation walks unused fragments too.
        let part = scale.fragment(name, 0)?;
        total.definitions += 1;
        total.expanded = total.expanded.saturating_add(part.expanded);
    }
    total.aliases = scale.aliases;
    Ok(total)
}

/// The weight of one selection set, linear in the rows of the page around it.
#[derive(Debug, Default, Clone, Copy)]
struct Part {
    expanded: usize,
    depth: usize,
    height: usize,
    /// Cost that does not depend on the page around it.
    plain: usize,
    /// Cost of `edges` and `nodes`, for each row of that page.
    per_row: usize,
}

impl Part {
    fn cost(self, rows: usize) -> usize {
        self.plain.saturating_add(self.per_row.saturating_mul(rows))
    }

    fn add(&mut self, other: Self) {
        self.expanded = self.expanded.saturating_add(other.expanded);
        self.depth = self.depth.max(other.depth);
        self.height = self.height.max(other.height);
        self.plain = self.plain.saturating_add(other.plain);
        self.per_row = self.per_row.saturating_add(other.per_row);
    }
}

enum Weighed {
    InProgress,
    Done(Part),
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    fragments: HashMap<&'a str, Weighed>,
    aliases: usize,
}

impl<'a> Scale<'a> {
    /// `introspects` within what the schema says about itself.
    fn selections(
        &mut self,
        set: &'a Positioned<SelectionSet>,
        level: usize,
        introspects: bool,
    ) -> Result<Part, Fault> {
        if level > DEEPEST {
            return Err(Fault::too_complex(format!("at most {DEEPEST} levels of selections")));
        }
        let mut part = Part::default();
        for selection in &set.node.items {
            part.add(match &selection.node {
                Selection::Field(field) => self.field(&field.node, level, introspects)?,
                Selection::InlineFragment(inline) => {
                    let inner = self.selections(&inline.node.selection_set, level + 1, introspects)?;
                    Part { expanded: inner.expanded.saturating_add(1), ..inner }
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, level + 1)?;
                    Part { expanded: inner.expanded.saturating_add(1), ..inner }
                }
            });
        }
        part.height += 1;
        Ok(part)
    }

    fn fragment(&mut self, name: &str, level: usize) -> Result<Part, Fault> {
        // Validation reports an unknown fragment better; it weighs nothing, since nothing of it can run.
        let document = self.document;
        let Some((name, fragment)) = document.fragments.get_key_value(name) else { return Ok(Part::default()) };
        match self.fragments.get(name.as_str()) {
            Some(Weighed::Done(part)) => return Ok(*part),
            Some(Weighed::InProgress) => {
                return Err(Fault::bad_input("query", format!("fragment {name} must not spread itself")));
            }
            None => {}
        }
        self.fragments.insert(name, Weighed::InProgress);
        let introspects = fragment.node.type_condition.node.on.node.starts_with("__");
        let part = self.selections(&fragment.node.selection_set, level, introspects)?;
        self.fragments.insert(name, Weighed::Done(part));
        Ok(part)
    }

    fn field(&mut self, field: &'a Field, level: usize, introspects: bool) -> Result<Part, Fault> {
        self.aliases += usize::from(field.alias.is_some());
        let name = field.name.node.as_str();
        let price = price::of(name, introspects);
        let introspects = introspects || matches!(name, "__schema" | "__type");
        let inner = if field.selection_set.node.items.is_empty() {
            Part::default()
        } else {
            self.selections(&field.selection_set, level + 1, introspects)?
        };
        let awaits = if field.get_argument("atLeastPosition").is_some() { price::AWAITS } else { 0 };
        let base = price.base.saturating_add(awaits);
        let cost = inner.cost(self.rows(field)).saturating_mul(price.times).saturating_add(base);
        let of_page = matches!(name, "edges" | "nodes");
        Ok(Part {
            expanded: inner.expanded.saturating_add(1),
            depth: inner.depth + 1,
            height: inner.height,
            plain: if of_page { 0 } else { cost },
            per_row: if of_page { cost } else { 0 },
        })
    }

    /// The rows of the page a field opens: its `first` or `last`, clamped, the larger if someone gives both.
    fn rows(&self, field: &Field) -> usize {
        let wanted = ["first", "last"].into_iter().filter_map(|name| field.get_argument(name));
        let rows = wanted.map(|value| {
            let constant =
                value.node.clone().into_const_with(|name| Ok::<_, Infallible>(self.rows_of_variable(&name).into()));
            constant.as_ref().map_or(page::MAX, rows_of)
        });
        rows.max().unwrap_or(page::DEFAULT)
    }

    fn rows_of_variable(&self, name: &Name) -> usize {
        self.variables.get(name).map_or_else(|| self.rows_of_default(name), rows_of)
    }

    /// A fragment does not know which operation spreads it: the largest default of any operation counts.
    fn rows_of_default(&self, variable: &str) -> usize {
        let definitions =
            self.document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
        let defaults = definitions
            .filter(|definition| definition.node.name.node == variable)
            .filter_map(|definition| definition.node.default_value.as_ref());
        defaults.map(|value| rows_of(&value.node)).max().unwrap_or(page::DEFAULT)
    }
}

fn rows_of(value: &Value) -> usize {
    match value {
        Value::Null => page::DEFAULT,
        Value::Number(number) => page::size_for_cost(Some(number.as_i64().unwrap_or(-1))),
        // Of the wrong type, and refused by validation; dear until then.
        Value::String(_)
        | Value::Boolean(_)
        | Value::Binary(_)
        | Value::Enum(_)
        | Value::List(_)
        | Value::Object(_) => page::MAX,
    }
}

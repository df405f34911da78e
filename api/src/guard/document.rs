//! The document guard: tokens first, then the library's own parse of a text that is small by now, then the weight of what it
//! expands to, all before validation. The trap avoided: a second parser that reads a text otherwise than the library does;
//! the tree weighed here is the tree that runs.

use async_graphql::{
    Request, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};

use super::{
    lexer::{self, within},
    weigh::{self, Weight},
};
use crate::fault::{Code, Fault};

/// How large a document may be, as sent and as expanded.
#[derive(Debug, Clone)]
pub struct DocumentLimits {
    /// Bytes of text.
    pub bytes: usize,
    /// Tokens.
    pub tokens: usize,
    /// Brackets of any kind open at a time.
    pub nesting: usize,
    /// `...`, named and inline.
    pub spreads: usize,
    /// `@` in the whole document.
    pub directives: usize,
    /// `@` on one field.
    pub directives_per_field: usize,
    /// Operations and fragments.
    pub definitions: usize,
    /// Aliases as written.
    pub aliases: usize,
    /// Selections after every fragment is written out where it is spread.
    pub expanded: usize,
    /// Fields within fields.
    pub depth: usize,
    /// Selection sets within selection sets, fragments counted.
    pub height: usize,
    /// Selections times the rows of their pages.
    pub cost: usize,
}

impl Default for DocumentLimits {
    /// The largest document of the console and the standard introspection query pass with room to spare.
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            tokens: 2_000,
            nesting: 40,
            spreads: 200,
            directives: 50,
            directives_per_field: 4,
            definitions: 64,
            aliases: 100,
            expanded: 2_000,
            depth: 20,
            height: 32,
            cost: 10_000,
        }
    }
}

/// What would run, and what it costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    pub(crate) operation: OperationType,
    pub(crate) cost: u32,
}

/// Admits a request's document, and says what would run.
pub(crate) fn admit(request: &mut Request, limits: &DocumentLimits) -> Result<Admitted, ServerError> {
    lexer::scan(&request.query, limits).map_err(Fault::into_server_error)?;
    request.parsed_query()?;
    let variables = std::mem::take(&mut request.variables);
    let name = request.operation_name.take();
    let document = request.parsed_query()?;
    let verdict = weigh::weigh(document, &variables).and_then(|weight| {
        judge(&weight, limits)?;
        let operation = selected(document, name.as_deref())?;
        Ok(Admitted { operation, cost: u32::try_from(weight.cost).unwrap_or(u32::MAX) })
    });
    request.variables = variables;
    request.operation_name = name;
    verdict.map_err(Fault::into_server_error)
}

fn judge(weight: &Weight, limits: &DocumentLimits) -> Result<(), Fault> {
    within("definitions", weight.definitions, limits.definitions)?;
    within("aliases", weight.aliases, limits.aliases)?;
    within("selections with fragments written out", weight.expanded, limits.expanded)?;
    within("levels of fields", weight.depth, limits.depth)?;
    within("levels of selections", weight.height, limits.height)?;
    within("cost", weight.cost, limits.cost)
}

fn selected(document: &ExecutableDocument, name: Option<&str>) -> Result<OperationType, Fault> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations.values().next(),
        (DocumentOperations::Single(_), Some(_)) | (DocumentOperations::Multiple(_), None) => None,
    };
    found.map(|operation| operation.node.ty).ok_or_else(|| Fault {
        field: Some("operationName".into()),
        rule: Some("must name one operation of the document".into()),
        ..Fault::new(Code::BadUserInput, "operationName: must name one operation of the document")
    })
}

#[cfg(test)]
mod tests;

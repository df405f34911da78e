//! Relay connections with keyset cursors, made the same way for every list.

use super::filters::ListOrder;
use crate::{
    fault::Fault,
    page::{Direction, Page},
};
use async_graphql::{
    OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use rhone_projections::keyset::{Keyset, Towards};
use std::str::FromStr;

/// The four arguments of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

/// A cursor: the key of a row, as text.
#[derive(Clone, Debug)]
pub(crate) struct Cursor(String);

impl CursorType for Cursor {
    type Error = std::convert::Infallible;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        Ok(Self(text.to_owned()))
    }

    fn encode_cursor(&self) -> String {
        self.0.clone()
    }
}

/// The connection of a noun.
pub(crate) type Rows<T> = Connection<Cursor, T, EmptyFields, EmptyFields>;

/// A checked page: what to read, one row more than asked for.
pub(crate) struct Wanted<K> {
    pub(crate) keyset: Keyset<K>,
    page: Page,
}

impl Pages {
    /// Checks the arguments of a list in order of creation.
    pub(crate) fn wanted<K: FromStr>(self) -> Result<Wanted<K>, Fault> {
        self.ordered(ListOrder::OldestFirst)
    }

    /// Checks the arguments of a list in this order.
    pub(crate) fn ordered<K: FromStr>(self, order: ListOrder) -> Result<Wanted<K>, Fault> {
        let page = Page::parse(self.first, self.after, self.last, self.before)?;
        let field = if page.direction == Direction::Forward { "after" } else { "before" };
        let from = page.cursor.as_deref().map(str::parse).transpose();
        let from = from.map_err(|_| Fault::bad_input(field, "must be a cursor as an earlier page gave it"))?;
        let towards = match (page.direction, order.forward()) {
            (Direction::Forward, towards) => towards,
            (Direction::Backward, Towards::Newer) => Towards::Older,
            (Direction::Backward, Towards::Older) => Towards::Newer,
        };
        let most = i64::try_from(page.size).unwrap_or(i64::MAX - 1) + 1;
        Ok(Wanted { keyset: Keyset { from, towards, most }, page })
    }
}

impl<K> Wanted<K> {
    /// The connection of these rows, each with its key.
    pub(crate) fn connection<T: OutputType>(self, mut rows: Vec<(String, T)>) -> Rows<T> {
        let more = rows.len() > self.page.size;
        rows.truncate(self.page.size);
        let continued = self.page.cursor.is_some();
        let (previous, next) = match self.page.direction {
            Direction::Forward => (continued, more),
            Direction::Backward => {
                rows.reverse();
                (more, continued)
            }
        };
        let mut connection = Connection::new(previous, next);
        connection.edges.extend(rows.into_iter().map(|(key, node)| Edge::new(Cursor(key), node)));
        connection
    }
}

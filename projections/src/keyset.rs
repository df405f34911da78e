//! A page of a list: from where, in which direction, how much. Every list of rows is read this way, so that a page costs the
//! same at the end of a long list as at its beginning.

/// Which rows of an ordered list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keyset<K> {
    /// The row to go on from, itself excluded.
    pub from: Option<K>,
    /// Which way.
    pub towards: Towards,
    /// The most rows.
    pub most: i64,
}

/// Which way along a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Towards {
    /// Older ones first.
    Newer,
    /// Newer ones first.
    Older,
}

impl Towards {
    /// `>` or `<`.
    pub(crate) fn operator(self) -> &'static str {
        match self {
            Self::Newer => ">",
            Self::Older => "<",
        }
    }

    /// `ASC` or `DESC`.
    pub(crate) fn order(self) -> &'static str {
        match self {
            Self::Newer => "ASC",
            Self::Older => "DESC",
        }
    }
}

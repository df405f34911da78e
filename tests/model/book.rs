//! Books in which real values stand under small numbers, and answers of pure rules that need to be worked out once only.
//! Writer: the shell. The trap: two values under one number; the key of a page is the whole value, as `Debug` prints it.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, RwLock},
};

/// The number of a page; no page has 0.
pub(crate) type Page = u16;

/// No page.
pub(crate) const NONE: Page = 0;

type Pages<T> = (Vec<Arc<T>>, HashMap<String, Page>);

/// Values by number.
pub(crate) struct Book<T> {
    pages: RwLock<Pages<T>>,
}

impl<T> Default for Book<T> {
    fn default() -> Self {
        Self { pages: RwLock::new((Vec::new(), HashMap::new())) }
    }
}

impl<T: Debug> Book<T> {
    /// The number of a value; the same value always has the same.
    pub(crate) fn enter(&self, value: T) -> Page {
        let mut pages = self.pages.write().expect("nobody panics while writing");
        let (values, numbers) = &mut *pages;
        *numbers.entry(format!("{value:?}")).or_insert_with(|| {
            values.push(Arc::new(value));
            Page::try_from(values.len()).expect("the bounds keep the books short")
        })
    }

    /// The value of a number that `enter` gave.
    pub(crate) fn read(&self, page: Page) -> Arc<T> {
        let pages = self.pages.read().expect("nobody panics while writing");
        Arc::clone(&pages.0[usize::from(page) - 1])
    }
}

/// Answers by question. The rules are pure, so that an answer never changes.
pub(crate) struct Answers<Q, A>(RwLock<HashMap<Q, A>>);

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<Q: Hash + Eq, A: Clone> Answers<Q, A> {
    /// The answer, worked out now if nobody has asked before.
    pub(crate) fn ask(&self, question: Q, work_out: impl FnOnce(&Q) -> A) -> A {
        if let Some(known) = self.0.read().expect("nobody panics while writing").get(&question) {
            return known.clone();
        }
        let answer = work_out(&question);
        self.0.write().expect("nobody panics while writing").entry(question).or_insert(answer).clone()
    }
}

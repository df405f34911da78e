//! How many statements each question and each accepted mutation costs, on a process of its own whose statements PostgreSQL writes
//! down.

use crate::{
    load::{End, Request, client, send},
    mutations::{DOCUMENTS, MUTATIONS, input},
    queries::{QUERIES, variables},
    seeded::Seeded,
    subjects::Subjects,
};
use rhone_tests::{figure::Printer, second_api::SecondApi, statements::Statements};
use std::time::Duration;

/// What is gathered is gathered for a millisecond, and a batch may be cut in two: the fewest of so many count.
const TRIES: usize = 5;

pub(crate) async fn count(seeded: &Seeded, subjects: &Subjects, print: &Printer) {
    let log = Statements::of_role(&seeded.platform, "rhone_api").await;
    let counted = SecondApi::with(&seeded.platform, &[]).await;
    let (client, subject) = (client(Duration::from_secs(10)), &subjects.0[0]);
    let mut most = 0.0;
    for query in &QUERIES {
        let mut fewest = usize::MAX;
        for turn in 0..TRIES {
            let request = Request::new(0, &subject.token, query.document, &variables(subject, turn));
            let before = log.now();
            assert_eq!(send(&client, &counted.url, &request).await, End::Good, "{}", query.name);
            fewest = fewest.min(log.since(before).len());
        }
        let fewest = f64::from(u32::try_from(fewest).expect("few"));
        most = f64::max(most, fewest);
        print.figure(&format!("query `{}`: SQL statements", query.name), fewest, "statements", TRIES, None);
    }
    print.figure("SQL statements of one query, the most", most, "statements", QUERIES.len(), None);
    for (kind, (name, _)) in MUTATIONS.iter().enumerate() {
        let mut accepted = Vec::new();
        for turn in 0..TRIES {
            let request = Request::new(0, &subject.token, &DOCUMENTS[kind], &input(kind, subject, turn));
            let before = log.now();
            let end = send(&client, &counted.url, &request).await;
            assert_ne!(end, End::Failed, "{name}");
            if end == End::Good {
                accepted.push(log.since(before).len());
            }
        }
        // What rules refuse by now has another price: none of it is told.
        if let Some(fewest) = accepted.iter().min() {
            let fewest = f64::from(u32::try_from(*fewest).expect("few"));
            let name = format!("mutation {name}, accepted: SQL statements");
            print.figure(&name, fewest, "statements", accepted.len(), None);
        }
    }
}

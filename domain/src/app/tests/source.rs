//! Where an app comes from: known from its import, or said later; and what a deploy means that does not say.

use super::*;
use crate::app_source::repository as address;

const SHOP: &str = "https://git.example.com/acme/shop.git";
const MOVED: &str = "https://git.example.com/sites/shop.git";

pub(super) fn repository(text: &str) -> Repository {
    address("repository", text).expect("an address")
}

pub(super) fn reference(text: &str) -> GitReference {
    GitReference::parse("reference", text).expect("a reference")
}

pub(super) fn source(of: &str, at: &str) -> Source {
    Source { repository: repository(of), reference: reference(at) }
}

pub(super) fn imported(n: u128, of: &str, at: &str) -> Imported {
    Imported { created: created(n), source: source(of, at) }
}

pub(super) fn set_source(of: &str, at: Option<&str>) -> Command {
    Command::SetSource { repository: repository(of), reference: at.map(reference) }
}

fn from_shop() -> [Event; 1] {
    [Event::Imported(imported(1, SHOP, "next"))]
}

#[test]
fn an_app_is_imported_once_and_knows_where_from() {
    let import = || Command::Import(imported(1, SHOP, "next"));
    given::<App>([]).when(import()).then(from_shop());
    given::<App>(from_shop()).when(import()).then([]);
    given::<App>(from_shop()).when(Command::Create(created(1))).then([]);
    for other in [imported(2, SHOP, "next"), imported(1, MOVED, "next"), imported(1, SHOP, "main")] {
        given::<App>(from_shop()).when(Command::Import(other)).then_rejected(&Rejection::Exists);
    }
    given::<App>([Event::Created(created(1))]).when(import()).then_rejected(&Rejection::Exists);
}

#[test]
fn one_that_was_created_is_told_later_where_it_comes_from() {
    let there = [Event::Created(created(1))];
    given::<App>(there.clone()).when(set_source(SHOP, Some("main"))).then([Event::SourceSet(source(SHOP, "main"))]);
    given::<App>(there).when(set_source(SHOP, None)).then([Event::SourceSet(source(SHOP, "HEAD"))]);
    given::<App>([]).when(set_source(SHOP, None)).then_rejected(&Rejection::NotFound);
}

#[test]
fn a_repository_that_moved_is_corrected_and_the_reference_stays_unless_it_is_said() {
    given::<App>(from_shop()).when(set_source(MOVED, None)).then([Event::SourceSet(source(MOVED, "next"))]);
    given::<App>(from_shop()).when(set_source(SHOP, Some("main"))).then([Event::SourceSet(source(SHOP, "main"))]);
    given::<App>(from_shop()).when(set_source(SHOP, None)).then([]);
}

#[test]
fn a_source_is_removed_once() {
    let removed = Event::SourceRemoved { repository: repository(SHOP) };
    given::<App>(from_shop()).when(Command::RemoveSource).then([removed.clone()]);
    given::<App>([from_shop().as_slice(), &[removed]].concat())
        .when(Command::RemoveSource)
        .then_rejected(&Rejection::NoSource);
    given::<App>([]).when(Command::RemoveSource).then_rejected(&Rejection::NotFound);
}

#[test]
fn what_is_imported_is_kept_flat_so_that_its_project_is_found_where_every_app_has_it() {
    let kept = serde_json::to_value(imported(1, SHOP, "main")).expect("JSON");
    let expected = serde_json::to_value(created(1)).expect("JSON");
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(&kept[field], value, "{field}");
    }
    assert_eq!(kept["source"], serde_json::json!({ "repository": SHOP, "reference": "main" }));
}

type Meant = fn(&App, Option<Repository>, Option<GitReference>) -> Result<Source, Rejection>;

/// Where this does not say what people mean.
fn misread(meant: Meant) -> Vec<&'static str> {
    let of = |app: &App, said: (Option<&str>, Option<&str>)| meant(app, said.0.map(repository), said.1.map(reference));
    let unknown = crate::aggregate::fold::<App>(&[Event::Created(created(1))]);
    let known = crate::aggregate::fold::<App>(&from_shop());
    [
        ("all is said", of(&known, (Some(MOVED), Some("v1"))), Ok(source(MOVED, "v1"))),
        ("all is said of an app without a source", of(&unknown, (Some(MOVED), Some("v1"))), Ok(source(MOVED, "v1"))),
        ("nothing is said", of(&known, (None, None)), Ok(source(SHOP, "next"))),
        ("a reference is said", of(&known, (None, Some("v1"))), Ok(source(SHOP, "v1"))),
        ("another repository is said", of(&known, (Some(MOVED), None)), Err(Rejection::ReferenceMissing)),
        ("nothing is said or known", of(&unknown, (None, None)), Err(Rejection::SourceUnknown)),
        ("a reference of nothing is said", of(&unknown, (None, Some("v1"))), Err(Rejection::SourceUnknown)),
    ]
    .into_iter()
    .filter_map(|(what, found, wanted)| (found != wanted).then_some(what))
    .collect()
}

/// The sin: whatever is left out is filled in, each for itself.
fn fills_in_each_for_itself(
    app: &App,
    repository: Option<Repository>,
    reference: Option<GitReference>,
) -> Result<Source, Rejection> {
    let own = app.source.as_ref();
    let repository = repository.or(own.map(|own| own.repository.clone())).ok_or(Rejection::SourceUnknown)?;
    let reference = reference.or(own.map(|own| own.reference.clone())).ok_or(Rejection::ReferenceMissing)?;
    Ok(Source { repository, reference })
}

#[test]
fn a_deploy_that_does_not_say_means_the_apps_own_source_and_never_half_of_it() {
    assert_eq!(misread(App::meant), Vec::<&str>::new());
    assert_eq!(misread(fills_in_each_for_itself), ["another repository is said"]);
}

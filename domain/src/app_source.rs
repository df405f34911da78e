//! App sources: from which git repository an app comes, and what of it is meant where nobody says. Owner: the workspace. Writer:
//! API operations, on the app's stream. Traps: an address that carries a password into the log; and a source that is taken for
//! what runs, which is what the operation of each deploy says, for a source may be set again at any time.

use crate::{
    source_address::{Allowed, SourceAddress, SourcePolicy},
    text::{GitReference, InvalidText, Name, Repository, Slug},
};
use serde::{Deserialize, Serialize};

/// Where an app comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its repository.
    pub repository: Repository,
    /// Which commit is meant where nobody says: a name is resolved with each deploy anew.
    pub reference: GitReference,
}

/// Whatever branch a repository itself shows first, as git calls it.
pub const HEAD: &str = "HEAD";

/// What is meant of a repository of which nothing else was said.
pub fn head() -> GitReference {
    GitReference::parse("reference", HEAD).expect("git's own name for it is a reference")
}

/// Takes the address of `field` by its form; whether it may be reached is the builders' policy.
pub fn repository(field: &str, text: &str) -> Result<Repository, InvalidText> {
    let any = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    SourceAddress::parse(text, &any).map_err(|refused| InvalidText::new(field, refused.rule()))?;
    Repository::parse(field, text)
}

/// What an app that comes from there is called if nobody says: as the last part of the address.
pub fn name_of(repository: &Repository) -> Option<Name> {
    Name::parse("name", last_part(repository)).ok()
}

/// The same as a slug; none where that part has too little that a slug may have.
pub fn slug_of(repository: &Repository) -> Option<Slug> {
    let lower = last_part(repository).to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let whole = words.collect::<Vec<_>>().join("-");
    let cut = whole.get(..63).unwrap_or(&whole).trim_end_matches('-');
    Slug::parse("slug", cut).ok()
}

fn last_part(repository: &Repository) -> &str {
    let path = repository.as_str().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    last.strip_suffix(".git").unwrap_or(last)
}

#[cfg(test)]
mod tests {
    //! What is taken for an address, and what an app is called after it.
    use super::*;

    fn at(text: &str) -> Repository {
        repository("repository", text).expect("an address")
    }

    #[test]
    fn what_is_no_address_is_refused_by_the_name_of_its_field_and_never_repeated() {
        for bad in [
            "",
            "shop",
            "--upload-pack=id",
            "ext::sh -c id",
            "ssh://git@git.example.com/shop",
            "https://user:s3cret@git.example.com/shop",
            "http://169.254.169.254/latest",
        ] {
            let refused = repository("source", bad).expect_err(bad);
            assert_eq!(refused.field, "source", "{bad}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn an_app_is_called_as_the_last_part_of_its_address() {
        for (address, name, slug) in [
            ("https://git.example.com/acme/shop.git", Some("shop"), Some("shop")),
            ("https://git.example.com/acme/Corner_Shop.v2/", Some("Corner_Shop.v2"), Some("corner-shop-v2")),
            ("/srv/repositories/shop", Some("shop"), Some("shop")),
            ("https://git.example.com/acme/--shop--", Some("--shop--"), Some("shop")),
            ("https://git.example.com/acme/go", Some("go"), None),
            ("https://git.example.com/acme/.git", None, None),
            ("https://git.example.com/acme/größe", Some("größe"), Some("gr-e")),
        ] {
            assert_eq!(name_of(&at(address)).as_ref().map(Name::as_str), name, "{address}");
            assert_eq!(slug_of(&at(address)).as_ref().map(Slug::as_str), slug, "{address}");
        }
        let long = at(&format!("https://git.example.com/{}-{}", "a".repeat(62), "b".repeat(62)));
        assert_eq!(slug_of(&long).as_ref().map(Slug::as_str), Some("a".repeat(62).as_str()));
    }
}

//! `rhone deploy`: from the commit at hand, or where no repository is, the app's own source, or an image, to a release that its
//! preview shows, with every stage told while it happens. The trap avoided: a deploy of something else than the person sees;
//! files that are not committed are refused, what is sent is the commit's full name, and where there is none, that is said.

use super::{
    args::How,
    connection::Connection,
    failure::Failure,
    follow::{Progress, follow, shown},
    logs,
    mutation::{DEPLOYMENT_BUILD, DEPLOYMENT_IMPORT, Mutation},
    show,
};
use crate::output;
use clap::Args;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tokio::time::Instant;

/// `rhone deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// For which environment; a preview environment shows the release as soon as it may.
    #[arg(long)]
    pub environment: String,
    /// A folder of the repository to deploy from; this one when omitted, and where it is of none, the app's own source.
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// The app's own source, whatever folder this is.
    #[arg(long, conflicts_with_all = ["folder", "repository", "image"])]
    pub own: bool,
    /// Another repository than the folder's `origin`: an address that builders reach.
    #[arg(long)]
    pub repository: Option<String>,
    /// A commit, branch or tag; when omitted, the commit that is checked out, or what the app's own source says.
    #[arg(long)]
    pub reference: Option<String>,
    /// An image instead of a commit: `registry.example.com/acme/shop@sha256:...`.
    #[arg(long, conflicts_with_all = ["repository", "reference"])]
    pub image: Option<String>,
    /// Come back as soon as it is accepted.
    #[arg(long)]
    pub detach: bool,
    /// Do not tell what the build prints.
    #[arg(long)]
    pub quiet: bool,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// Asks for the deploy and follows it, and the promotion that follows it.
pub(super) async fn deploy(connection: &Connection, args: &DeployArgs) -> Result<(), Failure> {
    let (mutation, mut input) = source(args)?;
    input["environmentId"] = json!(args.environment);
    input["idempotencyKey"] = json!(args.how.idempotency_key);
    input["dryRun"] = json!(args.how.dry_run);
    let sent = Instant::now();
    let payload = connection.mutate(mutation, input).await?;
    let (false, Some(operation), None) = (args.detach, payload.operation(), payload.refusal()) else {
        if args.how.json || payload.refusal().is_none() {
            show::data(payload.whole(), args.how.json);
        }
        return payload.accepted().map(drop);
    };
    let ended = if args.quiet {
        followed(connection, operation, args, sent).await?
    } else {
        logs::beside(connection, operation, followed(connection, operation, args, sent)).await?
    };
    if let Some(promotion) = ended["deploy"]["promotion"]["id"].as_str() {
        followed(connection, promotion, args, sent).await?;
    }
    show::data(&shown(connection, operation).await?, args.how.json);
    Ok(())
}

async fn followed(connection: &Connection, id: &str, args: &DeployArgs, since: Instant) -> Result<Value, Failure> {
    let told = |step: &Progress| show::progress(step, since.elapsed());
    let ended = follow(connection, id, args.how.patience(), told).await;
    if let (true, Err(Failure::Ended { .. })) = (args.how.json, &ended) {
        show::data(&shown(connection, id).await?, true);
    }
    ended
}

/// What is deployed, as the API takes it.
fn source(args: &DeployArgs) -> Result<(&'static Mutation, Value), Failure> {
    if let Some(image) = &args.image {
        let (name, digest) = image.split_once('@').ok_or_else(|| usage("--image is NAME@sha256:DIGEST"))?;
        return Ok((&DEPLOYMENT_IMPORT, json!({ "image": name, "imageDigest": digest })));
    }
    let Some(folder) = folder(args)? else {
        return Ok((&DEPLOYMENT_BUILD, json!({ "reference": args.reference })));
    };
    let repository = match &args.repository {
        Some(repository) => repository.clone(),
        None => origin(folder)?,
    };
    let reference = match (&args.reference, &args.repository) {
        (Some(reference), _) => reference.clone(),
        (None, Some(_)) => return Err(usage("--repository needs a --reference: a commit, branch or tag")),
        (None, None) => committed(folder)?,
    };
    Ok((&DEPLOYMENT_BUILD, json!({ "repository": repository, "reference": reference })))
}

/// From which folder, if not from the app's own source. Whoever stands in a repository means what stands there.
fn folder(args: &DeployArgs) -> Result<Option<&Path>, Failure> {
    let here = Path::new(".");
    match (&args.folder, args.own) {
        (_, true) => Ok(None),
        (Some(folder), false) => Ok(Some(folder)),
        (None, false) if args.repository.is_some() || is_of_a_repository(here)? => Ok(Some(here)),
        (None, false) => {
            output::aside("no git repository is here: the app's own source is deployed");
            Ok(None)
        }
    }
}

/// Whether git finds a repository from here; one that it finds and does not like is one.
fn is_of_a_repository(folder: &Path) -> Result<bool, Failure> {
    let output = asked(folder, &["rev-parse", "--git-dir"])?;
    Ok(output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("not a git repository"))
}

/// Where others reach what is checked out; the folder's own path when it has no origin, for builders of this machine. The
/// platform holds no key for `ssh`; hosts of git answer to the same path by `https`.
fn origin(folder: &Path) -> Result<String, Failure> {
    let top = git(folder, &["rev-parse", "--show-toplevel"])?;
    let Ok(origin) = git(folder, &["remote", "get-url", "origin"]) else { return Ok(top) };
    if let Some(plain) = without_user(&origin) {
        output::aside(format_args!(
            "origin says who reads it, which is left out: {plain} is deployed from; `rhone credential set HOST` lets a private \
             one be read"
        ));
        return Ok(plain);
    }
    let Some(over_https) = over_https(&origin) else { return Ok(origin) };
    output::aside(format_args!(
        "origin is {origin}, which takes a key of yours: {over_https} is deployed from; --repository names another address, \
         and `rhone credential set HOST` lets a private one be read"
    ));
    Ok(over_https)
}

/// The same repository by `https`, of an address as `git clone` takes it for `ssh`: `git@host:path` or `ssh://git@host/path`.
fn over_https(origin: &str) -> Option<String> {
    let (host, path) = match origin.strip_prefix("ssh://") {
        Some(rest) => rest.split_once('/')?,
        None if origin.contains("://") => return None,
        None => origin.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // The port is that of `ssh`.
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let path = path.trim_start_matches('/');
    (!host.is_empty() && !path.is_empty()).then(|| format!("https://{host}/{path}"))
}

/// The same address without the user, or the token, that the folder was cloned with: it is nobody else's to read.
fn without_user(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once("://").filter(|(scheme, _)| ["https", "http"].contains(scheme))?;
    let (authority, path) = rest.split_once('/')?;
    let (_, host) = authority.rsplit_once('@')?;
    Some(format!("{scheme}://{host}/{path}"))
}

/// The commit that is checked out, if it is all that is there.
fn committed(folder: &Path) -> Result<String, Failure> {
    // What `rhone link` keeps is about this folder, and no part of the app.
    let changed = git(folder, &["status", "--porcelain", "--", ":/", ":(top,exclude).rhone"])?;
    if let Some(first) = changed.lines().next() {
        let files = changed.lines().count();
        return Err(usage(&format!(
            "{files} files are not committed, such as `{}`: commit them, or name a --reference",
            first.get(3..).unwrap_or(first)
        )));
    }
    git(folder, &["rev-parse", "HEAD"])
}

fn git(folder: &Path, words: &[&str]) -> Result<String, Failure> {
    let output = asked(folder, words)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(usage(&format!("{}: {said}", doing(folder))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn asked(folder: &Path, words: &[&str]) -> Result<Output, Failure> {
    let output = Command::new("git").env("LC_ALL", "C").arg("-C").arg(folder).args(words).output();
    output.map_err(|error| Failure::local(format!("{}; is git installed?", doing(folder)), error))
}

fn doing(folder: &Path) -> String {
    format!("asking git about {}", folder.display())
}

fn usage(message: &str) -> Failure {
    Failure::Fault { code: "BAD_USER_INPUT".into(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    //! What is sent for what is at hand.
    use super::*;
    use std::fs;

    fn args(folder: &Path) -> DeployArgs {
        DeployArgs {
            environment: "env_1".into(),
            folder: Some(folder.to_owned()),
            own: false,
            repository: None,
            reference: None,
            image: None,
            detach: false,
            quiet: false,
            how: How::default(),
        }
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("app.py"), "print(1)\n").expect("a file");
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
        git(folder.path(), &["init", "--quiet"]).expect("a repository");
        git(folder.path(), &["add", "."]).expect("added");
        git(folder.path(), &[&who[..], &["commit", "--quiet", "-m", "one"]].concat()).expect("committed");
        folder
    }

    #[test]
    fn the_commit_at_hand_is_sent_by_its_full_name() {
        let folder = repository();
        let (_, sent) = source(&args(folder.path())).expect("a source");
        let reference = sent["reference"].as_str().expect("a reference");
        assert_eq!(reference.len(), 40);
        let top = folder.path().canonicalize().expect("it is there");
        assert_eq!(sent["repository"], json!(top.to_str().expect("UTF-8")));
        git(folder.path(), &["remote", "add", "origin", "https://git.example.com/shop.git"]).expect("a remote");
        let (_, sent) = source(&args(folder.path())).expect("a source");
        assert_eq!(sent["repository"], json!("https://git.example.com/shop.git"));
    }

    #[test]
    fn an_origin_that_takes_a_persons_key_is_deployed_from_by_https() {
        for (origin, expected) in [
            ("git@git.example.com:acme/shop.git", Some("https://git.example.com/acme/shop.git")),
            ("git.example.com:acme/shop.git", Some("https://git.example.com/acme/shop.git")),
            ("ssh://git@git.example.com/acme/shop.git", Some("https://git.example.com/acme/shop.git")),
            ("ssh://git@git.example.com:2222/acme/shop.git", Some("https://git.example.com/acme/shop.git")),
            ("https://git.example.com/acme/shop.git", None),
            ("http://127.0.0.1:3000/shop.git", None),
            ("file:///srv/shop", None),
            ("/srv/shop", None),
            ("../shop:old", None),
            ("git@git.example.com:", None),
        ] {
            assert_eq!(over_https(origin).as_deref(), expected, "{origin}");
        }
        let folder = repository();
        git(folder.path(), &["remote", "add", "origin", "git@git.example.com:acme/shop.git"]).expect("a remote");
        let (_, sent) = source(&args(folder.path())).expect("a source");
        assert_eq!(sent["repository"], json!("https://git.example.com/acme/shop.git"));
    }

    #[test]
    fn a_user_or_a_token_in_an_origin_is_not_sent() {
        for (origin, expected) in [
            ("https://alice@git.example.com/acme/shop.git", Some("https://git.example.com/acme/shop.git")),
            ("https://bot:s3cret@git.example.com:8443/a@b.git", Some("https://git.example.com:8443/a@b.git")),
            ("https://git.example.com/a@b.git", None),
            ("git@git.example.com:acme/shop.git", None),
            ("/srv/a@b/shop", None),
        ] {
            assert_eq!(without_user(origin).as_deref(), expected, "{origin}");
        }
        let folder = repository();
        let origin = "https://bot:s3cret@git.example.com/acme/shop.git";
        git(folder.path(), &["remote", "add", "origin", origin]).expect("a remote");
        let (_, sent) = source(&args(folder.path())).expect("a source");
        assert_eq!(sent["repository"], json!("https://git.example.com/acme/shop.git"));
    }

    #[test]
    fn what_is_not_committed_is_refused_by_name() {
        let folder = repository();
        fs::write(folder.path().join("new.py"), "").expect("a file");
        let refused = source(&args(folder.path())).expect_err("it is not committed");
        assert!(refused.to_string().contains("new.py"), "{refused}");
        assert_eq!(refused.exit_code(), 2);
        fs::remove_file(folder.path().join("new.py")).expect("it was there");
        fs::create_dir(folder.path().join(".rhone")).expect("a folder");
        fs::write(folder.path().join(".rhone/link.json"), "{}").expect("a file");
        assert!(source(&args(folder.path())).is_ok(), "a link is no part of the app");
        let named = DeployArgs { reference: Some("main".into()), ..args(folder.path()) };
        assert_eq!(source(&named).expect("a name is enough").1["reference"], json!("main"));
    }

    #[test]
    fn an_image_is_named_by_its_digest() {
        let image = |image: &str| DeployArgs { image: Some(image.into()), ..args(Path::new("/nowhere")) };
        let (_, sent) = source(&image("registry.example.com/shop@sha256:00")).expect("a source");
        assert_eq!(sent, json!({ "image": "registry.example.com/shop", "imageDigest": "sha256:00" }));
        assert_eq!(source(&image("registry.example.com/shop:1")).expect_err("a tag moves").exit_code(), 2);
    }

    #[test]
    fn the_apps_own_source_is_meant_by_saying_nothing_of_it() {
        let own = DeployArgs { folder: None, own: true, ..args(Path::new("/nowhere")) };
        assert_eq!(source(&own).expect("a source").1, json!({ "reference": null }));
        let at = DeployArgs { reference: Some("next".into()), ..own };
        assert_eq!(source(&at).expect("a source").1, json!({ "reference": "next" }));
    }

    #[test]
    fn a_folder_without_a_repository_is_said_to_be_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_of_a_repository(folder.path()).expect("git is installed"));
        assert!(is_of_a_repository(repository().path()).expect("git is installed"));
        assert!(source(&args(folder.path())).expect_err("no repository").to_string().contains("not a git repository"));
    }
}

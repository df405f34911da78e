//! The README's first app, by command line, as it is printed there, in one shell; and everything it made can be found again by
//! the lists. The trap avoided: instructions that were true once, and an id that only one answer ever showed.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::{
    hidden::Hidden,
    logs::Mask,
    source_credential::{SignIn, SourceHost},
    text::Username,
};
use rhone_tests::{
    graphql::unique,
    images,
    platform::Platform,
    program::{self, text},
    registry::{ALICE, Registry, SECRET},
};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// What is asked after it, with the README's own variables.
const FOUND_AGAIN: &str = r#"
echo "-- lists"
rhone workspace list | grep "^$ws  "
rhone project list --workspace $ws | grep "^$prj  web  "
rhone app list --project $prj | grep "^$app  counter  "
rhone environment list --app $app | grep "^$env  production  PRODUCTION  $one$"
rhone deployment list --app $app | grep "^$one  " && rhone deployment list --app $app | grep "^$two  "
rhone deployment show $two | grep "^id: $two$"
rhone region list | grep "^reg_"
region=$(rhone region list | grep "  local  " | cut -d' ' -f1)
rhone cell list --region $region | grep "^cell_"
cell=$(rhone cell list --region $region | grep "  cell-1$" | cut -d' ' -f1)
rhone host list --cell $cell | grep "^host_"
token=$(rhone token create --name found --read-only | id token.tokenId)
rhone token list | grep "^$token  .*  found  "
rhone token list | wc -l
rhone token revoke $token
if rhone project list --workspace ws_00000000000000000000000000000000; then exit 1; fi
"#;

/// Somebody's small app, which nobody wrote for this.
type Files = &'static [(&'static str, &'static str)];

const PYTHON: Files = &[
    ("Procfile", "web: python3 app.py\n"),
    (
        "app.py",
        "import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open('words.txt', 'rb').read())

print('listening', flush=True)
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()
",
    ),
];

const NODE: Files = &[
    ("package.json", "{ \"name\": \"hello\", \"private\": true, \"scripts\": { \"start\": \"node server.js\" } }\n"),
    (
        "server.js",
        "const fs = require('fs');
const answer = (_, response) => response.end(fs.readFileSync('words.txt'));
require('http').createServer(answer).listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));
",
    ),
];

const GO: Files = &[
    ("go.mod", "module example.org/hello\n\ngo 1.19\n"),
    (
        "main.go",
        "package main

import (
\t_ \"embed\"
\t\"fmt\"
\t\"net/http\"
\t\"os\"
)

//go:embed words.txt
var words []byte

func main() {
\tfmt.Println(\"listening\")
\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, _ *http.Request) { w.Write(words) })
\thttp.ListenAndServe(\"127.0.0.1:\"+os.Getenv(\"PORT\"), nil)
}
",
    ),
];

/// The first block of commands below a heading.
pub(crate) fn block(heading: &str) -> String {
    let readme = fs::read_to_string(program::root().join("README.md")).expect("there is a README");
    let (_, below) = readme.split_once(&format!("\n## {heading}\n")).expect("the README has the heading");
    below.split("```").nth(1).expect("commands stand below it").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_app_of_the_readme_is_promoted_rolled_back_explained_and_found_again() {
    let platform = Platform::shared().await;
    let examples = program::example("blue").parent().expect("it lies in a folder").display().to_string();
    let commands = block("A first app, by command line");
    let (paths, commands) = commands.trim().split_once('\n').expect("the first line says where things are");
    assert!(paths.starts_with("export PATH="), "{paths}");
    let commands = commands.replace(".rhone/examples", &examples).replace("acme", &unique("acme"));
    let programs = program::path("rhone").parent().expect("it lies in a folder").display().to_string();
    let script = format!("set -euo pipefail\nexport PATH={programs}:$PATH\n{commands}{FOUND_AGAIN}");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("RHONE_DATA", platform.data()).env_remove("RHONE_TOKEN");
    let output = program::ended(shell).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let (story, lists) = out.split_once("-- lists").expect("it came so far");
    for told in ["rolled back", "promot", "gate"] {
        assert!(story.to_lowercase().contains(told), "{told}: {story}");
    }
    assert!(err.contains("NOT_FOUND") && lists.lines().count() > 10, "{lists}\n{err}");
}

/// The first app's lines that make what there must be, where the programs are found. Its environment is none of it: after its
/// rollback that one is pinned, and whoever read so far could promote nothing there.
fn made() -> String {
    let first = block("A first app, by command line");
    let made = ["id()", "ws=", "prj="];
    let made: Vec<&str> = first.lines().filter(|line| made.iter().any(|begins| line.starts_with(begins))).collect();
    let programs = program::path("rhone").parent().expect("it lies in a folder").display().to_string();
    format!("set -euo pipefail\nexport PATH={programs}:$PATH\n{}\n", made.join("\n"))
}

/// The README's lines for a repository, with something changed before its second commit.
fn script(folder: &Path) -> String {
    let own = block("From your own repository");
    for line in ["rhone init", "git commit -am", "rhone explain $op"] {
        assert!(own.contains(line), "{line}: {own}");
    }
    let own = own
        .replace("/path/to/your/repository", &folder.display().to_string())
        .replace("rhone logs -f", "rhone logs")
        .replace("git commit -am", "echo second > words.txt; git commit -qam")
        .replace("rhone explain $op", "test $one != $two; echo '-- explained'; rhone explain $op");
    format!("{}{own}\n", made()).replace("acme", &unique("acme"))
}

/// A stranger with an app in this language goes by the README: deployed, watched, promoted, rolled back, explained.
async fn walks(platform: &Platform, language: &str, files: Files) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files.iter().chain(&[("words.txt", "first\n")]) {
        fs::write(folder.path().join(name), content).expect("a file");
    }
    let mut shell = Command::new("bash");
    let begun = "git init -q -b main && git add -A && git commit -qm first";
    let script = format!("cd {} && {begun}\n{}", folder.path().display(), script(folder.path()));
    shell.args(["-c", &script]).env("RHONE_DATA", platform.data()).env_remove("RHONE_TOKEN");
    shell.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]);
    for who in ["AUTHOR", "COMMITTER"] {
        shell.env(format!("GIT_{who}_NAME"), "A Stranger").env(format!("GIT_{who}_EMAIL"), "stranger@example.com");
    }
    let output = program::ended(shell).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{language}: {out}\n{err}");
    for told in ["preview_ready", "listening", "rolled_back"] {
        assert!(out.contains(told) || err.contains(told), "{language}, {told}: {out}\n{err}");
    }
    let (_, explained) = out.split_once("-- explained").expect("it came so far");
    assert!(explained.contains("ROLLED_BACK") && explained.contains("tried it"), "{language}: {explained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_repository_goes_by_the_readme() {
    let platform = Platform::shared().await;
    for (language, tool, files) in [("Python", "python3", PYTHON), ("Node.js", "node", NODE), ("Go", "go", GO)] {
        if ["/usr/local/bin", "/usr/bin"].iter().any(|at| Path::new(at).join(tool).exists()) {
            walks(platform, language, files).await;
        } else {
            eprintln!("SKIPPED: an app in {language} was not deployed: `{tool}` is not installed below /usr");
        }
    }
}

/// The names that README's commands and the walk take, which nobody else may have then: of workspaces, projects, apps and hosts.
fn taken(readme: &str, walk: &str) -> Vec<String> {
    let word = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before)?;
        rest.split([' ', '"']).next().map(str::to_owned)
    };
    let slug = |line: &str| {
        let mut nouns = ["workspace", "project", "app"].into_iter();
        let noun = nouns.find(|noun| line.contains(&format!("rhone {noun} create ")))?;
        word(line, " --slug ").map(|slug| format!("{noun} {slug}"))
    };
    let host = |line: &str| {
        let (_, rest) = line.split_once(" host-attach ")?;
        rest.split(' ').nth(1).map(|host| format!("host {host}"))
    };
    let walked = [
        word(walk, "$slug: String! = \"").map(|slug| format!("workspace {slug}")),
        word(walk, "$host: String! = \"").map(|host| format!("host {host}")),
    ];
    readme.lines().filter_map(|line| slug(line).or_else(|| host(line))).chain(walked.into_iter().flatten()).collect()
}

fn twice(names: &[String]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).filter(|name| !seen.insert(*name)).collect()
}

#[test]
fn whoever_reads_on_meets_no_name_that_was_taken_further_up() {
    let read = |name: &str| fs::read_to_string(program::root().join(name)).expect("it is there");
    let (readme, walk) = (read("README.md"), read("docs/walk.graphql"));
    let names = taken(&readme, &walk);
    assert_eq!(names.len(), 9, "{names:?}");
    assert_eq!(twice(&names), [""; 0]);
    // The sin, as it once was: the walk's workspace is the first app's.
    let names = taken(&readme, &walk.replace("\"globex\"", "\"acme\""));
    assert_eq!(twice(&names), ["workspace acme"]);
}

/// The lines by which a merge shows that it was left midway.
fn midway(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")).collect()
}

#[test]
fn no_page_is_a_merge_midway() {
    let of = |folder: &str| fs::read_dir(program::root().join(folder)).expect("a folder");
    let files = ["", "docs", "docs/adr"].into_iter().flat_map(of).map(|file| file.expect("a file").path());
    let pages: Vec<_> = files.filter(|file| file.extension().is_some_and(|of| of == "md")).collect();
    assert!(pages.len() > 30, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).expect("it can be read");
        assert_eq!(midway(&text), [""; 0], "{}", page.display());
    }
    // The sin, as it once was.
    assert_eq!(midway("| 1 |\n<<<<<<< HEAD\n| 2 |\n=======\n| 3 |\n>>>>>>> other\n").len(), 2);
}

/// An image of the counter app in a registry that asks who is there: its name by its digest.
async fn pushed(registry: &Registry, version: &str) -> String {
    let room = tempfile::tempdir().expect("a folder");
    let layout = images::counter(room.path(), version);
    let username = Username::parse("username", "alice").expect("a user");
    let host = SourceHost::parse("host", &registry.host()).expect("a host");
    let sign_in = SignIn { host, username, secret: Hidden::new(SECRET.to_owned()) };
    let (log, _lines) = Log::channel(64, Mask::default());
    let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    let name = registry.name("acme/shop");
    let digest = push(&layout, &name, Some(&sign_in), &open, &log).await.expect("pushed");
    format!("{name}@{digest}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_an_image_goes_by_the_readme() {
    let Some(registry) = Registry::private(ALICE) else { return };
    let (blue, green) = (pushed(&registry, "blue").await, pushed(&registry, "green").await);
    assert_ne!(blue, green);
    let platform = Platform::shared().await;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("token"), format!("{SECRET}\n")).expect("a file");
    let commands = block("From an image");
    let (names, commands) = commands.split_once("\napp=").expect("the names of images come first");
    assert_eq!(names.lines().filter(|line| line.contains("registry.example.com/acme/shop@sha256:")).count(), 2);
    let commands = format!("{}app={commands}", made())
        .replace("registry.example.com", &registry.host())
        .replace("acme", &unique("acme"));
    let script = format!("blue={blue}\ngreen={green}\n{commands}");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder.path()).env("RHONE_DATA", platform.data()).env_remove("RHONE_TOKEN");
    let output = program::ended(shell).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for told in ["preview_ready", "healthy", "rolled_back"] {
        assert!(err.contains(told), "{told} was watched: {err}");
    }
    assert!(out.to_lowercase().contains("tried it") && out.contains("rolled back"), "it is explained: {out}");
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "the secret is said nowhere: {out}\n{err}");
}

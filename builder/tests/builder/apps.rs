//! Small apps of every language that is detected, really built with its own tools, started as a runner starts them, and asked.
//! Packages are really fetched, where the registry can be reached. What a machine cannot do is said in one line and skipped.

use crate::{
    build::sources,
    machines::machine,
    repository::{Server, log, said},
};
use rhone_builder::{
    build::{BuildLimits, build},
    plan::{Kind, Programs, detect},
};
use rhone_providers::artifact_pack::pack_directory;
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream, ToSocketAddrs as _},
    path::Path,
    process::Command,
    time::Duration,
};

type Files<'a> = [(&'a str, &'a str)];

const OPEN: &str = "health = \"/\"\n[build]\nnetwork = true\n";

/// Whether the tools are where builds look, and the registry answers; a line says what was not tried.
fn can(what: &str, tools: &[&str], registry: Option<&str>) -> bool {
    let installed = |tool: &&&str| ["/usr/local/bin", "/usr/bin"].iter().any(|at| Path::new(at).join(tool).exists());
    if let Some(tool) = tools.iter().find(|tool| !installed(tool)) {
        eprintln!("SKIPPED: {what} was not built: `{tool}` is not installed below /usr");
        return false;
    }
    let Some(registry) = registry else { return true };
    let mut found = (registry, 443).to_socket_addrs().into_iter().flatten();
    let answers = found.any(|at| TcpStream::connect_timeout(&at, Duration::from_secs(5)).is_ok());
    if !answers {
        eprintln!("SKIPPED: {what} was not built: {registry} cannot be reached");
    }
    answers
}

/// Builds the files twice, compares, starts what came of it and asks it once.
async fn answers(files: &Files<'_>, kind: Kind) -> String {
    let folder = sources(files);
    let input = folder.path().join("in");
    let plan = detect(&input, &Programs::of_this_machine()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.kind, kind, "{:?}", plan.reasons);
    let mut digests = Vec::new();
    for name in ["one", "two"] {
        let (log, lines) = log();
        let output = folder.path().join(name);
        let done = build(&input, &plan, &output, &machine(&BuildLimits::default()).await, &log).await;
        done.unwrap_or_else(|error| panic!("{error}: {}", said(lines)));
        digests.push(pack_directory(&output, std::io::sink()).expect("packed").digest);
    }
    assert_eq!(digests[0], digests[1], "the same sources, the same bytes");
    asked(&folder.path().join("two"), &plan.start)
}

/// What the app answers on the port that it is given; all of it ends with the question.
fn asked(folder: &Path, start: &[String]) -> String {
    let app = Server::start(|port| {
        let mut command = Command::new(&start[0]);
        command.args(&start[1..]).current_dir(folder).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("PORT", port.to_string());
        command
    });
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, app.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_node_app_with_a_lock_file_and_a_package_answers() {
    if !can("an app for Node.js", &["node", "npm"], Some("registry.npmjs.org")) {
        return;
    }
    let server = "const ms = require('ms');\nrequire('http').createServer((_, answer) => answer.end(`two days: ${ms('2 days')}`)).listen(process.env.PORT, '127.0.0.1');\n";
    let package = r#"{"name":"hello","version":"1.0.0","private":true,"scripts":{"start":"node server.js"},"dependencies":{"ms":"2.1.3"}}"#;
    let lock = r#"{"name":"hello","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
        "":{"name":"hello","version":"1.0.0","dependencies":{"ms":"2.1.3"}},
        "node_modules/ms":{"version":"2.1.3","resolved":"https://registry.npmjs.org/ms/-/ms-2.1.3.tgz",
        "integrity":"sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==","license":"MIT"}}}"#;
    let files = [("package.json", package), ("package-lock.json", lock), ("server.js", server), ("rhone.toml", OPEN)];
    let answer = answers(&files, Kind::Node).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("172800000"), "{answer}");
}

#[tokio::test]
async fn a_python_app_with_requirements_answers() {
    if !can("an app in Python", &["python3", "pip3"], Some("pypi.org")) {
        return;
    }
    let app = "import os, six\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n\
        class Answer(BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'six ' + six.__version__.encode())\n\
        HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()\n";
    let files = [("requirements.txt", "six==1.16.0\n"), ("app.py", app), ("rhone.toml", OPEN)];
    let answer = answers(&files, Kind::Python).await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("six 1.16.0"), "{answer}");
}

#[tokio::test]
async fn a_go_app_answers() {
    if !can("an app in Go", &["go"], None) {
        return;
    }
    // Of the standard library no more than it needs: all of that is compiled anew, twice.
    let main = "package main\n\nimport (\n\t\"net\"\n\t\"os\"\n\n\t\"example.org/hello/words\"\n)\n\n\
        func main() {\n\tlistener, err := net.Listen(\"tcp\", \"127.0.0.1:\"+os.Getenv(\"PORT\"))\n\
        \tfor err == nil {\n\t\tvar stream net.Conn\n\t\tif stream, err = listener.Accept(); err == nil {\n\
        \t\t\tstream.Read(make([]byte, 1024))\n\
        \t\t\tstream.Write([]byte(\"HTTP/1.1 200 OK\\r\\nContent-Length: 13\\r\\n\\r\\n\" + words.Hello))\n\
        \t\t\tstream.Close()\n\t\t}\n\t}\n}\n";
    let words = "package words\n\nconst Hello = \"hello from go\"\n";
    let files = [("go.mod", "module example.org/hello\n\ngo 1.19\n"), ("main.go", main), ("words/words.go", words)];
    let answer = answers(&files, Kind::Go).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello from go"), "{answer}");
}

#[tokio::test]
async fn a_rust_app_answers() {
    if !can("an app in Rust", &["cargo", "rustc", "cc"], None) {
        return;
    }
    let main = "use std::{env, io::{Read, Write}, net::TcpListener};\n\
        fn main() {\n    let at = format!(\"127.0.0.1:{}\", env::var(\"PORT\").unwrap());\n\
        \x20   for stream in TcpListener::bind(at).unwrap().incoming() {\n        let mut stream = stream.unwrap();\n        stream.read(&mut [0; 1024]).unwrap();\n\
        \x20       stream.write_all(b\"HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\n\\r\\nhello from rust\").unwrap();\n    }\n}\n";
    let files = [
        ("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"hello\"\nversion = \"0.1.0\"\n"),
        ("src/main.rs", main),
    ];
    let answer = answers(&files, Kind::Rust).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello from rust"), "{answer}");
}

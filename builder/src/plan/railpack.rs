//! A plan that Railpack wrote (`railpack-plan.json`), read into ours. Its steps run one after another on one copy of the sources
//! with the machine's own programs: its images and what `mise` would install are not fetched. The trap avoided: a step that
//! cannot be carried out and is passed over silently.

use super::{Found, Kind, PlanError, Start, Step, files::Files};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const FILE: &str = "railpack-plan.json";
/// Where Railpack has the sources; ours are the folder in which steps run.
const APP: &str = "/app";
const IMAGES: [&str; 2] = ["ghcr.io/railwayapp/railpack-builder:", "ghcr.io/railwayapp/railpack-runtime:"];

#[derive(Deserialize)]
struct Plan {
    #[serde(default)]
    steps: Vec<Written>,
    deploy: Deploy,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    #[serde(default)]
    inputs: Vec<Layer>,
    #[serde(default)]
    commands: Vec<Command>,
    #[serde(default)]
    assets: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct Layer {
    image: Option<String>,
    step: Option<String>,
    #[serde(default)]
    include: Vec<String>,
}

/// As Railpack tells them apart: by which fields are there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Command {
    Line(String),
    Exec { cmd: String },
    Copy { src: String, dest: String, image: Option<String> },
    File { path: String, name: String, mode: Option<u32> },
    Path { path: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deploy {
    #[serde(default)]
    base: Layer,
    #[serde(default)]
    inputs: Vec<Layer>,
    start_command: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

pub(super) fn find(files: &Files) -> Result<Option<Found>, PlanError> {
    files.text(FILE)?.map(|text| read(&text)).transpose()
}

/// A plan as Railpack writes it.
pub(super) fn read(text: &str) -> Result<Found, PlanError> {
    let plan: Plan = serde_json::from_str(text).map_err(|failure| PlanError::file(FILE, "-", failure.to_string()))?;
    let mut found = Found::of(Kind::Railpack, "railpack-plan.json: its steps, with this machine's own programs");
    for written in plan.steps {
        if let Some(image) = written.inputs.iter().filter_map(|layer| layer.image.as_ref()).find(|image| !known(image))
        {
            return Err(unsupported(&written.name, &format!("the image {image}")));
        }
        read_step(written, &mut found)?;
    }
    found.env.insert("CI".to_owned(), "true".to_owned());
    found.output = output(&plan.deploy)?;
    found.start = plan.deploy.start_command.map(Start::Line);
    let exports: Vec<_> =
        plan.deploy.variables.iter().map(|(name, value)| format!("{name}={}", super::quoted(value))).collect();
    if let (Some(Start::Line(line)), false) = (&mut found.start, exports.is_empty()) {
        *line = format!("export {}; {line}", exports.join(" "));
    }
    Ok(found)
}

fn known(image: &str) -> bool {
    IMAGES.iter().any(|known| image.starts_with(known))
}

fn unsupported(step: &str, what: &str) -> PlanError {
    PlanError::RailpackUnsupported { step: step.to_owned(), what: what.to_owned() }
}

fn read_step(written: Written, found: &mut Found) -> Result<(), PlanError> {
    let Written { name, commands, assets, variables, .. } = written;
    let mut paths = Vec::new();
    let (elsewhere, env): (BTreeMap<_, _>, BTreeMap<_, _>) =
        variables.into_iter().partition(|(_, value)| moved(value) != *value);
    let exports: Vec<_> =
        elsewhere.iter().map(|(name, value)| format!("export {name}=\"{}\"; ", moved(value))).collect();
    for command in commands {
        let line = match command {
            Command::Path { path } => {
                paths.push(inside(&path).unwrap_or_else(|| moved(&path)));
                continue;
            }
            // The machine's own programs take the place of what `mise` installs, and nobody reads its settings.
            Command::Line(line) | Command::Exec { cmd: line } if line.starts_with("mise ") => {
                found.reasons.push(format!("step {name}: `{line}` is left out: this machine's own programs are used"));
                continue;
            }
            Command::File { path, .. } if inside(&path).is_none() && path.starts_with("/etc/mise/") => continue,
            Command::Line(line) | Command::Exec { cmd: line } => line,
            Command::Copy { image: Some(image), .. } => return Err(unsupported(&name, &format!("the image {image}"))),
            Command::Copy { src, dest, image: None } => match (inside(&src), inside(&dest)) {
                (Some(src), Some(dest)) if src == dest => continue,
                (Some(src), Some(dest)) => format!("cp -R -- {} {}", super::quoted(&src), super::quoted(&dest)),
                _ => return Err(unsupported(&name, &format!("the path {dest}"))),
            },
            Command::File { path, name: asset, mode } => {
                let place = inside(&path).ok_or_else(|| unsupported(&name, &format!("the path {path}")))?;
                let content = assets.get(&asset).ok_or_else(|| unsupported(&name, &format!("the asset {asset}")))?;
                let (place, content) = (super::quoted(&place), super::quoted(content));
                let mode = mode.map(|mode| format!(" && chmod {:o} {place}", mode & 0o777)).unwrap_or_default();
                format!("mkdir -p \"$(dirname {place})\" && printf %s {content} >{place}{mode}")
            }
        };
        found.steps.push(Step { name: name.clone(), command: shell(&exports, &paths, &line), env: env.clone() });
    }
    Ok(())
}

fn shell(exports: &[String], paths: &[String], line: &str) -> Vec<String> {
    let prefix = if paths.is_empty() {
        String::new()
    } else {
        let absolute = |path: &String| if path.starts_with(['/', '$']) { path.clone() } else { format!("$PWD/{path}") };
        format!("export PATH=\"{}:$PATH\"; ", paths.iter().map(absolute).collect::<Vec<_>>().join(":"))
    };
    vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("{}{prefix}{line}", exports.concat())]
}

/// Where a step may write what Railpack's images keep at their root, such as `/go`; the sandbox's root is read-only. For a
/// shell, between double quotes.
fn moved(path: &str) -> String {
    const KEPT: [&str; 7] = ["app", "bin", "etc", "mise", "sbin", "tmp", "usr"];
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'));
    let first = path.strip_prefix('/').map(|rest| rest.split('/').next().unwrap_or_default());
    match first {
        Some(first) if plain && !first.is_empty() && !KEPT.contains(&first) => format!("$TMPDIR/railpack{path}"),
        _ => path.to_owned(),
    }
}

/// A path of Railpack's relative to the sources; none when it is elsewhere.
fn inside(path: &str) -> Option<String> {
    let relative = match path.strip_prefix(APP) {
        Some("") => ".",
        Some(rest) => rest.strip_prefix('/').filter(|rest| !rest.is_empty())?,
        None if path.starts_with('/') => return None,
        None => path,
    };
    let relative = relative.strip_prefix("./").unwrap_or(relative).trim_end_matches('/');
    let plain = !relative.split('/').any(|part| part == "..") && !relative.contains(['*', '?', '[']);
    plain.then(|| if relative.is_empty() { ".".to_owned() } else { relative.to_owned() })
}

/// What is deployed: what the layers include of the sources. Programs of Railpack's images are not in them.
fn output(deploy: &Deploy) -> Result<Vec<String>, PlanError> {
    let mut output = Vec::new();
    let bases = [&deploy.base].into_iter().filter(|base| base.step.is_none() && base.image.is_some());
    if let Some(image) = bases.filter_map(|base| base.image.as_ref()).find(|image| !known(image)) {
        return Err(unsupported("deploy", &format!("the image {image}")));
    }
    for path in deploy.inputs.iter().flat_map(|layer| &layer.include) {
        // What Railpack installed beside the sources stays behind where the machine's own is used.
        if path.starts_with("/mise/") || path.starts_with("/etc/mise/") || path.starts_with("/usr/local/bin/mise") {
            continue;
        }
        let place = inside(path).ok_or_else(|| unsupported("deploy", &format!("the path {path}")))?;
        if !output.contains(&place) {
            output.push(place);
        }
    }
    if output.is_empty() || output.iter().any(|place| place == ".") { Ok(vec![".".to_owned()]) } else { Ok(output) }
}

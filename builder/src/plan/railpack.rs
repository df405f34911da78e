//! A plan that Railpack wrote (`railpack-plan.json`), read into ours. Its steps run one after another on one copy of the sources
//! with the machine's own programs: its images and what `mise` would install are not fetched. The trap avoided: a step that
//! cannot be carried out and is passed over silently.

use super::{Found, Kind, PlanError, Start, Step, files::Files};
use serde::{Deserialize, de::IgnoredAny};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FILE: &str = "railpack-plan.json";
/// Where Railpack has the sources; ours are the folder in which steps run.
const APP: &str = "/app";
const IMAGES: [&str; 2] = ["ghcr.io/railwayapp/railpack-builder:", "ghcr.io/railwayapp/railpack-runtime:"];

/// Every field that Railpack writes; one that is not known here is refused, for it may mean something. A cache changes only how
/// fast a step is, and a command's name only what Railpack prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    #[serde(default)]
    steps: Vec<Written>,
    #[serde(default, rename = "caches")]
    _caches: IgnoredAny,
    #[serde(default)]
    secrets: Vec<String>,
    deploy: Deploy,
    #[serde(default)]
    exclude: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    inputs: Vec<Layer>,
    #[serde(default)]
    commands: Vec<Command>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    assets: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default, rename = "caches")]
    _caches: IgnoredAny,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Layer {
    image: Option<String>,
    step: Option<String>,
    #[serde(default)]
    local: bool,
    /// What stands for others in a plan that is not settled.
    #[serde(default)]
    spread: bool,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
}

/// As Railpack tells them apart: by which fields are there.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Command {
    Line(String),
    Exec {
        cmd: String,
        #[serde(rename = "customName")]
        _name: Option<IgnoredAny>,
    },
    Copy {
        src: String,
        dest: String,
        image: Option<String>,
    },
    File {
        path: String,
        name: String,
        mode: Option<u32>,
        #[serde(rename = "customName")]
        _name: Option<IgnoredAny>,
    },
    Path {
        path: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deploy {
    #[serde(default)]
    base: Layer,
    #[serde(default)]
    inputs: Vec<Layer>,
    start_command: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    paths: Vec<String>,
}

pub(super) fn find(files: &Files) -> Result<Option<Found>, PlanError> {
    files.text(FILE)?.map(|text| read(&text)).transpose()
}

/// A plan as Railpack writes it.
pub(super) fn read(text: &str) -> Result<Found, PlanError> {
    let plan: Plan = serde_json::from_str(text).map_err(|failure| PlanError::file(FILE, "-", failure.to_string()))?;
    let mut found = Found::of(Kind::Railpack, "railpack-plan.json: its steps, with this machine's own programs");
    let layers = plan.steps.iter().flat_map(|step| step.inputs.iter().map(|layer| (step.name.as_str(), layer)));
    for (step, layer) in layers.chain(plan.deploy.inputs.iter().map(|layer| ("deploy", layer))) {
        judge(step, layer)?;
    }
    let alone: Vec<bool> = plan.steps.iter().map(|step| is_alone(step, &plan)).collect();
    left_out(&plan, &alone, &mut found);
    for (at, (written, alone)) in plan.steps.into_iter().zip(alone).enumerate() {
        read_step(written, alone.then_some(at), &mut found)?;
    }
    found.env.insert("CI".to_owned(), "true".to_owned());
    found.output = output(&plan.deploy)?;
    found.steps.extend(excluded(&plan.deploy)?);
    found.start = plan.deploy.start_command.clone().map(Start::Line);
    let exports = exports(&plan.deploy, &mut found);
    if let (Some(Start::Line(line)), false) = (&mut found.start, exports.is_empty()) {
        *line = format!("export {}; {line}", exports.join(" "));
    }
    Ok(found)
}

fn judge(step: &str, layer: &Layer) -> Result<(), PlanError> {
    if layer.spread {
        return Err(unsupported(step, "an input that stands for others (`spread`)"));
    }
    layer
        .image
        .iter()
        .find(|image| !known(image))
        .map_or(Ok(()), |image| Err(unsupported(step, &format!("the image {image}"))))
}

/// Whether nobody takes what the step makes among the sources, of which it has only what it copies. Such a step prepares the
/// programs' own stores, and may replace and remove sources on its way: it gets a folder of its own.
fn is_alone(step: &Written, plan: &Plan) -> bool {
    let layers = plan.steps.iter().flat_map(|step| &step.inputs).chain(&plan.deploy.inputs).chain([&plan.deploy.base]);
    let mut takers = layers.filter(|layer| layer.step.as_ref() == Some(&step.name)).peekable();
    let leaves = |layer: &Layer| layer.exclude.iter().any(|path| path.trim_end_matches('/') == APP);
    takers.peek().is_some() && takers.all(leaves) && !step.inputs.iter().any(|layer| layer.local)
}

/// Says what of the plan is not carried out, and what that means.
fn left_out(plan: &Plan, alone: &[bool], found: &mut Found) {
    let of_steps = plan.steps.iter().flat_map(|step| &step.secrets).filter(|name| *name != "*");
    let secrets: BTreeSet<&str> = plan.secrets.iter().chain(of_steps).map(String::as_str).collect();
    if !secrets.is_empty() {
        let names = secrets.into_iter().collect::<Vec<_>>().join(", ");
        found.reasons.push(format!("the secrets {names} are left out: a build is given none"));
    }
    if !plan.exclude.is_empty() {
        let paths = plan.exclude.join(", ");
        found.reasons.push(format!("`exclude` is left out: the steps see {paths} where the commit has them"));
    }
    for step in &plan.steps {
        let apart = |layer: &&Layer| {
            !plan.steps.iter().zip(alone).any(|(other, alone)| *alone && layer.step.as_ref() == Some(&other.name))
        };
        for path in step.inputs.iter().filter(apart).flat_map(|layer| &layer.exclude) {
            found.reasons.push(format!(
                "step {}: `exclude` is left out: it sees {path} as the steps before it left it",
                step.name
            ));
        }
    }
}

fn known(image: &str) -> bool {
    IMAGES.iter().any(|known| image.starts_with(known))
}

fn unsupported(step: &str, what: &str) -> PlanError {
    PlanError::RailpackUnsupported { step: step.to_owned(), what: what.to_owned() }
}

/// A step that is alone has a number, by which its folder is named.
fn read_step(written: Written, alone: Option<usize>, found: &mut Found) -> Result<(), PlanError> {
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
            Command::Line(line) | Command::Exec { cmd: line, .. } if line.starts_with("mise ") => {
                found.reasons.push(format!("step {name}: `{line}` is left out: this machine's own programs are used"));
                continue;
            }
            Command::File { path, .. } if inside(&path).is_none() && path.starts_with("/etc/mise/") => continue,
            Command::Line(line) | Command::Exec { cmd: line, .. } if alone.is_some() && names_app(&line) => {
                return Err(unsupported(
                    &name,
                    &format!("a path below {APP} in `{line}`, of which nobody takes anything"),
                ));
            }
            Command::Line(line) | Command::Exec { cmd: line, .. } => line,
            Command::Copy { image: Some(image), .. } => return Err(unsupported(&name, &format!("the image {image}"))),
            Command::Copy { src, dest, image: None } => match copy(&name, &src, &dest, alone)? {
                Some(line) => line,
                None => continue,
            },
            Command::File { path, name: asset, mode, .. } => {
                let place = inside(&path).ok_or_else(|| unsupported(&name, &format!("the path {path}")))?;
                let content = assets.get(&asset).ok_or_else(|| unsupported(&name, &format!("the asset {asset}")))?;
                let (place, content) = (super::quoted(&place), super::quoted(content));
                let mode = mode.map(|mode| format!(" && chmod {:o} {place}", mode & 0o777)).unwrap_or_default();
                format!("mkdir -p \"$(dirname {place})\" && printf %s {content} >{place}{mode}")
            }
        };
        let command = shell(alone, &exports, &paths, &line);
        found.steps.push(Step { name: name.clone(), command, env: env.clone() });
    }
    Ok(())
}

/// Whether a line has a path that is Railpack's place of the sources or below it, and not `./app`, `/opt/app` or `/apps`.
fn names_app(line: &str) -> bool {
    let goes_on = |end: char| end.is_alphanumeric() || "._-".contains(end);
    let is_below = |before: char| goes_on(before) || "/~*?]})".contains(before);
    line.match_indices(APP)
        .any(|(at, _)| !line[..at].ends_with(is_below) && !line[at + APP.len()..].starts_with(goes_on))
}

/// What a copy takes is there already, in the folder that all steps share, unless its place is another or the step is alone.
fn copy(step: &str, src: &str, dest: &str, alone: Option<usize>) -> Result<Option<String>, PlanError> {
    let from = pattern(src).ok_or_else(|| unsupported(step, &format!("the path {src}")))?;
    let to = inside(dest).ok_or_else(|| unsupported(step, &format!("the path {dest}")))?;
    let is_there = inside(src).as_ref() == Some(&to) || (to == "." && !src.contains('/'));
    if is_there && alone.is_none() {
        return Ok(None);
    }
    let (sources, to) = (if alone.is_some() { "\"$sources\"/" } else { "" }, super::quoted(&to));
    // A pattern that nothing is like copies nothing.
    Ok(Some(format!(
        "mkdir -p \"$(dirname {to})\" && for found in {sources}{from}; do [ ! -e \"$found\" ] || cp -R -- \"$found\" {to} || exit; done"
    )))
}

/// Of paths inside, for a shell: `*` and `?` stand for what they stand for in Railpack. A name that begins with one would there
/// be a hidden file's too.
fn pattern(path: &str) -> Option<String> {
    let plain = path.replace(['*', '?'], "x");
    let (place, hidden) = (inside(&plain)?, path.split('/').any(|part| part.starts_with(['*', '?'])));
    if plain == path {
        return Some(super::quoted(&place));
    }
    let letters = |part: &str| if part.is_empty() { String::new() } else { super::quoted(part) };
    let relative = path.strip_prefix(APP).map_or(path, |rest| rest.trim_start_matches('/'));
    let words = relative.split_inclusive(['*', '?']).map(|part| match part.strip_suffix(['*', '?']) {
        Some(before) => letters(before) + &part[before.len()..],
        None => letters(part),
    });
    (!hidden).then(|| words.collect())
}

fn shell(alone: Option<usize>, exports: &[String], paths: &[String], line: &str) -> Vec<String> {
    let folder = alone.map_or_else(String::new, |number| {
        let folder = format!("\"$TMPDIR/railpack/alone/{number}\"");
        format!("sources=$PWD; mkdir -p {folder} && cd {folder} || exit; ")
    });
    let prefix = if paths.is_empty() {
        String::new()
    } else {
        let absolute = |path: &String| if path.starts_with(['/', '$']) { path.clone() } else { format!("$PWD/{path}") };
        format!("export PATH=\"{}:$PATH\"; ", paths.iter().map(absolute).collect::<Vec<_>>().join(":"))
    };
    vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("{folder}{}{prefix}{line}", exports.concat())]
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

/// What is set before the app is started: variables, and where it finds programs that the steps left among the sources.
fn exports(deploy: &Deploy, found: &mut Found) -> Vec<String> {
    let variables = deploy.variables.iter().map(|(name, value)| format!("{name}={}", super::quoted(value)));
    let mut exports: Vec<_> = variables.collect();
    let (inside, outside): (Vec<_>, Vec<_>) = deploy.paths.iter().partition(|path| inside(path).is_some());
    let places: Vec<_> = inside.into_iter().filter_map(|path| self::inside(path)).collect();
    if !places.is_empty() {
        let places = places.iter().map(|place| format!("\"$PWD\"/{}", super::quoted(place)));
        exports.push(format!("PATH={}:\"$PATH\"", places.collect::<Vec<_>>().join(":")));
    }
    for path in outside {
        found.reasons.push(format!("deploy: the path {path} is left out: only what is among the sources is deployed"));
    }
    exports
}

/// Removes, behind every other step, what a layer excludes and no other brings.
fn excluded(deploy: &Deploy) -> Result<Option<Step>, PlanError> {
    let layers: Vec<&Layer> = deploy.inputs.iter().chain([&deploy.base]).collect();
    let mut places = BTreeSet::new();
    for path in layers.iter().flat_map(|layer| &layer.exclude) {
        let place = inside(path).filter(|place| place != ".");
        let place = place.ok_or_else(|| unsupported("deploy", &format!("the exclusion of {path}")))?;
        if layers.iter().any(|layer| layer.brings(&place)) {
            continue;
        }
        if let Some(part) = layers.iter().find_map(|layer| layer.brings_of(&place)) {
            let what = format!("the exclusion of {path}, of which another layer includes {part},");
            return Err(unsupported("deploy", &what));
        }
        places.insert(place);
    }
    let words = ["rm", "-rf", "--"].map(str::to_owned).into_iter().chain(places.clone()).collect();
    Ok((!places.is_empty()).then(|| Step { name: "deploy".to_owned(), command: words, env: BTreeMap::new() }))
}

impl Layer {
    fn brings(&self, place: &str) -> bool {
        let is_in = |paths: &[String]| paths.iter().filter_map(|path| inside(path)).any(|path| lies_in(place, &path));
        is_in(&self.include) && !is_in(&self.exclude)
    }

    /// What it brings that lies in the place.
    fn brings_of(&self, place: &str) -> Option<String> {
        let mut included = self.include.iter().filter_map(|path| inside(path));
        included.find(|path| lies_in(path, place) && self.brings(path))
    }
}

/// Whether a place is the other, or below it.
fn lies_in(place: &str, other: &str) -> bool {
    let rest = place.strip_prefix(other);
    other == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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

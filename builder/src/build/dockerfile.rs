//! A Dockerfile, of which `buildah` makes an image in a room of its own (ADR 0019). What it leaves was within reach of the steps of
//! the Dockerfile, so every blob is held against what names it. The traps avoided: a layout with a link that leads out of it; and
//! times of the build in the image, which would make the same commit another image.

use super::{BuildError, tree};
use crate::{
    image,
    plan::{Plan, Step},
    sandbox::{BUILT, IN_IMAGE, Room, Sandbox},
    source::SOURCE_FILE,
};
use rhone_image::layout::{self, Image};
use rhone_providers::artifact_oci::pack_oci_layout;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

const STORAGE: [&str; 6] =
    ["--root", "/build/image/storage", "--runroot", "/build/image/run", "--storage-driver", "vfs"];
/// Chroot isolation asks nothing of the machine that its sandbox does not have; one layer, without a cache of others.
const HOW: [&str; 9] =
    ["bud", "--isolation", "chroot", "--format", "oci", "--layers=false", "--no-cache", "--file", "Dockerfile"];

/// Only in a sandbox with users of its own, which only root may give it.
pub(super) fn may_be_built(sandbox: &Sandbox) -> Result<(), BuildError> {
    let why = match sandbox {
        Sandbox::Plain(why) => why.clone(),
        Sandbox::Bubblewrap if rustix::process::geteuid().is_root() => return Ok(()),
        Sandbox::Bubblewrap => "only a worker that root starts may give a build users of its own".to_owned(),
    };
    Err(BuildError::DockerfileNeedsSandbox { why })
}

/// The one step: every time in the image is the commit's.
pub(super) fn step(plan: &Plan, epoch: i64) -> Step {
    let mut command = vec!["buildah".to_owned()];
    command.extend(STORAGE.map(str::to_owned));
    command.extend(HOW.map(str::to_owned));
    command.extend(["--timestamp".to_owned(), epoch.to_string()]);
    for (name, value) in &plan.env {
        command.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
    }
    command.extend(["--tag".to_owned(), format!("oci:{IN_IMAGE}"), ".".to_owned()]);
    Step { name: "Dockerfile".to_owned(), command, env: BTreeMap::new() }
}

/// The artifact's folder: the image's layout, the `rhone.toml` that runs it, and where the sources are from.
pub(super) async fn lay_out(
    room: &Room,
    output: PathBuf,
    folder: PathBuf,
    plan: Plan,
    most: u64,
) -> Result<tree::Copied, BuildError> {
    let made = room.at("image").join(BUILT);
    let work = move || -> Result<tree::Copied, BuildError> {
        let unusable = |error: &dyn std::error::Error| BuildError::ImageUnusable { why: error.to_string() };
        plain(&made)?;
        let copied = tree::Copy { most, time: None }.copy(&made, &output)?;
        let image = Image::open(&output).map_err(|error| unusable(&error))?;
        // Its index names the image alone, in the same words as that of every other image.
        layout::finish(&output, layout::Descriptor { platform: None, ..image.descriptor.clone() })
            .map_err(|error| unusable(&error))?;
        pack_oci_layout(&output, io::sink()).map_err(|error| unusable(&error))?;
        let declared = toml::from_str(&plan.rhone).map_err(|error| unusable(&error))?;
        image::complete(&output, &image, declared).map_err(|error| unusable(&error))?;
        if let Ok(source) = fs::read(folder.join(SOURCE_FILE)) {
            tree::replace(&output.join(SOURCE_FILE), &source)?;
        }
        Ok(copied)
    };
    spawn_blocking(work).await.map_err(|_| BuildError::Interrupted)?
}

/// Folders and files alone: whoever follows a link of the build's would read, and write, what is the host's.
fn plain(path: &Path) -> Result<(), BuildError> {
    let unusable = |why: &str| BuildError::ImageUnusable { why: why.to_owned() };
    let found = fs::symlink_metadata(path).map_err(|_| unusable("buildah left none"))?;
    if found.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| plain(&entry?.path()));
    }
    if found.is_file() { Ok(()) } else { Err(unusable("its layout holds something that is no file")) }
}

#[cfg(test)]
mod tests {
    //! What a build left is not followed anywhere.
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn without_a_sandbox_no_dockerfile_is_built() {
        let refused = may_be_built(&Sandbox::Plain("no namespaces".to_owned())).expect_err("it is refused");
        assert_eq!(refused.code(), "DOCKERFILE_NEEDS_SANDBOX");
        let said = refused.to_string();
        assert!(said.contains("(no namespaces)") && said.contains("deploy it by its digest"), "{said}");
        assert_eq!(may_be_built(&Sandbox::Bubblewrap).is_ok(), rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_layout_with_a_link_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("layout/blobs/sha256")).unwrap();
        fs::write(folder.path().join("layout/index.json"), "{}").unwrap();
        assert!(plain(&folder.path().join("layout")).is_ok());
        symlink("/etc/passwd", folder.path().join("layout/blobs/sha256/x")).unwrap();
        assert_eq!(plain(&folder.path().join("layout")).expect_err("a link").code(), "BUILD_IMAGE_UNUSABLE");
        symlink("layout", folder.path().join("other")).unwrap();
        assert_eq!(plain(&folder.path().join("other")).expect_err("a link").code(), "BUILD_IMAGE_UNUSABLE");
        assert_eq!(plain(&folder.path().join("none")).expect_err("nothing").code(), "BUILD_IMAGE_UNUSABLE");
    }
}

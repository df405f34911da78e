//! An artifact that is an image: unpacked before every start into the allocation's own folder, and run inside bubblewrap with
//! that as its root. The trap avoided: a root that was changed since; it is made anew from the blobs that were just verified.

use super::GateSpec;
use rhone_image::{
    ImageError,
    layout::{Image, is_layout},
    sandbox,
    unpack::{Limits, furnish, unpack},
    user,
};
use std::{fs, io, path::Path};

/// Where the root is, in the allocation's folder.
const ROOT: &str = "rootfs";

/// Whether the artifact is one.
pub(super) fn is(spec: &GateSpec) -> bool {
    is_layout(&spec.folder)
}

/// The words that run it, for which it is unpacked.
pub(super) async fn words(spec: &GateSpec, folder: &Path, given: Vec<String>) -> Result<Vec<String>, String> {
    let (layout, folder, command) = (spec.folder.clone(), folder.to_owned(), spec.command.clone());
    let work = move || -> Result<Vec<String>, ImageError> {
        remove(&folder)?;
        let root = folder.join(ROOT);
        let image = Image::open(&layout)?;
        unpack(&layout, &image, &root, &Limits::default())?;
        let config = &image.config.config;
        let named = config.user();
        let user = named.map(|named| user::find(&root, named).map(|user| (named, user))).transpose()?;
        if let Some((named, user)) = user {
            sandbox::check(named, user)?;
        }
        furnish(&root, config.folder())?;
        Ok(sandbox::words(&root, config, user.map(|(_, user)| user), &command, &given))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(words)) => Ok(words),
        Ok(Err(error)) => Err(format!("could not be started: {}: {error}", error.code())),
        Err(error) => Err(format!("could not be started: {error}")),
    }
}

/// Removes the root, once nothing runs in it any more.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder.join(ROOT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

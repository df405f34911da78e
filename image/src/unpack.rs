//! Unpacks an image's layers, one over the other, into a folder that becomes a root. Every path is followed inside that folder,
//! link by link, as if it were the root already: a layer may write through a link of the layer below, and out of it through
//! none. Owners, devices, pipes and powers (set-user-id) stay behind.

mod root;
mod zstd;

use crate::{
    ImageError,
    layout::{Descriptor, Image, blob},
};
use flate2::read::MultiGzDecoder;
use rhone_domain::digest::Digest;
use root::Root;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufReader, Read},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};
use tar::{Archive, Entry, EntryType};
use zstd::Frames;

/// How much may be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all files of all layers, also of those that a higher layer removes.
    pub bytes: u64,
    /// Entries of all layers.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 * 1024 * 1024 * 1024, entries: 500_000 }
    }
}

/// What a layer writes to say that something of a lower one is gone.
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// No list of names in a root is longer.
const TEXT_LIMIT: u64 = 1 << 20;

/// Unpacks the image of a layout as `root`, which is not there yet; nothing is left when it fails. Every layer is held against
/// both of its digests.
pub fn unpack(layout: &Path, image: &Image, root: &Path, limits: &Limits) -> Result<(), ImageError> {
    fs::create_dir(root)?;
    let done = layers(layout, image, limits, Some(Root::of(root)?));
    if done.is_err() {
        root::remove(root)?;
    }
    done
}

/// Whether the image is what its digests say and stays within the limits, for an engine that unpacks it and knows no limits.
/// Nothing is written.
pub fn weigh(layout: &Path, image: &Image, limits: &Limits) -> Result<(), ImageError> {
    layers(layout, image, limits, None)
}

fn layers(layout: &Path, image: &Image, limits: &Limits, root: Option<Root>) -> Result<(), ImageError> {
    let mut unpacking = Unpacking { root, limits: *limits, bytes: 0, entries: 0 };
    let layers = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
    layers.into_iter().try_for_each(|(layer, diff)| unpacking.layer(layout, layer, *diff))
}

/// Makes what a sandbox mounts over, and the folder in which the program runs, where the image has none.
pub fn furnish(root: &Path, folder: &str) -> Result<(), ImageError> {
    let inside = Root::of(root)?;
    for name in ["proc", "dev", "tmp", "run", folder.trim_start_matches('/')] {
        let Some((above, name)) = inside.place(Path::new(name))? else { continue };
        if fs::symlink_metadata(above.join(&name)).is_err() {
            root::folder(&above.join(name), 0o755)?;
        }
    }
    for name in ["etc/resolv.conf", "etc/hosts"] {
        let Some((above, name)) = inside.place(Path::new(name))? else { continue };
        root::remove(&above.join(&name))?;
        File::create(above.join(name))?;
    }
    Ok(())
}

/// The text of a file in a root, where its links would lead if the root were one; none when there is none.
pub(crate) fn read(root: &Path, path: &Path) -> Result<Option<String>, ImageError> {
    let Some(found) = Root::of(root)?.file(path)? else { return Ok(None) };
    let mut text = Vec::new();
    File::open(found)?.take(TEXT_LIMIT).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    Not,
    Gzip,
    Zstd,
}

impl Packed {
    pub(crate) fn of(layer: &Descriptor) -> Result<Self, ImageError> {
        match layer.media_type.as_str() {
            media if media.ends_with("gzip") => Ok(Self::Gzip),
            media if media.ends_with("zstd") => Ok(Self::Zstd),
            media if media.strip_suffix(".tar").is_some() => Ok(Self::Not),
            media => Err(ImageError::Unsupported(format!("a layer of type {media:?}"))),
        }
    }
}

/// A zstd layer as the tar that it is, to be read by who knows no zstd.
pub(crate) fn plain(layout: &Path, layer: &Descriptor) -> Result<impl Read, ImageError> {
    Ok(Frames::of(BufReader::new(File::open(blob(layout, layer.digest))?)))
}

struct Unpacking {
    /// Where it is written; none when it is only weighed.
    root: Option<Root>,
    limits: Limits,
    bytes: u64,
    entries: u64,
}

impl Unpacking {
    fn layer(&mut self, layout: &Path, layer: &Descriptor, diff: Digest) -> Result<(), ImageError> {
        let file = File::open(blob(layout, layer.digest))?;
        let mut packed = Counted::around(BufReader::new(file));
        let (unpacked, end) = match Packed::of(layer)? {
            Packed::Not => self.tar(&mut packed)?,
            Packed::Gzip => self.tar(MultiGzDecoder::new(BufReader::new(&mut packed)))?,
            Packed::Zstd => self.tar(Frames::of(BufReader::new(&mut packed)))?,
        };
        io::copy(&mut packed, &mut io::sink())?;
        let differs = |digest: Digest, problem: &str| ImageError::Blob {
            digest: digest.to_string(),
            problem: problem.to_owned(),
        };
        let (digest, size) = packed.finish();
        if digest != layer.digest || size != layer.size {
            return Err(differs(layer.digest, "its bytes are others"));
        }
        end?;
        if unpacked == diff { Ok(()) } else { Err(differs(diff, "unpacked, its bytes are others")) }
    }

    /// Gives the digest of the tar, and what went wrong in it: a blob that is another says so before its entries do.
    fn tar(&mut self, tar: impl Read) -> Result<(Digest, Result<(), ImageError>), ImageError> {
        // A stream that does not end would be read for its digest as well.
        let most = self.limits.bytes.saturating_add(self.limits.entries.saturating_mul(2048)).saturating_add(1 << 20);
        let mut archive = Archive::new(Counted::around(tar.take(most)));
        let mut made = BTreeSet::new();
        let done = self.entries(&mut archive, &mut made);
        let mut rest = archive.into_inner();
        if let Err(too_large @ ImageError::TooLarge { .. }) = done {
            return Err(too_large);
        }
        io::copy(&mut rest, &mut io::sink())?;
        Ok((rest.finish().0, done))
    }

    fn entries(&mut self, archive: &mut Archive<impl Read>, made: &mut BTreeSet<PathBuf>) -> Result<(), ImageError> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(ImageError::TooLarge { what: "files", limit: self.limits.entries });
            }
            self.entry(&mut entry, made)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &mut Entry<'_, impl Read>, made: &mut BTreeSet<PathBuf>) -> Result<(), ImageError> {
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let holds_bytes = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        if holds_bytes {
            self.add(entry.size())?;
        }
        let Some(root) = &self.root else { return Ok(()) };
        let Some((folder, name)) = root.place(&path)? else { return Ok(()) };
        let text = name.to_string_lossy();
        if text == OPAQUE {
            return Ok(root::clear(&folder, made)?);
        }
        if let Some(gone) = text.strip_prefix(WHITEOUT) {
            return root::whiteout(&folder, gone, &path);
        }
        let place = folder.join(&name);
        made.extend(place.ancestors().map(Path::to_owned));
        let permissions = entry.header().mode()? & 0o777;
        if kind == EntryType::Directory {
            return Ok(root::folder(&place, permissions)?);
        }
        if kind.is_symlink() {
            root::remove(&place)?;
            return Ok(symlink(target(entry, &path)?, place)?);
        }
        if kind.is_hard_link() {
            return root.hard_link(&target(entry, &path)?, &place);
        }
        if holds_bytes {
            root::remove(&place)?;
            return file(entry, &place, permissions);
        }
        // Devices and pipes: the root that runs has its own `/dev`.
        Ok(())
    }

    fn add(&mut self, bytes: u64) -> Result<(), ImageError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(ImageError::TooLarge { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }
}

fn file(entry: &mut Entry<'_, impl Read>, place: &Path, mode: u32) -> Result<(), ImageError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    io::copy(entry, &mut file)?;
    // Whoever unpacks may read it, whatever the image says: it is to be run, compared and removed.
    Ok(file.set_permissions(Permissions::from_mode(mode | 0o400))?)
}

fn target(entry: &Entry<'_, impl Read>, path: &Path) -> Result<PathBuf, ImageError> {
    let target = entry.link_name()?.filter(|target| !target.as_os_str().is_empty());
    let refused = || ImageError::Entry { path: path.display().to_string(), rule: "a link must lead somewhere" };
    Ok(target.ok_or_else(refused)?.into_owned())
}

/// Digests and counts what is read through it.
struct Counted<R> {
    inner: R,
    hasher: Sha256,
    size: u64,
}

impl<R: Read> Counted<R> {
    fn around(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), size: 0 }
    }

    fn finish(self) -> (Digest, u64) {
        (Digest(self.hasher.finalize().into()), self.size)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;

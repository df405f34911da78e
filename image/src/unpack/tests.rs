//! What layers may do to a root, and every way out of it that one may try. Each layer is a real tar, plain or gzip.

use super::*;
use crate::layout::{self, Config, Manifest, RootFs, RunConfig};
use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::{collections::BTreeMap, io::Write as _, os::unix::fs::MetadataExt as _};
use tar::{Builder, Header};

/// (name, kind, content or target, mode).
type Row = (&'static str, EntryType, &'static str, u32);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;
const FOLDER: EntryType = EntryType::Directory;

fn tar(rows: &[Row]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content, mode) in rows {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        // Written as bytes: the builder itself refuses the names that a hostile layer would hold.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let bytes = if kind.is_file() { content.as_bytes() } else { b"" };
        if !kind.is_file() {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).expect("an entry");
    }
    builder.into_inner().expect("a tar")
}

struct Case {
    room: tempfile::TempDir,
    image: Image,
}

/// A layout of layers: one is plain, the next gzip, the third zstd, and so on.
fn case(layers: &[&[Row]]) -> Case {
    let room = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(room.path().join("blobs/sha256")).expect("made");
    let (mut descriptors, mut diff_ids) = (vec![], vec![]);
    for (at, rows) in layers.iter().enumerate() {
        let plain = tar(rows);
        diff_ids.push(Digest::of(&[&plain]));
        let (bytes, media) = match at % 3 {
            0 => (plain, "application/vnd.oci.image.layer.v1.tar"),
            1 => {
                let mut gzip = GzEncoder::new(vec![], Compression::fast());
                gzip.write_all(&plain).expect("written");
                (gzip.finish().expect("gzip"), "application/vnd.oci.image.layer.v1.tar+gzip")
            }
            _ => {
                let packed = compress_to_vec(&plain[..], CompressionLevel::Fastest);
                (packed, "application/vnd.oci.image.layer.v1.tar+zstd")
            }
        };
        let digest = Digest::of(&[&bytes]);
        fs::write(blob(room.path(), digest), &bytes).expect("written");
        descriptors.push(Descriptor { media_type: media.into(), digest, size: bytes.len() as u64, platform: None });
    }
    let descriptor = Descriptor { media_type: String::new(), digest: Digest::ZERO, size: 0, platform: None };
    let manifest = Manifest {
        schema_version: 2,
        media_type: None,
        config: descriptor.clone(),
        layers: descriptors,
        annotations: BTreeMap::new(),
    };
    let config = Config {
        architecture: layout::architecture().into(),
        os: "linux".into(),
        config: RunConfig::default(),
        rootfs: RootFs { kind: "layers".into(), diff_ids },
    };
    Case { room, image: Image { descriptor, manifest, config } }
}

impl Case {
    fn unpack_within(&self, limits: &Limits) -> Result<Root, ImageError> {
        let root = self.room.path().join("rootfs");
        let done = unpack(self.room.path(), &self.image, &root, limits);
        assert!(done.is_ok() || !root.exists(), "a root is left: {done:?}");
        done.map(|()| Root::of(&root).expect("a root"))
    }

    fn unpack(&self) -> Result<Root, ImageError> {
        self.unpack_within(&Limits::default())
    }
}

fn read(root: &Root, path: &str) -> Option<String> {
    root.find(path).filter(|found| found.is_file()).map(|found| fs::read_to_string(found).expect("readable"))
}

#[test]
fn higher_layers_replace_remove_and_hide_what_lower_ones_have() {
    let root = case(&[
        &[
            ("etc/keep", FILE, "low", 0o644),
            ("etc/gone", FILE, "low", 0o644),
            ("etc/tree/a/b", FILE, "low", 0o644),
            ("opt/low", FILE, "low", 0o644),
            ("opt/sub/low", FILE, "low", 0o644),
            ("was-file", FILE, "low", 0o644),
            ("was-folder/inner", FILE, "low", 0o644),
        ],
        &[
            ("etc/.wh.gone", FILE, "", 0),
            ("etc/.wh.tree", FILE, "", 0),
            ("etc/keep", FILE, "high", 0o600),
            ("opt/high", FILE, "high", 0o644),
            ("opt/sub/high", FILE, "high", 0o644),
            ("opt/.wh..wh..opq", FILE, "", 0),
            ("was-file/inner", FILE, "high", 0o644),
            ("was-folder", FILE, "high", 0o644),
        ],
    ]);
    // A file in the way of a folder is a layer's mistake.
    assert_eq!(root.unpack().err().map(|error| error.code()), Some("IMAGE_ENTRY_REFUSED"));
    let layered = case(&[
        &[
            ("etc/keep", FILE, "low", 0o644),
            ("etc/gone", FILE, "", 0o644),
            ("opt/low", FILE, "", 0o644),
            ("opt/sub/low", FILE, "", 0o644),
            ("d/i", FILE, "", 0o644),
        ],
        &[
            ("etc/.wh.gone", FILE, "", 0),
            ("etc/keep", FILE, "high", 0o600),
            ("opt/sub/high", FILE, "high", 0o644),
            ("opt/.wh..wh..opq", FILE, "", 0),
            ("d", FILE, "file", 0o644),
        ],
    ]);
    let root = layered.unpack().expect("unpacked");
    assert_eq!(read(&root, "/etc/keep").as_deref(), Some("high"));
    assert_eq!((read(&root, "/etc/gone"), read(&root, "/opt/low"), read(&root, "/opt/sub/low")), (None, None, None));
    assert_eq!((read(&root, "/opt/sub/high").as_deref(), read(&root, "/d").as_deref()), (Some("high"), Some("file")));
}

#[test]
fn links_lead_inside_the_root_as_they_would_when_it_is_one() {
    let linked = case(&[
        &[
            ("usr/lib/low", FILE, "low", 0o644),
            ("lib", LINK, "/usr/lib", 0o777),
            ("up", LINK, "../../../../usr", 0o777),
            ("etc/mtab", LINK, "/proc/mounts", 0o777),
        ],
        &[
            ("lib/high", FILE, "high", 0o644),
            ("up/lib/other", FILE, "other", 0o644),
            ("copy", HARD, "usr/lib/low", 0o644),
            ("lib/through", HARD, "/lib/low", 0o644),
        ],
    ]);
    let root = linked.unpack().expect("unpacked");
    for (path, text) in
        [("/usr/lib/high", "high"), ("/usr/lib/other", "other"), ("/copy", "low"), ("/usr/lib/through", "low")]
    {
        assert_eq!(read(&root, path).as_deref(), Some(text), "{path}");
    }
    let inode = |path: &str| fs::metadata(root.find(path).expect(path)).expect(path).ino();
    assert_eq!(inode("/copy"), inode("/usr/lib/low"), "a hard link is the same file");
}

#[test]
fn no_entry_gets_out_of_the_root() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("victim"), "untouched").expect("written");
    let out = outside.path().display().to_string();
    let out: &'static str = Box::leak(out.into_boxed_str());
    let hostile: [&[Row]; 9] = [
        &[("../out", FILE, "x", 0o644)],
        &[("a/../../out", FILE, "x", 0o644)],
        &[("hard", HARD, "../../etc/passwd", 0o644)],
        &[("hard", HARD, "/etc/passwd", 0o644)],
        &[("d", FOLDER, "", 0o755), ("hard", HARD, "d", 0o644)],
        &[("a/.wh...", FILE, "", 0o644)],
        &[("a/.wh.", FILE, "", 0o644)],
        &[("loop", LINK, "loop", 0o777), ("loop/x", FILE, "x", 0o644)],
        &[("link", LINK, "", 0o777)],
    ];
    for rows in hostile {
        assert_eq!(case(&[rows]).unpack().err().map(|error| error.code()), Some("IMAGE_ENTRY_REFUSED"), "{rows:?}");
    }
    // Absolute names and links are taken as those of the root.
    let root = case(&[
        &[("/etc/abs", FILE, "x", 0o644), ("door", LINK, out, 0o777), ("victim", LINK, "/door/victim", 0o777)],
        &[("door/victim", FILE, "inside", 0o644), ("door/.wh.other", FILE, "", 0), ("victim", FILE, "inside", 0o644)],
    ]);
    let root = root.unpack().expect("unpacked");
    assert_eq!(
        (read(&root, "/etc/abs").as_deref(), read(&root, "/door/victim").as_deref()),
        (Some("x"), Some("inside"))
    );
    assert_eq!(fs::read_to_string(outside.path().join("victim")).expect("there"), "untouched");
}

#[test]
fn devices_and_powers_stay_behind_and_everything_can_be_read_and_removed() {
    let case = case(&[&[
        ("su", FILE, "x", 0o4755),
        ("dark", FILE, "x", 0o000),
        ("closed", FOLDER, "", 0o000),
        ("closed/inner", FILE, "x", 0o644),
        ("null", EntryType::Char, "", 0o666),
        ("pipe", EntryType::Fifo, "", 0o666),
    ]]);
    let root = case.unpack().expect("unpacked");
    let mode = |path: &str| fs::metadata(root.find(path).expect(path)).expect(path).permissions().mode() & 0o7777;
    assert_eq!((mode("/su"), mode("/dark"), mode("/closed")), (0o755, 0o400, 0o700));
    assert_eq!((root.find("/null"), root.find("/pipe")), (None, None));
    assert_eq!(read(&root, "/closed/inner").as_deref(), Some("x"));
}

#[test]
fn a_blob_that_is_another_is_refused_whatever_it_holds() {
    for at in [0, 1, 2] {
        let rows: &[Row] = &[("a", FILE, "content", 0o644)];
        let case = case(&[rows, rows, rows]);
        let path = blob(case.room.path(), case.image.manifest.layers[at].digest);
        let mut bytes = fs::read(&path).expect("read");
        let middle = if at == 0 { 514 } else { bytes.len() - 6 };
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("written");
        let code = case.unpack().err().map(|error| error.code());
        assert!(matches!(code, Some("IMAGE_BLOB_DIFFERS" | "IMAGE_IO")), "{at}: {code:?}");
    }
    let mut other = case(&[&[("a", FILE, "x", 0o644)]]);
    other.image.config.rootfs.diff_ids[0] = Digest::of(&[b"another"]);
    assert_eq!(other.unpack().err().map(|error| error.code()), Some("IMAGE_BLOB_DIFFERS"));
    let mut other = case(&[&[("a", FILE, "x", 0o644)]]);
    other.image.manifest.layers[0].media_type = "application/vnd.oci.image.layer.v1.tar+xz".into();
    assert_eq!(other.unpack().err().map(|error| error.code()), Some("IMAGE_UNSUPPORTED"));
}

#[test]
fn too_much_is_refused_while_it_comes() {
    let (none, two): (&[Row], &[Row]) = (&[], &[("a", FILE, "1234567890", 0o644), ("b", FILE, "1234567890", 0o644)]);
    // Plain, gzip, zstd.
    for layers in [&[two][..], &[none, two], &[none, none, two]] {
        let case = case(layers);
        let within = |bytes, entries| {
            let limits = Limits { bytes, entries };
            let weighed = weigh(case.room.path(), &case.image, &limits).err().map(|error| error.code());
            let unpacked = case.unpack_within(&limits).err().map(|error| error.code());
            assert_eq!(weighed, unpacked, "an engine is given what would be unpacked");
            unpacked
        };
        assert_eq!((within(19, 9), within(20, 1)), (Some("IMAGE_TOO_LARGE"), Some("IMAGE_TOO_LARGE")));
        assert_eq!(within(20, 2), None);
    }
}

#[test]
fn an_engine_that_knows_no_zstd_finds_the_layer_unpacked() {
    let rows: &[Row] = &[("a", FILE, "content", 0o644)];
    let mut case = case(&[rows, rows, rows]);
    let kept = layout::write(case.room.path(), &room_layer(case.room.path()), RunConfig::default(), BTreeMap::new());
    case.image.descriptor = kept.expect("written");
    case.image.manifest.config.digest = case.image.descriptor.digest;
    let mut bytes = Vec::new();
    crate::archive::write(case.room.path(), &case.image, &mut bytes).expect("written");
    let mut files = BTreeMap::new();
    for entry in Archive::new(&bytes[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let (name, mut content) = (entry.path().expect("a path").display().to_string(), Vec::new());
        entry.read_to_end(&mut content).expect("whole");
        files.insert(name, content);
    }
    let saved: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).expect("JSON");
    for (at, diff) in case.image.config.rootfs.diff_ids.iter().enumerate() {
        let content = &files[saved[0]["Layers"][at].as_str().expect("a name")];
        let packed = case.image.manifest.layers[at].digest;
        let is = Digest::of(&[content]);
        assert!(is == if at == 2 { *diff } else { packed }, "layer {at}");
    }
}

fn room_layer(room: &Path) -> PathBuf {
    let path = room.join("layer.tar");
    fs::write(&path, tar(&[])).expect("written");
    path
}

//! A whole layout is packed; a broken one is refused, and the blob is named.
use super::*;
use serde_json::json;
use tempfile::TempDir;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn blob(folder: &Path, content: &[u8], media_type: &str) -> serde_json::Value {
    let digest = Digest::of(&[content]);
    fs::write(folder.join("blobs/sha256").join(digest.hex()), content).unwrap();
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() })
}

/// An image of one layer; gives the layer's path too.
fn layout() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
    let layer = blob(folder.path(), b"layer", "application/vnd.oci.image.layer.v1.tar");
    let config = blob(folder.path(), b"{}", "application/vnd.oci.image.config.v1+json");
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string();
    let index = json!({ "schemaVersion": 2, "manifests": [blob(folder.path(), manifest.as_bytes(), MANIFEST)] });
    fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
    fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let layer = Path::new("blobs/sha256").join(Digest::of(&[b"layer"]).hex());
    (folder, layer)
}

#[test]
fn a_whole_layout_is_packed_and_gives_the_same_digest_twice() {
    let (one, _) = layout();
    let (other, _) = layout();
    assert!(is_oci_layout(one.path()));
    let digest = |folder: &Path| pack_oci_layout(folder, io::sink()).unwrap().digest;
    assert_eq!(digest(one.path()), digest(other.path()));
}

#[test]
fn a_blob_that_is_changed_or_missing_is_named() {
    let (folder, layer) = layout();
    fs::write(folder.path().join(&layer), "LAYER").unwrap();
    let refused = pack_oci_layout(folder.path(), io::sink());
    assert!(matches!(refused, Err(OciError::Blob { path, .. }) if path == layer));
    fs::remove_file(folder.path().join(&layer)).unwrap();
    let refused = pack_oci_layout(folder.path(), io::sink());
    assert!(matches!(refused, Err(OciError::Io { path, .. }) if path == layer));
}

#[test]
fn a_wrong_size_a_path_for_a_digest_and_an_index_without_images_are_refused() {
    let (folder, _) = layout();
    let index = folder.path().join("index.json");
    let text = fs::read_to_string(&index).unwrap();
    let size = text.split("\"size\":").nth(1).unwrap().split('}').next().unwrap().to_owned();
    fs::write(&index, text.replace(&size, "1")).unwrap();
    let refused = pack_oci_layout(folder.path(), io::sink());
    assert!(matches!(refused, Err(OciError::Blob { expected, .. }) if expected == "1 bytes"));
    for bad in [r#"{"manifests":[{"digest":"sha256:../../x","size":1}]}"#, r#"{"manifests":[]}"#, "[]"] {
        fs::write(&index, bad).unwrap();
        let refused = pack_oci_layout(folder.path(), io::sink());
        assert!(matches!(refused, Err(OciError::Document { path, .. }) if path == Path::new("index.json")), "{bad}");
    }
}

//! What is written as an image, judged by the schemas of the OCI's own specification (`oci/PROVENANCE.md`), and each blob by the
//! digest that names it. The trap avoided: a layout that only its own reader takes.

use jsonschema::{Draft, Retrieve, Uri, Validator};
use rhone_domain::digest::Digest;
use rhone_image::layout::{self, Image, RunConfig};
use serde_json::{Value, json};
use std::{collections::BTreeMap, error::Error, fs, path::Path};

/// The schemas name each other by addresses of which only the last part is a file's.
struct Schemas;

impl Retrieve for Schemas {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default();
        Ok(schema(name))
    }
}

/// Without the name of its draft, which the specification writes as nobody else does.
fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oci").join(name);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut schema: Value = serde_json::from_slice(&text).expect("a schema");
    schema.as_object_mut().expect("an object").remove("$schema");
    schema
}

fn validator(name: &str) -> Validator {
    let options = jsonschema::options().with_draft(Draft::Draft4).with_retriever(Schemas);
    options.build(&schema(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A layout as the product writes it, with everything that it can say.
fn written(layout: &Path) {
    let layer = layout.with_extension("tar");
    fs::write(&layer, [0; 1024]).expect("an empty tar");
    let list = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    let config = RunConfig {
        env: list(&["PATH=/bin"]),
        entrypoint: list(&["/bin/app"]),
        cmd: list(&["--port", "80"]),
        user: Some("33:33".to_owned()),
        working_dir: Some("/srv".to_owned()),
        labels: Some(BTreeMap::from([("rhone.health".to_owned(), "/up".to_owned())])),
    };
    let said = BTreeMap::from([("org.opencontainers.image.revision".to_owned(), "1a2b".to_owned())]);
    layout::write(layout, &layer, config, said).expect("a layout");
}

/// The documents of a layout, each with the schema that it must hold to.
fn documents(layout: &Path) -> BTreeMap<&'static str, Value> {
    let read = |path: &Path| serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    let blob = |descriptor: &Value| {
        let name = descriptor["digest"].as_str().expect("a digest").strip_prefix("sha256:").expect("of this kind");
        let bytes = fs::read(layout.join("blobs/sha256").join(name)).expect("its blob");
        (Digest::of(&[&bytes]).to_string(), bytes)
    };
    let index: Value = read(&layout.join("index.json"));
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0]).1).expect("JSON");
    let config: Value = serde_json::from_slice(&blob(&manifest["config"]).1).expect("JSON");
    for descriptor in [&index["manifests"][0], &manifest["config"], &manifest["layers"][0]] {
        let (digest, bytes) = blob(descriptor);
        assert_eq!((descriptor["digest"].as_str(), &descriptor["size"]), (Some(&*digest), &json!(bytes.len())));
    }
    BTreeMap::from([
        ("image-layout-schema.json", read(&layout.join("oci-layout"))),
        ("image-index-schema.json", index),
        ("image-manifest-schema.json", manifest),
        ("config-schema.json", config),
    ])
}

#[test]
fn what_is_written_holds_to_the_schemas_and_their_readers_find_what_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("layout");
    written(&layout);
    let documents = documents(&layout);
    for (name, document) in &documents {
        let errors: Vec<_> = validator(name).iter_errors(document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?} in {document}");
    }
    for (name, place, wrong) in [
        ("image-layout-schema.json", "/imageLayoutVersion", json!("2.0.0")),
        ("image-index-schema.json", "/schemaVersion", json!(1)),
        ("image-index-schema.json", "/manifests/0/mediaType", Value::Null),
        ("image-index-schema.json", "/manifests/0/digest", json!("sha256")),
        ("image-index-schema.json", "/manifests/0/size", json!("7")),
        ("image-manifest-schema.json", "/config/mediaType", Value::Null),
        ("image-manifest-schema.json", "/layers/0/mediaType", json!("tar")),
        ("image-manifest-schema.json", "/layers/0/digest", json!("sha256-00")),
        ("image-manifest-schema.json", "/layers", json!([])),
        ("config-schema.json", "/architecture", Value::Null),
        ("config-schema.json", "/rootfs/type", json!("layer")),
        ("config-schema.json", "/config/Env", json!("PATH=/bin")),
    ] {
        let mut document = documents[name].clone();
        *document.pointer_mut(place).unwrap_or_else(|| panic!("{place} is written")) = wrong.clone();
        let (parent, field) = place.rsplit_once('/').expect("a pointer");
        if wrong.is_null() {
            document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(field);
        }
        assert!(!validator(name).is_valid(&document), "{name}: {place} as {wrong} was not found");
    }
}

#[test]
fn a_blob_that_is_not_what_its_digest_says_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("layout");
    written(&layout);
    let image = Image::open(&layout).expect("as it was written");
    for digest in [image.descriptor.digest, image.manifest.config.digest] {
        let path = layout::blob(&layout, digest);
        let bytes = fs::read(&path).expect("a blob");
        fs::write(&path, [&bytes[..], b" "].concat()).expect("another one");
        assert!(Image::open(&layout).is_err(), "{digest} is something else");
        fs::write(&path, bytes).expect("as it was");
    }
    assert!(Image::open(&layout).is_ok());
}

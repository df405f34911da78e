//! The same files give the same bytes; what could lead out of the folder is refused by name.
use super::*;
use std::{
    os::unix::{fs::symlink, net::UnixListener},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

fn lay(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn pack(folder: &Path) -> Result<(Packed, Vec<u8>), PackError> {
    let mut bytes = Vec::new();
    pack_directory(folder, &mut bytes).map(|packed| (packed, bytes))
}

const FILES: [(&str, &str); 4] = [("b/z", "1"), ("a", "2"), ("b.txt", "3"), ("b/c/d", "4")];

#[test]
fn the_same_files_give_the_same_bytes_whatever_their_order_age_and_permissions() {
    let one = lay(&FILES);
    let mut reversed = FILES;
    reversed.reverse();
    let other = lay(&reversed);
    let file = File::options().write(true).open(other.path().join("a")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    fs::set_permissions(other.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    let (packed, bytes) = pack(one.path()).unwrap();
    let (again, same) = pack(other.path()).unwrap();
    assert_eq!(packed, again);
    assert!(bytes == same);
    assert_eq!(packed.digest, Digest::of(&[&bytes]));
    assert_eq!((packed.size, packed.files), (bytes.len() as u64, 4));
}

#[test]
fn another_content_name_or_executable_bit_gives_another_digest() {
    let base = pack(lay(&FILES).path()).unwrap().0.digest;
    let content = lay(&[FILES[0], FILES[1], FILES[2], ("b/c/d", "5")]);
    assert_ne!(pack(content.path()).unwrap().0.digest, base);
    let name = lay(&[FILES[0], FILES[1], FILES[2], ("b/c/e", "4")]);
    assert_ne!(pack(name.path()).unwrap().0.digest, base);
    let mode = lay(&FILES);
    fs::set_permissions(mode.path().join("a"), fs::Permissions::from_mode(0o711)).unwrap();
    assert_ne!(pack(mode.path()).unwrap().0.digest, base);
}

#[test]
fn the_tar_holds_plain_headers_in_the_order_of_bytes_and_unpacks() {
    let long = "n".repeat(120);
    let folder = lay(&[("b/z", "1"), ("b.txt", "3"), (&format!("{long}/{long}"), "long")]);
    symlink("../b.txt", folder.path().join("b/link")).unwrap();
    let (_, bytes) = pack(folder.path()).unwrap();
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut names = Vec::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
        assert_eq!(header.username_bytes(), Some(&b""[..]));
        names.push(entry.path().unwrap().into_owned());
    }
    let expected = ["b", "b.txt", "b/link", "b/z", &long, &format!("{long}/{long}")];
    assert_eq!(names, expected.map(PathBuf::from));
    let out = tempfile::tempdir().unwrap();
    tar::Archive::new(bytes.as_slice()).unpack(out.path()).unwrap();
    assert_eq!(fs::read_to_string(out.path().join("b/link")).unwrap(), "3");
}

#[test]
fn links_that_leave_the_folder_are_refused_by_name() {
    let cases = [
        ("/etc/passwd", "it is absolute"),
        ("../secret", "it leads out of the folder"),
        ("b/../../secret", "it leads out of the folder"),
        ("up/../secret", "it leads out of the folder"),
        ("nothing", "it leads to nothing"),
        ("link", "it leads to nothing"),
    ];
    for (target, expected) in cases {
        let outer = lay(&[("app/a", "1"), ("app/b/c", "2"), ("secret", "3")]);
        let app = outer.path().join("app");
        symlink("b/..", app.join("up")).unwrap();
        symlink(target, app.join("link")).unwrap();
        let Err(PackError::Link { path, rule, .. }) = pack(&app) else { panic!("{target} was packed") };
        assert_eq!((path, rule), (PathBuf::from("link"), expected), "{target}");
    }
}

#[test]
fn a_socket_and_an_empty_folder_are_refused() {
    let folder = lay(&FILES);
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    assert!(matches!(pack(folder.path()), Err(PackError::Kind { path }) if path == Path::new("socket")));
    assert!(matches!(pack(lay(&[]).path()), Err(PackError::Empty { .. })));
    assert!(matches!(pack(Path::new("/nowhere")), Err(PackError::Io { .. })));
    assert!(matches!(pack(&folder.path().join("a")), Err(PackError::Empty { .. })));
}

#[test]
fn a_file_of_another_length_than_its_header_says_is_noticed() {
    let folder = lay(&[("a", "12345")]);
    for left in [4, 6] {
        let mut content = Exactly { file: File::open(folder.path().join("a")).unwrap(), left };
        let read = content.read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{left}");
    }
}

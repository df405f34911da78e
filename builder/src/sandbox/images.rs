//! What surrounds `buildah`: it wants to be root, to mount and to change roots, so it is root in a user namespace of its own,
//! whose users are nobody's on the host, inside the same sandbox as every step. The trap avoided: chroot isolation, which holds
//! nobody by itself; what holds is what is around it (ADR 0019).

use std::{
    ffi::OsString,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

/// Where images are made, inside.
const IMAGES: &str = "/build/image";
/// The layout that comes of it, inside, and in the folder that the host has for images.
pub(crate) const IN_IMAGE: &str = "/build/image/layout";
pub(crate) const BUILT: &str = "layout";
/// As many users as an image may name.
const USERS: u32 = 65_536;
/// The first of the users that images are built as when root starts it; above those of `bubblewrap::a_user`.
const FIRST: u32 = 1_000_000_000;

/// Enters a user namespace, waits until the parent has said who its users are, and becomes its root (a
/// program that nobody yet is keeps its powers over the namespace only as ambient ones). Only a parent may say it,
/// and only of a process that is there already. The room, the first user and how many stand before the words that are run.
const WITH_USERS: &str = r#"
room=$1 first=$2 users=$3
shift 3
mkfifo -m 600 "$room/there" "$room/go" || exit 125
exec 3<>"$room/there" 4<>"$room/go"
(
    unshare --user --keep-caps -- /bin/sh -c 'echo $$ >&3; read -r go <&4
        exec 3>&- 4>&- /usr/bin/setpriv --reuid=0 --regid=0 --clear-groups -- "$@"' sh "$@"
    status=$?
    echo none >&3
    exit $status
) &
read -r inner <&3
if [ "$inner" != none ]; then
    echo "0 $first $users" >"/proc/$inner/uid_map"
    echo "0 $first $users" >"/proc/$inner/gid_map"
    echo go >&4
fi
wait $!
"#;

/// The first of so many users that no other build of this machine has.
pub(super) fn first_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) % 500;
    FIRST + (std::process::id() % 30 * 500 + turn) * USERS
}

/// Words that run, as the root of users that begin with `first` on the host, whatever words follow.
pub(super) fn with_users(room: &Path, first: u32) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["/bin/sh", "-c", WITH_USERS, "sh"].map(Into::into).into();
    words.extend([room.into(), first.to_string().into(), USERS.to_string().into()]);
    words
}

/// Places that `buildah` wants to be there, none of them the host's.
pub(super) fn places(room: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut bind = |how: &str, name: &str, place: &str| {
        words.extend([how.into(), room.join(name).into(), place.into()]);
    };
    bind("--bind", "image", IMAGES);
    bind("--bind", "tmp", "/var/tmp");
    bind("--ro-bind", "etc/containers", "/etc/containers");
    words.extend(["--dir", "/sys"].map(Into::into));
    for place in ["/run", "/var/cache", "/var/lib"] {
        // Nobody counts the memory that lies in files there.
        words.extend(["--size", "16777216", "--tmpfs", place].map(Into::into));
    }
    words
}

/// Whose images are taken, and where a name without a registry is looked for. A registry on this machine speaks HTTP, as it does
/// for images that are deployed as they are.
pub(super) fn settings() -> [(&'static str, String); 2] {
    let registries = "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n\n\
        [[registry]]\nprefix = \"localhost\"\nlocation = \"localhost\"\ninsecure = true\n";
    [
        ("containers/policy.json", "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n".to_owned()),
        ("containers/registries.conf", registries.to_owned()),
    ]
}

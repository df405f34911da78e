//! Compiles this crate again when a migration is added; the macro alone only sees the files it knew.

fn main() {
    println!("cargo:rerun-if-changed=.");
}

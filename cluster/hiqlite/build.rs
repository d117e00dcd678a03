//! Links the extension in: libwfext.a, which `cmake --build build --target wfext_static` makes. WFEXT_STATIC names its folder.
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=WFEXT_STATIC");
    let folder = std::env::var("WFEXT_STATIC").map(PathBuf::from).unwrap_or_else(|_| {
        PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../build")
    });
    let library = folder.join("libwfext.a");
    if !library.exists() {
        panic!("{} is not there: build the target wfext_static first, or name its folder in WFEXT_STATIC", library.display());
    }
    println!("cargo:rerun-if-changed={}", library.display());
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static:+whole-archive=wfext");
}

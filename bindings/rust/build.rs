//! Compiles the extension, one file of C++20. No C++ run-time library is linked: it needs none.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=engine");
    println!("cargo:rerun-if-env-changed=WFEXT_ENGINE");
    // Another folder with wfext.cpp and sqlite3.h: that of a repository without its crate.
    let engine = PathBuf::from(std::env::var_os("WFEXT_ENGINE").unwrap_or_else(|| "engine".into()));
    let source = engine.join("wfext.cpp");
    assert!(source.exists(), "{} is missing: `make crate` in the repository puts it there", source.display());

    let mut build = cc::Build::new();
    build
        .cpp(true)
        .cpp_link_stdlib(None)
        .file(&source)
        .include(&engine)
        .define("SQLITE_CORE", None)
        .warnings(false)
        .debug(false);
    if build.get_compiler().is_like_msvc() {
        build.std("c++20").opt_level(2).flag("/utf-8").flag("/Zc:__cplusplus").flag("/GR-").flag("/Zc:threadSafeInit-");
    } else {
        // Unoptimized code would want the C++ run-time library.
        build.std("c++20").opt_level_str("s").define("NDEBUG", None);
        for flag in ["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables", "-ffp-contract=off", "-fvisibility=hidden"] {
            build.flag(flag);
        }
    }
    build.compile("wfext");
}

//! Sets `mongodb_2` for those versions of mongodb, whose methods take their options.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-check-cfg=cfg(mongodb_2)");
    if std::fs::read_to_string("Cargo.toml")?.contains("\nmongodb = \"=2.") {
        println!("cargo:rustc-cfg=mongodb_2");
    }
    Ok(())
}

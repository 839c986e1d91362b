//! Sets `tiberius_0_12` for those versions, which know neither procedures nor transactions.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-check-cfg=cfg(tiberius_0_12)");
    if std::fs::read_to_string("Cargo.toml")?.contains("tiberius = { version = \"=0.12.") {
        println!("cargo:rustc-cfg=tiberius_0_12");
    }
    Ok(())
}

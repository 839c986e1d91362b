//! Sets `ureq_2` for those versions of ureq, which have another interface.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-check-cfg=cfg(ureq_2)");
    if std::fs::read_to_string("Cargo.toml")?.contains("\nureq = { version = \"=2.") {
        println!("cargo:rustc-cfg=ureq_2");
    }
    Ok(())
}

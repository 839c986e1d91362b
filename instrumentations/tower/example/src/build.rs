//! Sets `tower_0_4` for those versions of tower, in which the trait of a retry's policy is another one.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-check-cfg=cfg(tower_0_4)");
    if std::fs::read_to_string("Cargo.toml")?.contains("\ntower = { version = \"=0.4.") {
        println!("cargo:rustc-cfg=tower_0_4");
    }
    Ok(())
}

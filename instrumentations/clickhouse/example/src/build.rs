//! Sets `clickhouse_0_13` for 0.12 and 0.13, whose inserts need no schema.

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-check-cfg=cfg(clickhouse_0_13)");
    let manifest = std::fs::read_to_string("Cargo.toml")?;
    if ["12", "13"].iter().any(|minor| manifest.contains(&format!("clickhouse = {{ version = \"=0.{minor}."))) {
        println!("cargo:rustc-cfg=clickhouse_0_13");
    }
    Ok(())
}

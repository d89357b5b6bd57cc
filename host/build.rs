//! Reads the versions of the inference engines from `Cargo.lock` and passes them to the compiler, so that a bundle's
//! manifest names the versions it was built with. Passes on where the weights of the trunk are, too: `COUNTERFOIL_TRUNK`
//! names another file than the one in the repository, to measure what other weights are worth.

use std::{env, fs};

fn main() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    println!("cargo::rerun-if-changed={lock}");
    let text = fs::read_to_string(lock).unwrap_or_else(|error| panic!("{lock} cannot be read: {error}"));
    for (package, variable) in [("candle-core", "CANDLE_VERSION"), ("tract-onnx", "TRACT_VERSION")] {
        let entry = text.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"\n")));
        let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
        let version = version.unwrap_or_else(|| panic!("{lock} names no version of {package}"));
        println!("cargo::rustc-env={variable}={version}");
    }

    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/trunk/drawn.safetensors");
    let trunk = env::var("COUNTERFOIL_TRUNK").unwrap_or_else(|_| ours.to_owned());
    println!("cargo::rerun-if-env-changed=COUNTERFOIL_TRUNK");
    println!("cargo::rustc-env=TRUNK={trunk}");
}

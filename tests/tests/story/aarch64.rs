//! The box's program for a 64-bit Raspberry Pi, under emulation: its verdicts are those of this machine.

use counterfoil_tests::{Stage, edge, edge_on_aarch64};

#[test]
fn the_raspberry_pi_gives_the_same_verdicts() {
    let stage = Stage::get();
    // Emulation is slow. The genuine notes and two families are enough to show a difference.
    let [real, rescan, halftone] = ["real", "fake/rescan", "fake/coarse-halftone"]
        .map(|folder| stage.path("test").join(folder).display().to_string());
    for bundle in ["gan", "statistics"] {
        let bundle = stage.path(bundle).display().to_string();
        let arguments = ["detect", "--bundle", &bundle, &real, &rescan, &halftone, "--json"];
        let Some(emulated) = edge_on_aarch64(arguments) else { return };
        let (here, there) = (edge(arguments).lines(), emulated.lines());
        assert_eq!(here.len(), there.len());
        assert!(!here.is_empty());
        for (a, b) in here.iter().zip(&there) {
            assert_eq!((&a["path"], &a["verdict"]), (&b["path"], &b["verdict"]));
            let (x, y) = (a["score"].as_f64().unwrap(), b["score"].as_f64().unwrap());
            assert!((x - y).abs() <= 1e-3 * x.abs().max(1.0), "{}: {x} here, {y} there", a["path"]);
        }
    }
}

#[test]
fn the_raspberry_pi_passes_its_own_test() {
    let bundle = Stage::get().path("gan").display().to_string();
    if let Some(ran) = edge_on_aarch64(["selftest", "--bundle", &bundle]) {
        ran.ok();
    }
}

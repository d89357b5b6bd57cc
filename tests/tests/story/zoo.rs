//! Training and evaluation with a zoo: one fold is known in training, another is judged, and a resume requires the
//! same known fakes.

use std::fs;

use counterfoil_tests::{SMALL, counterfoil};

#[test]
fn a_detective_that_knows_one_fold_is_judged_on_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let [zoo, data, known, run, bundle, page] =
        ["zoo", "zoo/train", "zoo/fold-1", "run", "bundle", "page.html"].map(path);
    counterfoil(["dataset", "specimen", "--zoo", "--out", &zoo, "--real", "60", "--fakes", "2"]).ok();
    let train = ["train", "--data", &data, "--known-fakes", &known, "--out", &run, "--config", &path("train.toml")];
    // Every fourth step writes a checkpoint and probes the detective.
    fs::write(path("train.toml"), "checkpoint_every = 4").unwrap();
    counterfoil([&train, &SMALL[..], &["--steps", "8"]].concat()).ok();
    counterfoil(["export", &run, "--out", &bundle, "--alpha", "0.1"]).ok();

    let fold = ["--zoo", &zoo, "--fold", "2"];
    let judge = [&["eval", "--bundle", &bundle], &fold[..], &["--no-baselines", "--json"]].concat();
    let found = counterfoil(judge).ok().lines().remove(0);
    assert_eq!((found["genuine"].as_u64(), found["fake"].as_u64()), (Some(30), Some(2 * 4)));
    let kinship = found["kinship"].as_object().unwrap();
    assert_eq!(kinship.len(), 4, "{kinship:?}");
    for part in ["all", "kin", "alien"] {
        let families = kinship.values().filter(|kind| part == "all" || **kind == part).count();
        assert_eq!(found["zoo"][part]["families"].as_u64(), Some(families as u64), "{part}");
    }
    assert!(found["zoo"]["all"]["auroc_worst"].is_number(), "{found}");

    counterfoil([&["report", "--bundle", &bundle, "--run", &run, "--out", &page], &fold[..]].concat()).ok();
    let html = fs::read_to_string(&page).unwrap();
    for said in ["a family counting as one", "the last 2 probes, since step 4", "where the detective looks"] {
        assert!(html.contains(said), "{said}");
    }

    // The folder of known fakes is missing; then it holds other pictures.
    let resume = || counterfoil(["train", "--out", &run, "--resume", "--steps", "9"]);
    fs::rename(&known, path("elsewhere")).unwrap();
    resume().code(2).says("fold-1");
    fs::rename(path("zoo/fold-2"), &known).unwrap();
    resume().code(2).says("--known-fakes").says("put them back");
    fs::rename(&known, path("zoo/fold-2")).unwrap();
    fs::rename(path("elsewhere"), &known).unwrap();
    resume().ok();
}

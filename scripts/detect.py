"""Shared by the detection benchmarks: material that is made once, cached trainings, figures over folds and seeds."""

import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

from bench import ROOT, built

SEEDS = (1, 2, 3)
FOLDS = (1, 2, 3)
MEASURES = ("auroc_mean", "auroc_worst", "tpr_at_fpr01_mean")


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def arguments(parser, minutes):
    """Adds the flags of a benchmark that trains: length and number of parallel trainings, and the cache folder."""
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--jobs", type=int, default=1, help="so many trainings at once, each with its share of the cores; with --steps")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target/bench-detect")


class Bench:
    def __init__(self, options):
        self.work, self.jobs, self.steps = options.work, options.jobs, options.steps
        self.length = ("--steps", options.steps) if options.steps else ("--minutes", options.minutes)
        self.program = built("--package", "counterfoil-host", "--bin", "counterfoil")
        threads = str(max(1, len(os.sched_getaffinity(0)) // self.jobs))
        self.environment = os.environ | ({"RAYON_NUM_THREADS": threads} if self.jobs > 1 else {})

    def run(self, *command):
        command = [self.program, *map(str, command)]
        return subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, check=True, text=True).stdout

    def each(self, work, items):
        """Calls `work` for each item in parallel; returns the results in the order of the items."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(lambda item: work(*item), items))

    def material(self, case):
        """The folder with the folds of a case; it is made if it does not exist."""
        folder = self.work / case
        if not (folder / "zoo.toml").exists():
            say(f"making the forgers of case {case}")
            notes = ["specimen", "--zoo", "--real", 1000, "--fakes", 150]
            data = ["zoo", "--data", ROOT.parent / "shared/data/mnist"] if case == "a" else notes
            self.run("dataset", *data, "--out", folder)
        return folder

    def known(self, case, fold):
        """The folders of forger families that a detective may know if it is judged on this fold."""
        return [self.material(case) / f"fold-{other}" for other in FOLDS if other != fold]

    def train(self, case, fold, seed, name="", known=None, settings=""):
        """Trains a run, or returns the cached one. By default it knows all fakes that it may know for this fold."""
        length = "-".join(map(str, self.length)).strip("-")
        run = self.work / "runs" / f"{case}{name}-fold{fold}-seed{seed}-{length}"
        if not (run / "done").exists():
            say(f"training {run.name}")
            config = run.with_name(f"{run.name}.toml")
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(settings)
            flags = [flag for folder in (self.known(case, fold) if known is None else known) for flag in ("--known-fakes", folder)]
            data = self.material(case) / "train"
            resume = ["--resume"] if (run / "run.json").exists() else ["--data", data, *flags, "--seed", seed, "--config", config]
            self.run("train", "--out", run, *resume, *self.length)
            (run / "done").touch()
        return run

    def judge(self, case, fold, run, *flags, checkpoint="newest"):
        """Exports a run and evaluates it with `eval` on a fold; returns the result, which is cached."""
        bundle = self.work / "bundles" / f"{run.name}-{checkpoint}"
        judged = bundle.with_name("".join([bundle.name, *flags, ".json"]))
        if not judged.exists():
            if not bundle.exists():
                self.run("export", run, "--checkpoint", checkpoint, "--out", bundle)
            zoo = ["--zoo", self.material(case), "--fold", fold]
            text = self.run("eval", "--bundle", bundle, *zoo, "--json", *flags)
            judged.write_text(text)
        return json.loads(judged.read_text())


def pooled(folds):
    """Figures of one detector over the families of all folds: value, low, high; the interval is for other pictures."""
    families = [fold["families"] for fold in folds]
    found = {}
    for measure in MEASURES:
        if measure == "auroc_worst":
            worst = min(folds, key=lambda fold: fold[measure])
            found[measure] = [worst[measure], worst[f"{measure}_low"], worst[f"{measure}_high"]]
            continue
        share = [count / sum(families) for count in families]
        value = sum(part * fold[measure] for part, fold in zip(share, folds))
        # Each fold is judged on different forgeries, so the errors of the folds are treated as independent.
        half = math.hypot(*(part * (fold[f"{measure}_high"] - fold[f"{measure}_low"]) / 2 for part, fold in zip(share, folds)))
        found[measure] = [value, max(0.0, value - half), min(1.0, value + half)]
    return found


def over_seeds(figures):
    """The mean over seeds, the mean of the intervals, and the difference between the highest and the lowest seed."""
    return {
        measure: {
            "value": statistics.mean(figure[measure][0] for figure in figures),
            "low": statistics.mean(figure[measure][1] for figure in figures),
            "high": statistics.mean(figure[measure][2] for figure in figures),
            "spread": max(figure[measure][0] for figure in figures) - min(figure[measure][0] for figure in figures),
        }
        for measure in MEASURES
    }

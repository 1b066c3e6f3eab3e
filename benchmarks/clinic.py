"""What `diagnose` says of programs whose fault is known, and how long it takes.

`python run.py bench clinic` takes the programs of tests/labelled.py; `--programs DIR` those of a folder instead, in one of two
forms: a `programs.py` with `program(case, "faulty" or "fixed", seed)` -> model, x, y, epochs, batch_size and a `cases.json` that
describes them; or a file for each program with `case(seed)` and `fixed(seed)` -> a dict of what `diagnose` takes, `CAUSE` and
perhaps `CAUSES` (other right answers), both empty if it is healthy. `--results DIR` keeps what has been measured, one file for
each program, and what is there is not measured again; `--workers N` (2), `--seeds N` (3) fresh seeds for each fix, 0 for none.
Names of programs: only these.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
HEALTHY_SKILL = 0.9  # of a program from elsewhere, for it to count as healthy
FRESH = 100  # the first seed on which a remedy is tried
A_WORKER = 25  # programs, then a new one takes its place: TensorFlow forgets little


@dataclass(frozen=True)
class Subject:
    """One program to be diagnosed.

    name: unique. kind: "own", or of the folder's program "faulty" or "fixed". causes: each is a right answer; none if it is
    healthy.
    """

    name: str
    kind: str
    causes: tuple[str, ...]


# --- where programs come from -----------------------------------------------------------------------------


@lru_cache
def labelled():
    """The module with the project's own programs."""
    sys.path.insert(0, str(ROOT / "tests"))
    import labelled

    return labelled


@lru_cache
def module_at(file):
    """A module from its file."""
    described = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@lru_cache
def described_cases(path):
    """The descriptions of a folder's programs, by name."""
    return {case["id"]: case for case in json.loads((Path(path) / "cases.json").read_text())["cases"]}


def own_subjects():
    """The project's own programs."""
    return [Subject(case.name, "own", case.causes) for case in labelled().CASES]


def file_subjects(path):
    """The programs of a folder with a file for each: the broken one and the repaired one."""
    for file in sorted(Path(path).glob("*.py")):
        module = module_at(file)
        causes = (module.CAUSE, *getattr(module, "CAUSES", ()))
        yield Subject(file.stem, "faulty", tuple(dict.fromkeys(cause.replace(" ", "_") for cause in causes if cause)))
        yield Subject(f"{file.stem}.fixed", "fixed", ())


def folder_subjects(path):
    """The programs of a folder: the faulty ones that fail here, too, and the repaired and sound ones that do learn."""
    if not (Path(path) / "cases.json").exists():
        return list(file_subjects(path))
    subjects = []
    for case in described_cases(path).values():
        skills = {
            which: statistics.median(-1.0 if run.get("train_skill") is None else run["train_skill"] for run in runs)
            for which, runs in (case.get("results") or {}).items()
            if runs
        }
        fixed = skills.get("fixed", 0.0)
        if case["kind"] == "faulty" and case["reproduces_on_keras3"] == "yes":
            subjects.append(Subject(case["id"], "faulty", tuple(case["faults"])))
            if fixed >= HEALTHY_SKILL:
                subjects.append(Subject(f"{case['id']}.fixed", "fixed", ()))
        elif case["kind"] == "control" and max(skills.values(), default=0.0) >= HEALTHY_SKILL:
            subjects.append(Subject(case["id"], "faulty", ()))
    return subjects


def program(subject, path, seed):
    """(model, keyword arguments of `diagnose`) of a subject."""
    if subject.kind == "own":
        made = next(case for case in labelled().CASES if case.name == subject.name).make(seed)._asdict()
        return made.pop("model"), made
    name = subject.name.removesuffix(".fixed")
    if not (Path(path) / "cases.json").exists():
        module = module_at(Path(path) / f"{name}.py")
        made = module.case(seed) if subject.kind == "faulty" else module.fixed(seed)
        return made.pop("model"), made
    made = module_at(Path(path) / "programs.py").program(described_cases(path)[name], subject.kind, seed)
    return made[0], dict(zip(("x", "y", "epochs", "batch_size"), made[1:], strict=True))


# --- one program, in a worker -----------------------------------------------------------------------------


def one_thread():
    """Let each worker use one processor only."""
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def examine(subject, path, seeds):
    """What `diagnose` says of a subject, how long it took, and what its first remedy does, as a dict for JSON."""
    from helpers import diagnose

    model, given = program(subject, path, 0)
    began = time.perf_counter()
    try:
        found = diagnose(model, **given)
    except Exception as error:  # counted as a wrong answer, and shown
        return {"seconds": time.perf_counter() - began, "error": f"{type(error).__name__}: {error}", "found": []}
    seconds = time.perf_counter() - began
    result = {
        "seconds": seconds,
        "healthy": bool(found.healthy),
        "found": list(found.causes),
        "text": [f"{finding.cause}: {finding.evidence} {finding.fix}" for finding in found.findings],
        "verified": [bool(finding.verified) for finding in found.findings],
    }
    if subject.causes and seeds:
        result["before"], result["goal"] = found.skill, found.attainable_skill
        variant = found.findings[0].fixed if found.findings else None
        result["after"] = None if variant is None else fresh_skill(variant, seeds)
        if subject.kind == "own":
            variant = random_search(model, given, min(seconds, 30.0))
            result["random"] = None if variant is None else fresh_skill(variant, seeds)
    return result


def fresh_skill(variant, seeds):
    """The median skill of a fixed program, trained from seeds that the search has not seen."""
    from why_wont_it_learn.diagnosis.trial_runner import TrialRunner

    runner = TrialRunner(variant.data.given, time.perf_counter() + 120)
    runner.seeds = range(FRESH, FRESH + seeds)
    return score(runner.run(variant))


def score(outcome):
    """The median skill of an outcome: on points that it has not seen, if there are any."""
    return float(np.median(np.where(np.isnan(outcome.held[-1]), outcome.train[-1], outcome.held[-1])))


def random_search(model, given, seconds):
    """The best of fixes drawn at random, one or two of them together, for the same time: a `Variant`, or None."""
    from why_wont_it_learn.diagnosis.data import data_of
    from why_wont_it_learn.diagnosis.fixes import Variant, filled, fixed_output_and_loss, fixes_for
    from why_wont_it_learn.diagnosis.trial_runner import TrialRunner
    from why_wont_it_learn.program import program_of

    data = data_of(model, given["x"], given["y"], given["validation_data"])
    rng = np.random.default_rng(data.given)
    runner = TrialRunner(data.given, time.perf_counter() + seconds)
    start = Variant(program_of(model, given["epochs"], given["batch_size"]), data)
    outcome = runner.run(start, 0.6 * seconds)
    choices = [fix.apply for fix in fixes_for(start, outcome)]
    choices += [lambda p: fixed_output_and_loss(p)[1], lambda p: p.having(data=filled(p.data))]
    best, best_score = None, score(outcome)
    while runner.left > 0:
        tried = start
        for number in rng.permutation(len(choices))[: rng.integers(1, 3)]:
            tried = choices[number](tried)
        reached = score(runner.run(tried, 0.15 * seconds))
        if reached > best_score:
            best, best_score = tried, reached
    return best


# --- all of them ------------------------------------------------------------------------------------------


def measure(subjects, path, results, workers, seeds):
    """Examine those whose result is not there yet; {name: result} of all."""
    results.mkdir(parents=True, exist_ok=True)
    files = {subject: results / f"{subject.name}.json" for subject in subjects}
    missing = [subject for subject, file in files.items() if not file.exists()]
    # A forked TensorFlow may hang, and one that has done much is large: new processes, again and again.
    settings = {"mp_context": get_context("spawn"), "initializer": one_thread}
    for start in range(0, len(missing), workers * A_WORKER):
        with ProcessPoolExecutor(workers, **settings) as pool:
            part = missing[start : start + workers * A_WORKER]
            running = {pool.submit(examine, subject, path, seeds): subject for subject in part}
            for number, job in enumerate(as_completed(running), start + 1):
                subject, result = running[job], job.result()
                files[subject].write_text(json.dumps(result))
                said = ", ".join(result["found"]) or result.get("error", "healthy")
                print(
                    f"{number} of {len(missing)}: {subject.name} ({' or '.join(subject.causes) or 'healthy'}): {said}, "
                    f"{result['seconds']:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    return {subject.name: json.loads(file.read_text()) for subject, file in files.items()}


def recovered(result, which):
    """Whether a remedy ("after", or that of the "random" search) closed half of what was missing; None if not measured."""
    if which not in result:
        return None
    before = max(0.0, result["before"])
    return result[which] is not None and result[which] - before >= max(0.1, (result["goal"] - before) / 2)


def report(subjects, results):
    """Print the tables."""
    broken = [subject for subject in subjects if subject.causes]
    sound = [subject for subject in subjects if not subject.causes]
    found = {subject: results[subject.name]["found"] for subject in subjects}
    rows = [
        ("a true cause stands first", [bool(set(found[s][:1]) & set(s.causes)) for s in broken]),
        ("… among the first two", [bool(set(found[s][:2]) & set(s.causes)) for s in broken]),
        ("broken, but called healthy", [bool(results[s.name].get("healthy")) for s in broken]),
        ("false alarms among the sound", [bool(found[s]) for s in sound]),
        ("refused, or an error", ["error" in results[s.name] for s in subjects]),
        (
            "the first fix was verified",
            [results[s.name]["verified"][0] for s in broken if results[s.name].get("verified")],
        ),
        (
            "the first fix recovers, fresh seeds",
            [r for s in broken if (r := recovered(results[s.name], "after")) is not None],
        ),
        (
            "random search over the same fixes in the same time recovers",
            [r for s in broken if (r := recovered(results[s.name], "random")) is not None],
        ),
    ]
    print("| of the programs | fraction | |\n|---|---|---|")
    for words, hits in rows:
        fraction = f"{np.mean(hits):.0%}" if hits else "–"
        print(f"| {words} | {fraction} | {sum(hits)} of {len(hits)} |")
    seconds = [result["seconds"] for result in results.values()]
    print(f"\nA diagnosis takes {statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s at most.\n")
    print("| true cause | programs | first | first two | said instead |\n|---|---|---|---|---|")
    for cause in sorted({subject.causes[0] for subject in broken}):
        some = [subject for subject in broken if subject.causes[0] == cause]
        hits = [sum(bool(set(found[s][:n]) & set(s.causes)) for s in some) for n in (1, 2)]
        instead = Counter((found[s] or ["healthy"])[0] for s in some if not set(found[s][:1]) & set(s.causes))
        said = ", ".join(f"{other} {count}" for other, count in instead.most_common())
        print(f"| {cause} | {len(some)} | {hits[0]} | {hits[1]} | {said} |")
    alarms = [f"{s.name} ({', '.join(found[s])})" for s in sound if found[s]]
    if alarms:
        print(f"\nFalse alarms: {'; '.join(alarms)}.")


def main(arguments=()):
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python run.py bench clinic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    subjects = folder_subjects(options.programs) if options.programs else own_subjects()
    if not subjects:
        sys.exit(
            f"--programs={options.programs}: there is no program. Give a folder as `python run.py bench clinic --help` says."
        )
    unknown = set(options.names) - {subject.name for subject in subjects}
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: not among the programs.")
    subjects = [subject for subject in subjects if not options.names or subject.name in options.names]
    results = options.results or Path(tempfile.mkdtemp(prefix="clinic-"))
    print(f"Results: {results}", file=sys.stderr)
    report(subjects, measure(subjects, options.programs, results, options.workers, options.seeds))

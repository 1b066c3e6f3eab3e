"""`python run.py site`: the lessons as pages that need no kernel, in site/.

What has been trained is kept in .grid, so that the next build trains only what has changed.
"""

import argparse
import filecmp
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from helpers.lab import lab as lab_module

from . import chunks, grid, labs, pack, pages

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
MOST_BYTES = 12_000_000
# Stands in a folder that this command has built and names its files, one a line: only those are ever replaced or deleted.
MANIFEST = ".why-wont-it-learn-site"
FILES = re.compile(r"\.nojekyll|[\w-]+\.(html|js|css)|data/[\w-]+\.js|pictures/[\w-]+\.png")


def build(folder, cache, names, seeds=grid.GRID_SEEDS, few=None, processes=None, say=print):
    """Build the pages of some lessons into `folder`, in place of those that are there."""
    began = time.monotonic()
    built_before(folder)
    stills = {name: labs.main_lab(name, few) for name in names}
    kept = train(stills, cache, seeds, processes or os.cpu_count() or 1, say)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        (made / "data").mkdir()
        write(made, stills, kept, seeds)
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise ValueError(
                f"The pages take {size / 1e6:.1f} MB, and {MOST_BYTES / 1e6:.0f} are allowed: take fewer slider values."
            )
        put(made, folder)
    say(
        f"{folder}: {len(names)} lessons, {size / 1e6:.1f} MB, {time.monotonic() - began:.0f} s. Open {folder / 'index.html'}"
    )


def built_before(folder):
    """The files of the site that this command has built into a folder, as a set of relative paths.

    Raises ValueError for a folder that holds anything and has no manifest.
    """
    manifest = folder / MANIFEST
    if manifest.is_file():
        return {line for line in manifest.read_text("utf-8").splitlines() if FILES.fullmatch(line)}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{folder} was not built by this command, and what is in it could be lost. Name another folder. To add the pages "
            f"to what is there, such as a clone of a repository, create an empty file {MANIFEST} in it first."
        )
    return set()


def put(made, folder):
    """Copy a new site into `folder`, in place of the last one; whatever else is there stays."""
    before = built_before(folder)
    now = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    for path in sorted(now - before):
        if (folder / path).exists() and not filecmp.cmp(made / path, folder / path, shallow=False):
            raise ValueError(f"{folder / path} was not built by this command and would be lost. Move it away.")
    for part in ("data", "pictures"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    # Both, as long as an interruption could leave some of both.
    (folder / MANIFEST).write_text("\n".join(sorted(before | now)), "utf-8")
    for path in now:
        shutil.copyfile(made / path, folder / path)
    for path in before - now:
        (folder / path).unlink(missing_ok=True)
    (folder / MANIFEST).write_text("\n".join(sorted(now)), "utf-8")


def train(stills, cache, seeds, processes, say):
    """Train the grids of some labs, or read what is kept of them: lesson -> experiment -> what its page shows."""
    cache.mkdir(parents=True, exist_ok=True)
    engine = chunks.engine_digest()
    jobs = {}
    for name, still in stills.items():
        experiments = dict.fromkeys(map(still.experiment_at, still.settings()))
        jobs[name] = [(c, chunks.place(cache, c, engine)) for c in grid.chunks(grid.trainings(experiments, seeds))]
    everything = [job for of_lesson in jobs.values() for job in of_lesson]
    say(f"{sum(len(s.settings()) for s in stills.values()):,} settings × {seeds} seeds on {processes} processes.")
    chunks.train_missing(everything, processes, say)
    kept = {}
    for name, of_lesson in jobs.items():
        kept[name] = {}
        for chunk, path in of_lesson:
            columns = chunks.read_chunk(path)
            wanted = [e for training in chunk for e in training.wanted()]
            for number, e in enumerate(wanted):
                kept[name][e] = {column: values[number] for column, values in columns.items()}
    return kept


def write(folder, stills, kept, seeds):
    """Write all files of the site."""
    read = {name: pages.read(name) for name in stills}
    lessons = [lesson for _, lesson in read.values()]
    shared = {"lessons": lessons, "repository": pages.repository(), "seeds": seeds}
    (folder / "pictures").mkdir(exist_ok=True)
    for (name, (book, lesson)), before, after in zip(
        read.items(), [None, *lessons], [*lessons[1:], None], strict=False
    ):
        (folder / "data" / f"{name}.js").write_text(pack.script(stills[name], kept[name], seeds), "utf-8")
        html, pictures = pages.page(
            book,
            lesson,
            title=f"{lesson.title} – Why won't it learn?",
            description=lesson.summary,
            lab=stills[name],
            before=before,
            after=after,
            **shared,
        )
        (folder / lesson.page).write_text(html, "utf-8")
        for path, data in pictures.items():
            (folder / path).write_bytes(data)
    picture = Image.open(ROOT / "docs" / "lab.png")
    shutil.copyfile(ROOT / "docs" / "lab.png", folder / "pictures" / "lab.png")
    html = pages.index(
        title="Why won't it learn?",
        description="Why a small neural network does not learn: cause it, see it, measure it and fix it, with sliders.",
        settings=sum(len(still.settings()) for still in stills.values()),
        binder=pages.binder("notebooks/00_start_here.ipynb"),
        picture_size=picture.size,
        **shared,
    )
    (folder / "index.html").write_text(html, "utf-8")
    (folder / ".nojekyll").write_text("")  # GitHub Pages then serves the files as they are
    helpers = lab_module.HERE
    for name, parts in {
        "page.js": (helpers / "widget.js", HERE / "page.js"),
        "page.css": (helpers / "lab.css", HERE / "page.css"),
    }.items():
        (folder / name).write_text("".join(part.read_text("utf-8") for part in parts), "utf-8")


def main(arguments):
    """Read the command line and build."""
    parser = argparse.ArgumentParser(
        prog="python run.py site", description="Build the lessons as pages without a kernel."
    )
    parser.add_argument("lessons", nargs="*", help="only these, such as 00_start_here; all if none is named")
    parser.add_argument("--to", type=Path, default=ROOT / "site", help="the folder of the pages (site)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".grid", help="where the trained grid is kept")
    parser.add_argument("--seeds", type=int, default=grid.GRID_SEEDS, help=f"seeds of each setting ({grid.GRID_SEEDS})")
    parser.add_argument("--slider-values", type=int, help="train so many values of each slider at most")
    parser.add_argument("--processes", type=int, help="as many as there are cores, if it is left out")
    given = parser.parse_args(arguments)
    names = labs.names()
    for name in given.lessons:
        if name not in names:
            parser.error(f"{name!r} is not one of {', '.join(names)}.")
    for option in ("seeds", "slider_values", "processes"):
        value = getattr(given, option)
        if value is not None and not 1 <= value <= 100:
            parser.error(f"--{option.replace('_', '-')} {value} is not a number from 1 to 100.")

    def say(text):
        print(text, flush=True)

    build(given.to, given.cache, given.lessons or names, given.seeds, given.slider_values, given.processes, say)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Finished training is kept: start again to continue.")

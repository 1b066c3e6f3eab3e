"""The library in fresh environments with the oldest versions that it supports, the newest, and those of Colab.

`python run.py test --environments` makes them in the user's cache folder (1.5 GB each), installs the wheel, and asks `diagnose` for the
first cause of a few programs. All environments have to agree. In Colab's, two lessons run, too, with the project that they fetch.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from browser import ROOT

TENSORFLOW = "tensorflow-cpu" if sys.platform in ("linux", "win32") else "tensorflow"
# {name: (Python, packages)}
ENVIRONMENTS = {
    "oldest": ("3.10", [f"{TENSORFLOW}==2.16.2", "keras==3.3.3", "numpy==1.26.4"]),
    "Colab": (
        "3.12",
        [
            f"{TENSORFLOW}==2.20.0", "keras==3.13.2", "numpy==2.1.3", "ipywidgets==7.7.1", "ipykernel==6.17.1", "notebook==6.5.7",
            "ipython==7.34.0", "matplotlib", "pandas", "pip",
        ],
    ),
    "newest": ("3.13", [TENSORFLOW, "keras"]),
}  # fmt: skip
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
LESSONS = ("00_start_here", "02_activations")


def python_of(folder):
    """The Python of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def build(folder):
    """The wheel, built into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make(folder, version, packages, wheel):
    """Make an environment with some packages, if it is not there, and install the wheel again."""
    uv = shutil.which("uv")
    if not uv:
        raise SystemExit("The environments are made by uv, which is not on PATH. Install it: pip install uv")
    done = folder / "packages.json"
    wanted = json.dumps([version, packages])
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "-q", "--python", version, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python_of(folder)), *packages], check=True)
        done.write_text(wanted)
    install = [
        "install",
        "-q",
        "--python",
        str(python_of(folder)),
        "--reinstall-package",
        "why-wont-it-learn",
        str(wheel),
    ]
    subprocess.run([uv, "pip", *install], check=True)


def answer(python, program, *arguments, **variables):
    """What a program of tests/ prints at its end as JSON, run there with some environment variables."""
    with tempfile.TemporaryDirectory() as elsewhere:  # not where the sources of the library could be imported
        copy = shutil.copy(ROOT / "tests" / program, elsewhere)
        there = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "", **variables}
        command = [str(python), str(copy), *map(str, arguments)]
        done = subprocess.run(command, cwd=elsewhere, env=there, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return json.loads(done.stdout.splitlines()[-1])


def colab_faults(python):
    """{lesson: what goes wrong in it} where `google.colab` can be imported and the project has to be fetched: the last commit of this clone."""
    with tempfile.TemporaryDirectory() as colab:
        (Path(colab) / "google/colab").mkdir(parents=True)
        (Path(colab) / "google/colab/__init__.py").touch()
        variables = {
            "PYTHONPATH": colab,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": REPOSITORY,
        }
        books = [ROOT / f"notebooks/{name}.ipynb" for name in LESSONS]
        return answer(python, "colab_lessons.py", *books, **variables)


def main(names):
    """Make the environments, all or the named, print what `diagnose` says there, and return the exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "why-wont-it-learn/environments"
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))} is not one of {', '.join(ENVIRONMENTS)}.")
    found, faults = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        for name in names or ENVIRONMENTS:
            version, packages = ENVIRONMENTS[name]
            make(cache / name, version, packages, wheel)
            said = answer(python_of(cache / name), "first_causes.py")
            print(name, *said["versions"], sep=", ", flush=True)
            for program, (first, expected) in said["causes"].items():
                print(f"  {program}: {first}" + ("" if first == expected else f", expected {expected}"), flush=True)
            found[name] = said["causes"]
            if name == "Colab":
                faults = colab_faults(python_of(cache / name))
                for lesson, wrong in faults.items():
                    print(f"  {lesson}: {'; '.join(wrong) or 'runs'}", flush=True)
    agree = all(first == expected for causes in found.values() for first, expected in causes.values())
    print("All agree." if agree else "They do not agree.")
    return 0 if agree and not any(faults.values()) else 1

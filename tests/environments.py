"""The library in fresh environments with the oldest versions that it supports, the newest, and those of Colab.

`python run.py test --environments` makes them in the user's cache folder (1.5 GB each), installs the wheel, and asks `diagnose` for the
first cause of a few programs. All environments have to agree.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
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
            "matplotlib", "pandas", "anywidget",
        ],
    ),
    "newest": ("3.13", [TENSORFLOW, "keras"]),
}  # fmt: skip


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
    """Make an environment with some packages, if it is not there, and install the wheel anew."""
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


def first_causes(python):
    """{program: first cause} as `diagnose` says there, and the versions."""
    with tempfile.TemporaryDirectory() as elsewhere:  # not where the sources of the library could be imported
        program = Path(shutil.copy(ROOT / "tests/first_causes.py", elsewhere))
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        variables.pop("PYTHONPATH", None)
        done = subprocess.run(
            [str(python), str(program)],
            cwd=elsewhere,
            env=variables,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def main(names):
    """Make the environments, all or the named, print what `diagnose` says there, and return the exit code."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "why-wont-it-learn/environments"
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))} is not one of {', '.join(ENVIRONMENTS)}.")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        for name in names or ENVIRONMENTS:
            version, packages = ENVIRONMENTS[name]
            make(cache / name, version, packages, wheel)
            answer = first_causes(python_of(cache / name))
            print(name, *answer["versions"], sep=", ", flush=True)
            for program, (first, expected) in answer["causes"].items():
                print(f"  {program}: {first}" + ("" if first == expected else f", expected {expected}"), flush=True)
            found[name] = answer["causes"]
    agree = all(first == expected for causes in found.values() for first, expected in causes.values())
    print("All agree." if agree else "They do not agree.")
    return 0 if agree else 1

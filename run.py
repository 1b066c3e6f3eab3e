"""Make this project's Python environment, then start what is asked for. Standard library only.

Nothing newer than Python 3.7 is used, so that an unfit Python reads this file and says what it needs.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = sys.platform == "win32"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
# {lock: its digest} for what is installed; {} while an installation is under way.
STAMP = VENV / "installed.json"
LAB_SETTINGS = ROOT / "jupyterlab_overrides.json"
# Read when TensorFlow and NumPy are imported: no start-up lines in notebooks, and no BLAS threads, which wait for each
# other a hundred times as long as one of them works on small matrices.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "OPENBLAS_NUM_THREADS": "1"}
# What is installed from each lock: GB to download and on disk, and the locks it satisfies.
LOCKS = {
    "requirements.txt": (0.5, 2.3, ["requirements.txt"]),
    "requirements-hub.txt": (0.6, 2.6, ["requirements.txt", "requirements-hub.txt"]),
    "requirements-test.txt": (0.7, 2.8, ["requirements.txt", "requirements-hub.txt", "requirements-test.txt"]),
}
PAGE = [f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
# What each command does, the lock it needs and what it starts; further arguments are handed on.
PROGRAMS = {
    "lab": ("open JupyterLab; takes --port, --no-browser", "requirements.txt", ["-m", "jupyterlab", *PAGE]),
    "hub": ("start a JupyterHub for a class in one room; takes --help", "requirements-hub.txt", ["classroom/hub.py"]),
    "dashboards": ("serve each lab as a page; takes --port, --places", "requirements.txt", ["-m", "dashboards"]),
    "site": ("build site/, pages that need no kernel, all or the named", "requirements.txt", ["-m", "website.build"]),
    "bake": ("trace the labs' networks in advance, all or the named", "requirements.txt", ["-m", "website.bake"]),
    "test": ("run ruff and the tests; takes --all, --processors", "requirements-test.txt", ["tests/suite.py"]),
    "notebooks": ("build notebooks/ from lessons/, all or the named", "requirements-test.txt", ["lessons/build.py"]),
    "bench": ("run the benchmarks", "requirements-test.txt", ["benchmarks/bench.py"]),
}

# What TensorFlow is built for, and what this Python is.
VERSIONS = ("3.11", "3.12", "3.13")
BUILDS = ("linux x86_64 glibc", "linux aarch64 glibc", "darwin arm64", "win32 amd64")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
KIND = f"{64 if sys.maxsize > 2**32 else 32}-bit {sys.implementation.name}"
KIND += " without GIL" * bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
# On Windows for ARM, platform.machine() names the processor also where Python is built for x86-64.
MACHINE = sysconfig.get_platform().split("-")[-1] if WINDOWS else platform.machine()
BUILD = " ".join(filter(None, (sys.platform, MACHINE, platform.libc_ver()[0])))

# What an installer prints, and what it means. The first match is shown.
FAILURES = {
    r"No space left on device|os error 28\b|Disk quota exceeded|not enough space on the disk": "The disk is full. The "
    "environment needs {disk} GB, its downloads {download} GB in the cache and the temporary folder: make room and start again.",
    "DO NOT MATCH THE HASHES|Hash mismatch": "A downloaded package is not the one that this project was tested with: "
    "its hash differs from the one in {lock}. Empty the cache (pip cache purge, or uv cache clean) and start again.",
    r"No module named '?(ensurepip|venv)\b": "This Python cannot make environments. On Debian and Ubuntu: sudo apt "
    "install python{python}-venv. Or install uv. Then start again.",
    "Connection|ProxyError|Max retries|IncompleteRead|timed out|error sending request|Failed to fetch": "The package "
    "index cannot be reached. Check the network (behind a proxy, set HTTPS_PROXY) and start again; finished downloads are kept.",
}


def objection(version=VERSION, kind=KIND, build=BUILD):
    """Return why TensorFlow does not exist for such a Python, or None if it does."""
    if kind == "64-bit cpython" and version in VERSIONS and build in BUILDS:
        return None
    return (
        f"TensorFlow is not built for Python {version}, {kind}, on {build}. It needs 64-bit cpython {', '.join(VERSIONS)} on "
        "Linux with glibc (x86_64, aarch64), Windows (x86-64) or a Mac with an Apple chip. Install Python 3.13 from "
        "python.org, start run.py with one of these that you have, or take Binder (the link is in README.md)."
    )


def environment(lock):
    """Return the Python of an environment in which what `lock` names is installed."""
    if objection():
        sys.exit(objection())
    stamp = read_stamp()
    remake = stamp == {} or not has_this_python()
    if remake or (stamp or {}).get(lock) != digest(lock):
        install(lock, remake)
    settings = VENV / "share/jupyter/lab/settings/overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(LAB_SETTINGS), str(settings))
    return str(PYTHON)


def install(lock, remake):
    """Install exactly what `lock` pins, with uv if it is there, else with pip."""
    download, disk, covered = LOCKS[lock]
    size = f"up to {download} GB to download, {disk} GB on disk, one to five minutes"
    print(f"Installing TensorFlow, JupyterLab and what they need into {VENV.name}: {size}.", flush=True)
    if remake:
        # An environment's own Python cannot replace itself, so take the one that it came from.
        base = getattr(sys, "_base_executable", None) or sys.executable
        quietly([base, "-m", "venv", "--clear", "--without-pip", VENV], lock)
    # Written first and completed last: an interrupted installation is found and made again.
    STAMP.write_text("{}\n")
    pins = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", ROOT / lock]
    # The project itself, from where it is; what builds it is pinned, too.
    project = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
    uv = shutil.which("uv")
    if uv:
        # Without compiled bytecode the first import of TensorFlow takes 12 s; pip compiles anyway.
        quietly([uv, "pip", "install", "--python", PYTHON, "--compile-bytecode", *pins], lock)
        quietly([uv, "pip", "install", "--python", PYTHON, *project], lock)
    else:
        if subprocess.call([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL):
            quietly([PYTHON, "-m", "ensurepip"], lock)
        pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        quietly([*pip, "--progress-bar", "off", *pins], lock)
        quietly([*pip, *project], lock)
    STAMP.write_text(json.dumps({name: digest(name) for name in covered}) + "\n")


def quietly(command, lock):
    """Run an installer and show what it prints; if it fails, say why."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = [str(part) for part in command]
    lines = []
    with subprocess.Popen(command, cwd=str(ROOT), encoding="utf-8", errors="replace", **pipes) as installer:
        try:
            for line in installer.stdout:
                lines.append(line.rstrip())
                print(lines[-1], flush=True)
        except BaseException:
            installer.terminate()
            raise
    if installer.returncode:
        sys.exit(explain("\n".join(lines), installer.returncode, lock))


def explain(output, code, lock):
    """Return a sentence about an installer's failure, followed by the end of what it printed."""
    unknown = f"The installation failed (exit code {code}); its last lines say more."
    meaning = next((text for pattern, text in FAILURES.items() if re.search(pattern, output)), unknown)
    sentence = meaning.format(lock=lock, download=LOCKS[lock][0], disk=LOCKS[lock][1], python=VERSION)
    return "\n".join([sentence, *("  | " + line[:200] for line in output.splitlines()[-8:])])


def digest(lock):
    """Return the hash of a lock together with the Python version that it is installed for."""
    return hashlib.sha256((ROOT / lock).read_bytes() + VERSION.encode()).hexdigest()


def read_stamp():
    """Return the stamp, {} if an installation did not end, None if there never was one."""
    try:
        return json.loads(STAMP.read_text()) if STAMP.exists() else None
    except ValueError:
        return {}


def has_this_python():
    """Return whether the environment's Python runs and is of this version."""
    question = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return not subprocess.call([str(PYTHON), "-IS", "-c", question])
    except OSError:
        return False


def start(*command):
    """Become that program in the environment, so that signals, keys and the exit code are its own."""
    variables = dict(os.environ, **QUIET, VIRTUAL_ENV=str(VENV))
    for name, first in (("PATH", PYTHON.parent), ("PYTHONPATH", ROOT)):
        variables[name] = os.pathsep.join(filter(None, [str(first), variables.get(name)]))
    if os.name == "posix":
        sys.stdout.flush()
        os.chdir(str(ROOT))
        os.execve(command[0], command, variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The program receives it, too, and answers.
    return subprocess.call(command, cwd=str(ROOT), env=variables)


def lock(arguments):
    """pin the packages in pyproject.toml again; --upgrade takes the newest (needs uv)"""
    if not shutil.which("uv"):
        sys.exit("The locks are compiled by uv, which is not on PATH. Install it: pip install uv")
    uv = "uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet"
    groups = ("notebooks", "hub -c requirements.txt", "test -c requirements-hub.txt")
    each = ([*uv.split(), "--group", *group.split(), "-o", output, *arguments] for group, output in zip(groups, LOCKS))
    return int(any(subprocess.call(command, cwd=str(ROOT)) for command in each))


def main(arguments):
    """Do what the command line asks for and return the exit code."""
    commands = {**{name: row[0] for name, row in PROGRAMS.items()}, lock.__name__: lock.__doc__}
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        usage = ["python run.py COMMAND [arguments of what it starts]\n"]
        print("\n".join(usage + [f"  {name:11} {words}" for name, words in commands.items()]))
        return 0
    # Ended from outside, an installation takes its installer with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if name not in commands:
            sys.exit(f"'{name}' is not one of {', '.join(commands)}.")
        if name == "hub" and WINDOWS:
            sys.exit("JupyterHub does not run on Windows. Start it on Linux or macOS, or in the Linux of WSL.")
        if name == "lock":
            return lock(arguments[1:])
        _, needed, program = PROGRAMS[name]
        return start(environment(needed), *program, *arguments[1:])
    except OSError as error:
        sys.exit(explain(str(error), error.errno, "requirements.txt"))
    except KeyboardInterrupt:
        print("\nStopped. Start again whenever you like.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

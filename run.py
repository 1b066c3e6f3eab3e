"""Make this project's Python environment, then start what is asked for.

Standard library only. Nothing newer than Python 3.7 is used to write it, so that an unfit Python
reads this file and says what it needs, instead of showing a syntax error.
"""

import difflib
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
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
# {lock: its digest} for what is installed; {} while an installation is under way.
STAMP = VENV / "installed.json"
LAB_SETTINGS = ROOT / "jupyterlab_overrides.json"
START = "notebooks/00_start_here.ipynb"

# What is installed from each lock: GB to download and on disk, and the locks it satisfies.
LOCKS = {
    "requirements.txt": (0.5, 2.3, ["requirements.txt"]),
    "requirements-hub.txt": (0.6, 2.6, ["requirements.txt", "requirements-hub.txt"]),
    "requirements-test.txt": (0.7, 2.8, ["requirements.txt", "requirements-hub.txt", "requirements-test.txt"]),
}

# How all tests are run: group by group (tests/conftest.py) in as many processes as there are cores, each of which takes up to 2 GB.
PARALLEL = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadgroup", "--no-loadscope-reorder"]

# What TensorFlow is built for.
VERSIONS = ("3.11", "3.12", "3.13")
BUILDS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "amd64"))

# What this Python is.
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
KIND = f"{64 if sys.maxsize > 2**32 else 32}-bit {sys.implementation.name}"
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    KIND += " without GIL"
# On Windows for ARM, platform.machine() names the processor also where Python is built for x86-64.
WINDOWS = sys.platform == "win32"
MACHINE = sysconfig.get_platform().split("-")[-1] if WINDOWS else platform.machine()
LIBC = platform.libc_ver()[0]

# What an installer printed, and what it means. The first that fits is told, so causes stand before
# their consequences: without a network pip also says that there is "no matching distribution".
FAILURES = (
    (
        r"No space left on device|os error 28\b|Disk quota exceeded|not enough space on the disk",
        "The disk is full. The environment takes {disk} GB in {venv}, and its downloads {download} "
        "GB in the cache and the temporary folder: make room and start again.",
    ),
    (
        r"DO NOT MATCH THE HASHES|Hash mismatch",
        "A downloaded package is not the one that this project was tested with: its hash differs "
        "from the one in {lock}. A broken download is the usual cause: empty the cache "
        "(pip cache purge, or uv cache clean) and start again, best from another network.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|CA certificate bundle",
        "The package index shows a certificate that this machine does not trust, as behind many "
        "company proxies. Ask for the proxy's certificate file, set PIP_CERT and SSL_CERT_FILE to "
        "its path and start again.",
    ),
    (
        r"NewConnectionError|ProxyError|Max retries exceeded|Connection broken|IncompleteRead"
        r"|timed out|ConnectTimeout|Connection reset|error sending request|dns error"
        r"|Failed to fetch|HTTP error \d|[Nn]etwork (connectivity )?is disabled",
        "The package index cannot be reached. The first start downloads {download} GB: check the "
        "network (behind a proxy, set HTTPS_PROXY) and start again; what has come is kept.",
    ),
    (
        r"ensurepip is not available|No module named '?(ensurepip|venv)\b",
        "This Python cannot make environments, because its parts venv and ensurepip are missing. "
        "On Debian and Ubuntu: sudo apt install python{python}-venv. Or install uv, and start "
        "again.",
    ),
    (
        r"Permission denied|Read-only file system|Access is denied|WinError (5|32)\b",
        "A file in {venv} cannot be written. Close every JupyterLab that runs from there, make "
        "sure that the folder is yours, and start again.",
    ),
    (
        r"Long Path support",
        "Windows does not allow paths as long as the environment's. Move this folder nearer to "
        "the root of the drive (C:\\learn, say) and start again.",
    ),
    (
        r"No matching distribution|No solution found|no usable wheels|no wheels with a matching",
        "The package index offers no build of one package for this machine ({machine}, Python "
        "{python}). If it is a mirror, it may be incomplete; if the system is old, update it.",
    ),
)


class Stop(Exception):
    """What was found, what is needed and what to do: printed without a traceback."""


def objection(version=VERSION, kind=KIND, system=sys.platform, machine=MACHINE, libc=LIBC):
    """Say why TensorFlow does not exist for such a Python, or return None if it does."""
    if kind != "64-bit cpython":
        return f"This Python is {kind}; TensorFlow needs the usual 64-bit one from python.org."
    if version not in VERSIONS:
        other = fitting_python()
        how = f"start {other} run.py instead" if other else "install Python 3.13 from python.org"
        return f"This is Python {version}; TensorFlow needs {', '.join(VERSIONS)}: {how}."
    if (system, machine) == ("darwin", "x86_64"):
        return (
            "TensorFlow is no longer built for Macs with an Intel processor. Open the notebooks on "
            "Binder (the link is in README.md), or in a Linux container such as Docker's "
            "python:3.12. If this Mac has an Apple chip, install the arm64 Python from python.org."
        )
    if (system, machine) not in BUILDS or (system, libc == "glibc") == ("linux", False):
        return (
            f"TensorFlow is not built for this machine ({system} {machine} {libc}). It needs Linux "
            "with glibc (x86_64, aarch64), Windows (x86-64) or a Mac with an Apple chip; or open "
            "the notebooks on Binder (the link is in README.md)."
        )
    return None


def fitting_python():
    """Return the command of a Python on this machine that TensorFlow is built for, or None."""
    for version in reversed(VERSIONS):
        for command in ([f"python{version}"], ["py", f"-{version}"]):
            # A command of that name may only say that the version is not installed, so try it.
            trial = [*command, "-c", ""]
            if shutil.which(command[0]) and not subprocess.call(trial, stderr=subprocess.DEVNULL):
                return " ".join(command)
    return None


def environment(lock):
    """Return the Python of an environment in which what `lock` names is installed."""
    reason = objection()
    if reason:
        raise Stop(reason)
    stamp = read_stamp()
    remake = stamp == {} or version_in_environment() != VERSION
    if remake or (stamp or {}).get(lock) != digest(lock):
        install(lock, remake)
    settings = VENV / "share/jupyter/lab/settings/overrides.json"
    if not settings.exists() or settings.read_bytes() != LAB_SETTINGS.read_bytes():
        settings.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(LAB_SETTINGS), str(settings))
    return str(PYTHON)


def install(lock, remake):
    """Install exactly what `lock` pins, with uv if it is there, else with pip."""
    download, disk, covered = LOCKS[lock]
    print(
        f"Installing TensorFlow, JupyterLab and what they need into {VENV.name}: up to {download} "
        f"GB to download, {disk} GB on disk, one to five minutes.",
        flush=True,
    )
    if remake:
        # An environment's own Python cannot replace itself, so take the one that it came from.
        base = getattr(sys, "_base_executable", None) or sys.executable
        quietly([base, "-m", "venv", "--clear", "--without-pip", VENV], lock)
    # Written first and completed last: an interrupted installation is found and made anew.
    STAMP.write_text("{}\n")
    if remake:
        free = shutil.disk_usage(str(VENV)).free / 1e9
        if free < disk:
            raise Stop(
                f"The disk has {free:.1f} GB left, and the environment needs {disk} GB in {VENV}. "
                "Make room and start again."
            )
    pins = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", ROOT / lock]
    uv = shutil.which("uv")
    if uv:
        # Without compiled bytecode the first import of TensorFlow takes 12 s; pip compiles anyway.
        quietly([uv, "pip", "install", "--python", PYTHON, "--compile-bytecode", *pins], lock)
    else:
        if subprocess.call([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL):
            quietly([PYTHON, "-m", "ensurepip"], lock)
        pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        quietly([*pip, "--progress-bar", "off", *pins], lock)
    STAMP.write_text(json.dumps({name: digest(name) for name in covered}) + "\n")


def quietly(command, lock):
    """Run an installer. Show the line it is at; if it fails, say why, then show its last lines."""
    installer = subprocess.Popen(
        [str(part) for part in command],
        cwd=str(ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = []
    width = shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else 0
    try:
        for line in installer.stdout:
            lines.append(line.rstrip())
            print(lines[-1][:width].ljust(width), end="\r" if width else "", flush=True)
        print(" " * width, end="\r" if width else "", flush=True)
        code = installer.wait()
    finally:
        if installer.poll() is None:
            installer.terminate()
            installer.wait()
    if code:
        raise Stop(explain("\n".join(lines), code, lock))


def explain(output, code, lock):
    """Return a sentence about an installer's failure, followed by the end of what it printed."""
    sentence = f"The installation failed (exit code {code}); its last lines tell more."
    for pattern, meaning in FAILURES:
        if re.search(pattern, output):
            download, disk, _ = LOCKS[lock]
            sentence = meaning.format(
                lock=lock,
                venv=VENV,
                download=download,
                disk=disk,
                python=VERSION,
                machine=f"{sys.platform} {MACHINE}",
            )
            break
    tail = "\n".join("  | " + line[:200] for line in output.splitlines()[-8:])
    return f"{sentence}\n{tail}"


def read_stamp():
    """Return the stamp, {} if an installation did not end, None if there never was one."""
    try:
        stamp = json.loads(STAMP.read_text())
        return stamp if isinstance(stamp, dict) else {}
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def digest(lock):
    """Return the hash of a lock together with the Python version that it is installed for."""
    return hashlib.sha256((ROOT / lock).read_bytes() + VERSION.encode()).hexdigest()


def version_in_environment():
    """Return the version of the environment's Python as "3.12", or None if it does not run."""
    question = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        answer = subprocess.run([str(PYTHON), "-IS", "-c", question], stdout=subprocess.PIPE)
    except OSError:
        return None
    return answer.stdout.decode().strip() or None


def variables():
    """Return the environment variables of what is started."""
    found = dict(os.environ, VIRTUAL_ENV=str(VENV))
    for name, first in (("PATH", PYTHON.parent), ("PYTHONPATH", ROOT)):
        found[name] = os.pathsep.join(filter(None, [str(first), found.get(name)]))
    # Set before TensorFlow is imported, these keep its start-up notes out of the notebooks.
    found.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")
    return found


def start(*command):
    """Become that program, so that signals, keys and the exit code are its own."""
    if os.name == "posix":
        sys.stdout.flush()
        os.chdir(str(ROOT))
        os.execve(command[0], command, variables())
    program = subprocess.Popen(command, cwd=str(ROOT), env=variables())
    while True:
        try:
            return program.wait()
        except KeyboardInterrupt:  # The program has received it too, and answers.
            pass


def lab(arguments):
    """open JupyterLab; --port, --no-browser and the like are handed on to it"""
    page = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{START}"]
    return start(environment("requirements.txt"), "-m", "jupyterlab", *page, *arguments)


def hub(arguments):
    """start a JupyterHub for a class in one room; --help tells more"""
    if WINDOWS:
        raise Stop("JupyterHub does not run on Windows. Start it on Linux or macOS, or in the Linux of WSL.")
    return start(environment("requirements-hub.txt"), "classroom/hub.py", *arguments)


def test(arguments):
    """run ruff and every test; tests/test_run.py, -k, -x and the like go on to pytest"""
    python = environment("requirements-test.txt")
    if any((ROOT / argument.split("::")[0]).exists() for argument in arguments):
        return start(python, "-m", "pytest", *arguments)
    checks = (["check"], ["format", "--check"])
    codes = [subprocess.call([python, "-m", "ruff", *c], cwd=str(ROOT)) for c in checks]
    if any(codes):
        print("The tests have not been run, because ruff has objections.", file=sys.stderr)
        return max(codes)
    return start(python, "-m", "pytest", *PARALLEL, *arguments)


def dashboards(arguments):
    """serve each lab as a page without code; --port, --places and the like are handed on"""
    return start(environment("requirements.txt"), "-m", "dashboards", *arguments)


def notebooks(arguments):
    """build notebooks/ from lessons/, all or the named ones"""
    return start(environment("requirements-test.txt"), "lessons/build.py", *arguments)


def site(arguments):
    """build site/, the lessons as pages that need no kernel, all or the named ones"""
    return start(environment("requirements.txt"), "-m", "website.build", *arguments)


def bench(arguments):
    """run the benchmarks"""
    return start(environment("requirements-test.txt"), "benchmarks/bench.py", *arguments)


def lock(arguments):
    """pin the packages in pyproject.toml anew; --upgrade takes the newest (needs uv)"""
    if not shutil.which("uv"):
        raise Stop("The locks are compiled by uv, which is not on PATH. Install it: pip install uv")
    uv = "uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes"
    uv += " --no-emit-index-url --no-header --quiet"
    hub = "--group hub -c requirements.txt -o requirements-hub.txt"
    tests = "--group test -c requirements-hub.txt -o requirements-test.txt"
    for output in ("-o requirements.txt", hub, tests):
        code = subprocess.call([*uv.split(), *output.split(), *arguments], cwd=str(ROOT))
        if code:
            break
    return code


COMMANDS = {task.__name__: task for task in (lab, hub, dashboards, site, test, notebooks, bench, lock)}


def main(arguments):
    """Do what the command line asks for and return the exit code."""
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print("python run.py COMMAND [arguments of what it starts]\n")
        print("\n".join(f"  {name:11} {task.__doc__}" for name, task in COMMANDS.items()))
        return 0
    # Ended from outside, an installation takes its installer with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise Stop(f"'{name}' is not one of {', '.join(COMMANDS)}.{hint}")
        return COMMANDS[name](arguments[1:])
    except Stop as reason:
        print(reason, file=sys.stderr)
        return 1
    except OSError as error:
        print(explain(str(error), error.errno, "requirements.txt"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Start again whenever you like.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`run.py`, the locks, and the files that Binder reads. Nothing here needs a network."""

import ast
import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from checking import heed_interrupts
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements.txt": [],
    "requirements-hub.txt": ["hub"],
    "requirements-test.txt": ["hub", "test"],
}  # with their groups

# --- a project in miniature -----------------------------------------------------------------------
# One small wheel stands for all packages: its modules have the names of what run.py starts, and
# tell how they were started. Environments, pip, hashes and processes are real.
TELL = """
import json, os, sys
print(json.dumps({"module": "MODULE", "arguments": sys.argv[1:], "environment": dict(os.environ)}))
sys.exit(int(os.environ.get("EXIT_MODULE", 0)))
"""
MODULES = ("jupyterlab",)


def build_wheel(folder):
    """Write stand_in-1.0 into a folder and return the line of a lock that pins it."""
    info = "stand_in-1.0.dist-info"
    files = {f"{name}.py": TELL.replace("MODULE", name) for name in MODULES}
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: stand-in\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(
        f"{name},sha256={sha.decode().rstrip('=')},{len(text)}\n"
        for name, text in files.items()
        for sha in [base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())]
    )
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    wheel = folder / "stand_in-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return f"stand-in==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


# A project that can be installed editable without an index.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "learn"
version = "1.0"
"""
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(pathlib.Path(folder) / "learn-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("learn.pth", str(pathlib.Path.cwd()))
        wheel.writestr("learn-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: learn\\nVersion: 1.0\\n")
        wheel.writestr("learn-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("learn-1.0.dist-info/RECORD", "")
    return "learn-1.0-py3-none-any.whl"
"""


class Project:
    """A folder with run.py and a lock of one package, as after `git clone`."""

    def __init__(self, folder, wheels):
        self.folder = folder
        self.wheels = wheels
        self.venv = folder / ".venv"

    def start(self, *arguments, **variables):
        """Run `python run.py …` and return the finished process, with its output as text."""
        return subprocess.run(self.command(*arguments), **self.surroundings(variables), check=False)

    def command(self, *arguments):
        return [sys.executable, str(self.folder / "run.py"), *arguments]

    def surroundings(self, variables):
        """Where it runs: without uv, and with no index but our own folder of wheels."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
        keep.update(PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="1", PIP_NO_CACHE_DIR="1")
        keep.update(PIP_FIND_LINKS=str(self.wheels), PIP_NO_INDEX="1")
        keep["PYTHONPATH"] = "before"
        keep["PATH"] = os.pathsep.join(
            part for part in keep["PATH"].split(os.pathsep) if not shutil.which("uv", path=part)
        )
        keep.update(variables)
        # From another folder, as when it is started by its path.
        where = self.folder / "notebooks"
        return {"env": keep, "cwd": where, "capture_output": True, "encoding": "utf-8"}

    def lock(self, old, new):
        """Change both locks, so that neither fits what is installed."""
        for name in LOCKS:
            path = self.folder / name
            path.write_text(path.read_text().replace(old, new) + "# changed\n")

    def forget_package(self):
        """Take the package out again, so that it has to be downloaded."""
        for path in self.venv.rglob("stand_in-1.0.dist-info"):
            shutil.rmtree(path)

    @property
    def stamp(self):
        return json.loads((self.venv / "installed.json").read_text())


def told(process):
    """What the stand-ins told of how they were started, in order."""
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A project after its first start, and that start."""
    wheels = tmp_path_factory.mktemp("wheels")
    folder = tmp_path_factory.mktemp("made") / "Why won't it learn?"
    (folder / "notebooks").mkdir(parents=True)
    for name in ("run.py", "jupyterlab_overrides.json"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").mkdir()
    (folder / "tests/suite.py").write_text(TELL.replace("MODULE", "suite"))
    pin = build_wheel(wheels)
    for name in LOCKS:
        (folder / name).write_text(f"# {name}\n{pin}")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "of_the_project.py").write_text("")
    project = Project(folder, wheels)
    return project, project.start("lab", "--port", "8899", "--no-browser")


@pytest.fixture
def project(installed, tmp_path):
    """A copy of the project after its first start, to be spoiled."""
    folder = tmp_path / "copy"
    shutil.copytree(installed[0].folder, folder, symlinks=True)
    return Project(folder, installed[0].wheels)


@pytest.fixture
def run(tmp_path):
    """The module run.py, in a folder of its own."""
    for name in ("run.py", "jupyterlab_overrides.json", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    spec = importlib.util.spec_from_file_location("launcher", tmp_path / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refusal(run, *arguments):
    """The sentence with which a command ends."""
    with pytest.raises(SystemExit) as ended:
        run.main([*arguments])
    return ended.value.code


# --- the first start and the next -----------------------------------------------------------------
def test_first_start_makes_the_environment_and_hands_everything_on(installed):
    project, first = installed
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Installing TensorFlow, JupyterLab")
    (lab,) = told(first)
    assert lab["module"] == "jupyterlab"
    assert lab["arguments"] == [
        f"--ServerApp.root_dir={project.folder}",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
        "--port",
        "8899",
        "--no-browser",
    ]
    variables = lab["environment"]
    assert variables["PYTHONPATH"].split(os.pathsep) == [str(project.folder), "before"]
    assert variables["PATH"].startswith(str(project.venv))
    assert variables["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert variables["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert variables["OPENBLAS_NUM_THREADS"] == "1"
    compiled = {path.name.split(".")[0] for path in project.venv.rglob("__pycache__/*.pyc")}
    assert compiled.issuperset(MODULES)


def test_the_project_itself_is_installed_from_where_it_is(installed):
    project, _ = installed
    python = project.venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    question = "import of_the_project; print(of_the_project.__file__)"
    answer = subprocess.run([python, "-I", "-c", question], capture_output=True, encoding="utf-8", check=True)
    assert Path(answer.stdout.strip()).parent == project.folder


def test_jupyterlab_settings_are_in_force(installed):
    project, _ = installed
    settings = project.venv / "share/jupyter/lab/settings/overrides.json"
    assert settings.read_bytes() == (ROOT / "jupyterlab_overrides.json").read_bytes()


def test_jupyterlab_knows_every_setting_that_is_overridden():
    schemas = Path(sys.prefix) / "share/jupyter/lab/schemas"
    for plugin, values in json.loads((ROOT / "jupyterlab_overrides.json").read_text()).items():
        package, name = plugin.split(":")
        properties = json.loads((schemas / package / f"{name}.json").read_text())["properties"]
        for key, value in values.items():
            allowed = [one["const"] for one in properties[key].get("oneOf", [])]
            assert value in allowed or (not allowed and properties[key]["type"] == "boolean")


def test_second_start_installs_nothing(project):
    process = project.start("lab")
    assert [tell["module"] for tell in told(process)] == ["jupyterlab"]
    assert "Installing" not in process.stdout


def test_test_environment_serves_lab_too(project):
    assert project.stamp.keys() == {"requirements.txt"}
    assert "Installing" in project.start("test").stdout
    assert project.stamp.keys() == set(LOCKS)
    assert "Installing" not in project.start("lab").stdout
    assert "Installing" not in project.start("test").stdout


def test_changed_lock_is_installed_again(project):
    stamp = project.stamp
    project.lock("", "")
    process = project.start("lab")
    assert "Installing" in process.stdout
    assert process.returncode == 0
    assert project.stamp != stamp
    assert "Installing" not in project.start("lab").stdout


def test_half_made_environment_is_made_anew(project):
    left_over = project.venv / "left over"
    left_over.touch()
    (project.venv / "installed.json").write_text("{}\n")
    assert project.start("lab").returncode == 0
    assert not left_over.exists()
    assert project.stamp.keys() == {"requirements.txt"}


@pytest.mark.linux
def test_interrupted_installation_stops_and_is_told_from_a_finished_one(project):
    project.lock("1.0", "1.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        surroundings = project.surroundings({"PIP_NO_INDEX": "0", "PIP_INDEX_URL": index})
        surroundings.pop("capture_output")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        launcher = subprocess.Popen(project.command("lab"), preexec_fn=heed_interrupts, **surroundings, **pipes)
        silent.accept()  # pip is asking
        launcher.send_signal(signal.SIGINT)
        _, error = launcher.communicate(timeout=20)
    assert launcher.returncode == 130
    assert error.strip() == "Stopped. Start again whenever you like."
    assert project.stamp == {}


@pytest.mark.parametrize("name", ["gone", "other"])
def test_environment_of_another_python_is_made_anew(run, monkeypatch, name):
    run.PYTHON.parent.mkdir(parents=True)
    if name == "other":
        monkeypatch.setattr(run, "has_this_python", lambda: False)
    stamp = {"requirements.txt": run.digest("requirements.txt")}
    run.STAMP.write_text(json.dumps(stamp))
    installs = []
    monkeypatch.setattr(run, "install", lambda *arguments: installs.append(arguments))
    run.environment("requirements.txt")
    assert installs == [("requirements.txt", True)]


def test_environment_made_by_someone_else_is_kept(run, monkeypatch):
    monkeypatch.setattr(run, "has_this_python", lambda: True)
    installs = []
    monkeypatch.setattr(run, "install", lambda *arguments: installs.append(arguments))
    run.environment("requirements.txt")
    assert installs == [("requirements.txt", False)]


def test_uv_is_used_where_it_is_found(run, monkeypatch):
    commands = []
    monkeypatch.setattr(run, "quietly", lambda command, _: commands.append([*map(str, command)]))
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/bin/{name}")
    run.VENV.mkdir()
    run.install("requirements-test.txt", False)
    (uv, *arguments), editable = commands
    assert uv == editable[0] == "/bin/uv"
    assert editable[-4:] == ["--no-deps", "--no-build-isolation", "--editable", str(run.ROOT)]
    assert arguments[:2] == ["pip", "install"]
    assert {"--require-hashes", "--compile-bytecode", str(run.PYTHON)}.issubset(arguments)
    assert arguments[-1] == str(run.ROOT / "requirements-test.txt")
    assert json.loads(run.STAMP.read_text()) == {name: run.digest(name) for name in LOCKS}


# --- commands -------------------------------------------------------------------------------------
def test_exit_code_is_that_of_what_is_started(project):
    process = project.start("test", "-k", "nothing", EXIT_suite="5")
    (suite,) = told(process)
    assert (suite["module"], suite["arguments"]) == ("suite", ["-k", "nothing"])
    assert process.returncode == 5


@pytest.mark.parametrize(
    ("command", "script"),
    [("notebooks", "lessons/build.py"), ("bench", "benchmarks/bench.py"), ("test", "tests/suite.py")],
)
def test_scripts_get_their_arguments(run, monkeypatch, command, script):
    locks = []
    monkeypatch.setattr(run, "environment", lambda lock: locks.append(lock) or "python")
    monkeypatch.setattr(run, "start", lambda *arguments: arguments)
    assert run.main([command, "01_capacity", "--check"]) == (
        "python",
        script,
        "01_capacity",
        "--check",
    )
    assert locks == ["requirements-test.txt"]


def test_dashboards_need_no_more_than_the_lab(run, monkeypatch):
    locks = []
    monkeypatch.setattr(run, "environment", lambda lock: locks.append(lock) or "python")
    monkeypatch.setattr(run, "start", lambda *arguments: arguments)
    assert run.main(["dashboards", "--places=3"]) == ("python", "-m", "dashboards", "--places=3")
    assert locks == ["requirements.txt"]


def test_lock_compiles_both_locks_without_addresses(run, monkeypatch):
    commands = []
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(run.subprocess, "call", lambda command, **_: commands.append(command) or 0)
    assert run.main(["lock", "--upgrade"]) == 0
    assert [command[command.index("-o") + 1] for command in commands] == list(LOCKS)
    for command in commands:
        wanted = {"--universal", "--generate-hashes", "--no-emit-index-url", "--upgrade"}
        assert wanted.issubset(command)
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    assert "pip install uv" in refusal(run, "lock")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command(run, capsys, arguments):
    assert run.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[2:]} == {*run.PROGRAMS, "lock"}
    assert all(len(line) <= 100 for line in lines)


def test_unknown_command_is_told_the_known(run):
    assert refusal(run, "labs") == f"'labs' is not one of {', '.join(run.PROGRAMS)}, lock."


# --- what cannot work is told in a sentence -------------------------------------------------------
def test_old_pythons_can_read_the_launcher():
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))


FITS = {"version": "3.12", "kind": "64-bit cpython", "build": "linux x86_64 glibc"}


@pytest.mark.parametrize("build", ["linux x86_64 glibc", "linux aarch64 glibc", "darwin arm64", "win32 amd64"])
def test_machines_with_tensorflow_are_welcome(run, build):
    assert run.objection(**{**FITS, "build": build}) is None


@pytest.mark.parametrize(
    "given",
    [
        {"version": "3.10"},
        {"version": "3.14"},
        {"kind": "32-bit cpython"},
        {"kind": "64-bit pypy"},
        {"kind": "64-bit cpython without GIL"},
        {"build": "darwin x86_64"},
        {"build": "linux x86_64"},  # musl
        {"build": "linux riscv64 glibc"},
        {"build": "win32 arm64"},
    ],
)
def test_machines_without_tensorflow_are_told_what_is_needed(run, given):
    sentence = run.objection(**{**FITS, **given})
    assert next(iter(given.values())) in sentence
    assert "It needs 64-bit cpython 3.11, 3.12, 3.13 on Linux with glibc" in sentence


def test_unfit_python_installs_nothing(run, monkeypatch):
    monkeypatch.setattr(run, "objection", lambda: "This is no Python for TensorFlow.")
    assert refusal(run, "lab") == "This is no Python for TensorFlow."
    assert not run.VENV.exists()


def test_full_disk_is_told_also_where_the_launcher_itself_meets_it(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "installed.json")

    monkeypatch.setattr(run, "environment", full)
    assert refusal(run, "lab").startswith("The disk is full.")


def test_wrong_hash_is_refused(project):
    project.forget_package()
    for name in LOCKS:
        (project.folder / name).write_text(f"stand-in==1.0 --hash=sha256:{'0' * 64}\n")
    process = project.start("lab")
    assert process.returncode == 1
    assert process.stderr.startswith("A downloaded package is not the one that this project was")
    assert "Traceback" not in process.stderr
    assert project.stamp == {}
    assert not told(process)


def test_package_without_hash_is_refused(project):
    project.forget_package()
    for name in LOCKS:
        (project.folder / name).write_text("stand-in==1.0\n")
    process = project.start("lab")
    assert process.returncode == 1
    assert "Traceback" not in process.stderr


def test_missing_network_is_told(project):
    project.lock("1.0", "1.1")
    index = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    process = project.start("lab", **index)
    assert process.returncode == 1
    assert process.stderr.startswith("The package index cannot be reached.")
    assert "No matching distribution" in process.stderr  # the end of what pip printed
    assert "Traceback" not in process.stderr


# What pip and uv print, shortened.
PRINTED = [
    ("The disk is full", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"),
    ("The disk is full", "  cause: failed to write to file `.tmp45kGMe/x.so`: No space left on device (os error 28)"),
    ("its hash differs", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."),
    ("its hash differs", "error: Failed to download `six==1.17.0`\n  cause: Hash mismatch for `six==1.17.0`"),
    (
        "cannot be reached",
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('Failed to establish a new "
        "connection: [Errno -2] Name or service not known')': /simple/six/\nERROR: No matching distribution found for six",
    ),
    ("cannot be reached", "  cause: error sending request for url (https://pypi.org/simple/six/)\n  cause: dns error"),
    ("-venv", ".venv/bin/python: No module named ensurepip.__main__; 'ensurepip' is a package and cannot be executed"),
    ("The installation failed (exit code 7)", "ERROR: No matching distribution found for six==99.0"),
]


@pytest.mark.parametrize(("words", "output"), PRINTED)
def test_failure_of_an_installer_is_explained_and_shown(run, words, output):
    sentence, *tail = run.explain(output, 7, "requirements.txt").splitlines()
    assert words in sentence
    assert len(sentence) < 320
    assert not re.search(r"\{\w*\}", sentence)
    assert [line.removeprefix("  | ") for line in tail] == [line[:200] for line in output.splitlines()]


# --- the locks, and who reads them ----------------------------------------------------------------
def pins(lock):
    """The requirements of a lock, each with its hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    found = []
    for block in blocks:
        first, *rest = [line.rstrip(" \\") for line in block.splitlines()]
        hashes = [line.strip() for line in rest if not line.lstrip().startswith("#")]
        found.append((Requirement(first), hashes))
    return found


def environments():
    """Each kind of machine and Python for which the locks are made, as packaging names them."""
    machines = [
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "arm64"),
        ("win32", "AMD64"),
    ]
    return [
        {
            "sys_platform": system,
            "os_name": "nt" if system == "win32" else "posix",
            "platform_machine": machine,
            "python_full_version": version,
            "python_version": version.rpartition(".")[0],
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        for system, machine in machines
        for version in ("3.11.0", "3.12.1", "3.13.0")
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_with_hashes_and_names_no_index(lock):
    assert not re.search(r"://|^-|index|find-links", (ROOT / lock).read_text(), re.MULTILINE)
    for requirement, hashes in pins(lock):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier))
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes)


@pytest.mark.parametrize("machine", environments(), ids=lambda machine: " ".join(machine.values()))
@pytest.mark.parametrize("lock", LOCKS)
def test_lock_fits_pyproject_on_every_machine(lock, machine):
    applies = [r for r, _ in pins(lock) if not r.marker or r.marker.evaluate(machine)]
    versions = {r.name: next(iter(r.specifier)).version for r in applies}
    assert len(versions) == len(applies), "a package is pinned twice"
    assert ("tensorflow" in versions) != ("tensorflow-cpu" in versions)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    assert groups["hub"][0] == {"include-group": "notebooks"}
    assert groups["test"][0] == {"include-group": "hub"}
    lines = [*project["project"]["dependencies"]]
    lines += [line for group in ("notebooks", *LOCKS[lock]) for line in groups[group] if isinstance(line, str)]
    for requirement in map(Requirement, lines):
        if not requirement.marker or requirement.marker.evaluate(machine):
            assert requirement.specifier.contains(versions[requirement.name])


def test_tests_use_the_versions_that_learners_get():
    learners, teachers, testers = ({(r.name, str(r.specifier)) for r, _ in pins(lock)} for lock in LOCKS)
    assert learners < teachers < testers


def test_learners_do_not_get_what_only_teachers_and_tests_need():
    learners = {r.name for r, _ in pins("requirements.txt")}
    assert learners.isdisjoint({"jupyterhub", "pytest", "playwright", "hypothesis", "jupytext", "ruff"})


def declared(*groups):
    """The names of the packages that pyproject.toml asks for, with those of dependency groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [*project["project"]["dependencies"]]
    for group in groups:
        lines += [line for line in project["dependency-groups"][group] if isinstance(line, str)]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(folder):
    """Each package from elsewhere that the modules of a folder import: {import name: a file that imports it}."""
    ours = {path.stem for place in (".", *CODE) for path in (ROOT / place).glob("*.py")} | set(CODE)
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            else:
                continue
            found.update((module.split(".")[0], path.name) for module in modules)
    return {name: file for name, file in found.items() if name not in ours | sys.stdlib_module_names}


# Each folder of code, with the dependency groups that are installed where it runs.
CODE = {
    "why_wont_it_learn": [],
    "helpers": ["notebooks"],
    "website": ["notebooks"],
    "dashboards": ["notebooks"],
    "classroom": ["notebooks", "hub"],
    "lessons": ["notebooks", "hub", "test"],
    "tests": ["notebooks", "hub", "test"],
    "benchmarks": ["notebooks", "hub", "test"],
}
# The library needs TensorFlow, but not one build of it; pictures and progress bars it shows where these are.
OPTIONAL = {"tensorflow", "tensorflow-cpu", "matplotlib", "ipython"}


@pytest.mark.parametrize("folder", CODE)
def test_every_imported_package_is_declared(folder):
    """Not only installed because some other package happens to need it."""
    packages = importlib.metadata.packages_distributions()
    wanted = declared(*CODE[folder]) | (OPTIONAL if folder == "why_wont_it_learn" else set())
    found = imported(folder)
    assert found
    undeclared = {
        name: file
        for name, file in found.items()
        if wanted.isdisjoint(map(canonicalize_name, packages.get(name, [name])))
    }
    assert undeclared == {}


def test_conda_and_binder_read_the_lock(run):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert python.removeprefix("python=") in run.VERSIONS
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.txt"]}
    assert environment["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.linux
def test_repo2docker_accepts_the_repository():
    """Without --build it plans the image, which needs no container engine."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr
    plan = process.stdout + process.stderr
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"' in plan
    assert "RUN ./postBuild" in plan
    assert "requirements-test.txt" not in plan


@pytest.mark.linux
def test_binder_starts_with_the_variables_of_the_launcher(run):
    process = subprocess.run([ROOT / "start", "env"], capture_output=True, encoding="utf-8", check=True)
    assert {f"{name}={value}" for name, value in run.QUIET.items()} <= set(process.stdout.splitlines())


@pytest.mark.linux
@pytest.mark.nightly  # traces every lesson's networks; test_training.py bakes one
def test_what_binder_does_after_the_build_works(tmp_path):
    variables = os.environ | {"NB_PYTHON_PREFIX": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "fonts")}
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    # Here the project is installed already, and an environment that uv has made has no pip.
    (tmp_path / "pip.py").write_text("import sys; print('pip', *sys.argv[1:])")
    variables["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    process = subprocess.run(
        [ROOT / "postBuild"], cwd=ROOT, env=variables, capture_output=True, encoding="utf-8", check=False
    )
    assert process.returncode == 0, process.stderr
    assert "pip install --quiet --no-deps --no-build-isolation --editable ." in process.stdout
    settings = json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"] == {"checkForUpdates": False, "fetchNews": "false"}
    assert settings["@jupyterlab/apputils-extension:kernels-settings"] == {"commsOverSubshells": "disabled"}
    assert list((tmp_path / "fonts").glob("fontlist*.json"))


def test_links_to_binder_and_colab_name_the_repository_of_the_project():
    """The address stands in pyproject.toml. README.md and the installed library cannot read it, the notebooks are built with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    host, name = project["urls"]["Repository"].removeprefix("https://").split("/", 1)
    assert (host, name.count("/")) == ("github.com", 1)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/notebooks/00_start_here.ipynb"
    assert readme.count(start) == 1
    assert (ROOT / "notebooks/00_start_here.ipynb").exists()
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    texts = {path: (ROOT / path).read_bytes() for path in tracked.stdout.split("\0") if path}
    lessons = sorted(path for path in texts if re.fullmatch(r"notebooks/(solutions/)?[^/]*\.ipynb", path))
    named = sorted(path for path, text in texts.items() if name.encode() in text)
    report = "why_wont_it_learn/diagnosis/report.py"
    assert named == ["CITATION.cff", "README.md", *lessons, "pyproject.toml", report]
    assert readme.count(f"https://colab.research.google.com/github/{name}/blob/main/notebooks/00_start_here.ipynb") == 1

"""How the tests are started, what they find or install, and what CI runs. Nothing here needs a network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import chrome
import processors
import pytest
import suite
import yaml

import run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def started(monkeypatch):
    """What `tests/suite.py` starts, with a machine that has a browser."""
    calls = []
    monkeypatch.setattr(suite.subprocess, "call", lambda command: calls.append(command[2:]) or 0)
    monkeypatch.setattr(suite.pytest, "main", lambda arguments: calls.append(["pytest", *arguments]) or 0)
    monkeypatch.setattr(suite.chrome, "find", lambda: "/opt/chrome")
    monkeypatch.setenv("CHROME", "/before")
    return calls


RUFF = [["ruff", "check"], ["ruff", "format", "--check"]]


@pytest.mark.parametrize(
    "arguments", [[], ["-k", "lessons"], ["-m", "browser", "-x"], ["--ignore", "tests/test_hub.py"]]
)
def test_whole_suite_is_ruff_and_then_pytest_in_several_processes(started, arguments):
    assert suite.main(arguments) == 0
    assert started == [*RUFF, ["pytest", *suite.WHOLE, *arguments]]
    assert os.environ["CHROME"] == "/opt/chrome"


@pytest.mark.parametrize(
    "arguments", [["tests/test_lab.py"], ["-x", "notebooks::cell"], ["-k", "lessons", "-q", "tests"]]
)
def test_named_files_are_pytest_alone(started, arguments):
    assert suite.main(arguments) == 0
    assert started == [["pytest", *arguments]]


def test_nightly_tests_are_run_where_they_are_asked_for(started):
    suite.main(["-x", "--all"])
    assert started == [*RUFF, ["pytest", *suite.WHOLE, *suite.NIGHTLY, "-x"]]
    started.clear()
    suite.main(["--all", "tests/test_lab.py"])
    assert started == [["pytest", *suite.NIGHTLY, "tests/test_lab.py"]]


def test_code_that_ruff_refuses_is_not_tested(started, monkeypatch, capsys):
    monkeypatch.setattr(suite.subprocess, "call", lambda command: 2 * ("format" in command))
    assert suite.main([]) == 2
    assert started == []
    assert "the tests were not run" in capsys.readouterr().err


def test_tests_of_a_group_run_in_one_process(tmp_path):
    """And those of a file without groups; in another test's process, a fixture for both would be made twice."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    shutil.copy(ROOT / "tests/chrome.py", tmp_path)
    grouped = "import pytest\nfrom pathlib import Path\n\n\n{mark}@pytest.mark.parametrize('n', range(4))\n"
    grouped += "def test(n, worker_id): Path(f'{name}-{{worker_id}}').touch()\n"
    for name, mark in {
        "alone": "",
        "one": "@pytest.mark.xdist_group('both')\n",
        "two": "@pytest.mark.xdist_group('both')\n",
    }.items():
        (tmp_path / f"test_{name}.py").write_text(grouped.format(mark=mark, name=name))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert "12 passed" in process.stdout
    places = [path.name.split("-") for path in tmp_path.glob("*-gw*")]
    assert sorted(name for name, _ in places) == ["alone", "one", "two"]
    where = dict(places)
    assert where["one"] == where["two"] != where["alone"]


def test_processors_differ_in_everything(monkeypatch, capsys):
    runs = []

    def pytest_run(command, env, **_):
        runs.append((command, env))
        failed = env["OPENBLAS_CORETYPE"] == "Zen"
        return subprocess.CompletedProcess(command, int(failed), "2 failed\n" if failed else "9 passed in 1s\n")

    monkeypatch.setattr(processors, "features", lambda: {"X86_V2", "X86_V3"})
    monkeypatch.setattr(processors.subprocess, "run", pytest_run)
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    assert suite.main(["--processors", "-x"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if ": " in line] == [
        "SSE4.2: passed: 9 passed in 1s",
        "AVX: passed: 9 passed in 1s",
        "AVX2: passed: 9 passed in 1s",
        "AVX2, Zen: FAILED: 2 failed",
        "AVX-512: SKIPPED, this processor cannot do it",
    ]
    assert {tuple(command[3:]) for command, _ in runs} == {("-q", "-m", "numerical and not nightly", "-x")}
    for name in (
        "XLA_FLAGS",
        "OPENBLAS_CORETYPE",
        "TF_ENABLE_ONEDNN_OPTS",
        "NPY_DISABLE_CPU_FEATURES",
        "OMP_NUM_THREADS",
    ):
        assert len({env[name] for _, env in runs}) >= 2
    assert runs[0][1]["NPY_DISABLE_CPU_FEATURES"] == "X86_V3"
    assert not any("OPENBLAS_L2_SIZE" in env for _, env in runs)


def test_processor_without_any_of_the_environments_is_a_failure(monkeypatch):
    monkeypatch.setattr(processors, "features", lambda: {"ASIMD"})
    assert processors.main([]) == 1


def test_environments_of_processors_compute_differently():
    """That NumPy and its BLAS do what they are told; TensorFlow's XLA is told by its own flag."""
    program = "import numpy, threadpoolctl as t\nprint([one['architecture'] for one in t.threadpool_info()], "
    program += "numpy.show_config(mode='dicts')['SIMD Extensions'].get('found'))"
    said = set()
    possible = [one for one in processors.ENVIRONMENTS.values() if one.needs in processors.features()]
    for environment in possible:
        process = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env=os.environ | environment.variables(),
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        said.add(process.stdout)
    # Kernels for Zen are those for Haswell: where NumPy uses all that the processor has in both, they say the same.
    assert len(said) >= len({environment.blas.replace("Zen", "Haswell") for environment in possible})


# --- a browser for the tests ----------------------------------------------------------------------
BROWSER = "#!/bin/sh\nexit 0\n"
# Installs a browser and says so; where DOWNLOADS, APT and SUDO are not set, it says that it could not.
STUBS = {
    "apt-get": '[ -n "$APT" ] || { echo "Unable to locate package"; exit 100; }\n'
    'case "$*" in *install*) printf "#!/bin/sh\\nexit 0\\n" > "$BIN/chromium"; /bin/chmod +x "$BIN/chromium";; esac',
    "sudo": '[ -n "$SUDO" ] || { echo "a password is required"; exit 1; }\nshift; exec "$@"',
}
PLAYWRIGHT = """
import os, pathlib, sys
print("playwright", *sys.argv[1:])
if not os.environ.get("DOWNLOADS"):
    sys.exit("getaddrinfo ENOTFOUND cdn.playwright.dev")
own = pathlib.Path(os.environ["BIN"], "own")
own.write_text("#!/bin/sh\\nexit 0\\n")
own.chmod(0o755)
"""
SYNC_API = """
import contextlib, os, types
@contextlib.contextmanager
def sync_playwright():
    yield types.SimpleNamespace(chromium=types.SimpleNamespace(executable_path=os.environ["BIN"] + "/own"))
"""


@pytest.fixture
def machine(tmp_path):
    """A machine with the stubs above and nothing else; looks for a browser, or installs one, and returns what is said."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in STUBS.items():
        (commands / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$BIN/log"\n{text}\n')
        (commands / name).chmod(0o755)
    (commands / "env").symlink_to(shutil.which("env"))
    (commands / "true").symlink_to(shutil.which("true"))
    stand_in = tmp_path / "modules/playwright"
    stand_in.mkdir(parents=True)
    for name, text in {"__init__": "", "__main__": PLAYWRIGHT, "sync_api": SYNC_API}.items():
        (stand_in / f"{name}.py").write_text(text)

    def look(user=1000, **variables):
        program = f"import os, chrome\nos.geteuid = lambda: {user}\nprint(chrome.find() or chrome.install())\n"
        program += "print(chrome.advice())"
        python_path = os.pathsep.join([str(stand_in.parent), str(ROOT / "tests")])
        process = subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": str(commands), "BIN": str(commands), "PYTHONPATH": python_path, **variables},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        *steps, found, advice = process.stdout.splitlines()
        return found.replace(str(commands), ""), advice, "\n".join(steps)

    look.commands = commands
    return look


@pytest.mark.linux
def test_browser_that_starts_is_taken_and_nothing_installed(machine):
    for name, text in {"chromium": "#!/bin/sh\nexit 1\n", "google-chrome": BROWSER}.items():
        (machine.commands / name).write_text(text)
        (machine.commands / name).chmod(0o755)
    assert machine() == ("/google-chrome", "To get a browser: sudo apt-get install chromium", "")
    assert not (machine.commands / "log").exists()


@pytest.mark.linux
def test_browser_that_is_named_is_taken_or_refused(machine):
    (machine.commands / "mine").write_text(BROWSER)
    (machine.commands / "mine").chmod(0o755)
    assert machine(CHROME=str(machine.commands / "mine"))[0] == "/mine"
    found, advice, steps = machine(CHROME="/nowhere", DOWNLOADS="1")
    assert (found, steps) == ("None", "")
    assert advice.startswith("CHROME=/nowhere does not start.")


@pytest.mark.linux
def test_playwrights_browser_is_installed_where_it_can_be_downloaded(machine):
    found, _, steps = machine(DOWNLOADS="1")
    assert found == "/own"
    assert "playwright install --no-shell chromium" in steps
    assert not (machine.commands / "log").exists()
    assert machine() == ("/own", "To get a browser: sudo apt-get install chromium", "")


@pytest.mark.linux
@pytest.mark.parametrize(("user", "sudo"), [(0, ""), (1000, "1")])
def test_debians_browser_is_installed_by_an_administrator(machine, user, sudo):
    found, _, steps = machine(user, APT="1", SUDO=sudo)
    assert found == "/chromium"
    assert "ENOTFOUND cdn.playwright.dev" in steps
    calls = [line for line in (machine.commands / "log").read_text().splitlines() if line.startswith("apt-get")]
    assert calls == ["apt-get -qq update", "apt-get -qq install -y --no-install-recommends chromium"]


@pytest.mark.linux
def test_where_nothing_can_be_installed_the_command_is_named(machine):
    assert machine(1000, APT="1")[:2] == ("None", "To get a browser: sudo apt-get install chromium")
    assert "apt-get" not in (machine.commands / "log").read_text()  # a password would be asked for
    found, _, steps = machine(0)
    assert found == "None"
    assert "Unable to locate package" in steps
    (machine.commands / "apt-get").unlink()
    assert machine(1000)[1].endswith("-m playwright install chromium")


@pytest.mark.parametrize(
    ("system", "path"), [("darwin", "Google Chrome.app"), ("win32", "Edge/Application/msedge.exe")]
)
def test_usual_places_of_other_systems_are_known(monkeypatch, system, path):
    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setenv("ProgramFiles(x86)", r"C:\Program Files (x86)")
    monkeypatch.setattr(chrome.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, ""))
    assert any(path in candidate for candidate in chrome.candidates(system))


@pytest.mark.parametrize(("ci", "processes"), [("", "0"), ("true", "1")])
def test_without_a_browser_its_tests_are_left_out_loudly(tmp_path, ci, processes):
    """In processes of their own, too; a run of CI fails, because it must not pass by leaving tests out."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    shutil.copy(ROOT / "tests/chrome.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_one(): pass\n@pytest.mark.browser\ndef test_two(): assert False\n"
    )
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", processes, "--dist", "loadgroup", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"CHROME": "", "CI": ci},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert process.returncode == (1 if ci else 0)
    assert "1 passed" in process.stdout
    assert bool(re.search(r"\d\.\d\d test_it\n", process.stdout)) == (processes != "0")
    assert "NO BROWSER: the tests that need one were left out. To get a browser: " in process.stdout


# --- continuous integration ------------------------------------------------------------------------
@pytest.mark.linux
def test_ci_does_what_the_readme_says(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    (tmp_path / "python3").write_text('#!/bin/sh\necho "$PWD: $*"\nexit 3\n')
    (tmp_path / "python3").chmod(0o755)
    process = subprocess.run(
        [shutil.which("bash"), str(tmp_path / ".ci/run")],
        env={"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (process.stdout, process.returncode) == (f"{tmp_path}: run.py test\n", 3)


@pytest.mark.parametrize("workflow", [path.name for path in (ROOT / ".github/workflows").glob("*.yml")])
def test_workflows_start_what_there_is_with_a_python_that_fits(workflow):
    jobs = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text())["jobs"]
    commands, versions = set(), set()
    for job in jobs.values():
        matrix = job.get("strategy", {}).get("matrix", {})
        versions |= {*matrix.get("python", []), *(row["python"] for row in matrix.get("include", []))}
        for step in job["steps"]:
            commands |= {tuple(step["run"].split()[:3])} if "run" in step else set()
            version = step.get("with", {}).get("python-version", "")
            versions |= set() if "matrix" in version else {version} - {""}
    commands -= {("pip", "install", "uv")}  # which makes the environments of other versions
    assert commands
    assert all(command[:2] == ("python", "run.py") and command[2] in run.PROGRAMS for command in commands)
    assert versions
    assert versions <= set(run.VERSIONS)

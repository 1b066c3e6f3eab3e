"""The classroom without a hub: what hub.py refuses, who may log in, how many kernels may start, how lessons are given out."""

import asyncio
import json
import os
import re
import runpy
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
CLASSROOM = ROOT / "classroom"
sys.path.insert(0, str(CLASSROOM))

import authenticator  # noqa: E402
import distribute  # noqa: E402
import hub as launcher  # noqa: E402

PASSWORD = "the-class-password"
OWN = "a password of my own"


# --- what hub.py refuses ----------------------------------------------------------------------------------------------


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """A function that asks hub.py for a hub and returns the sentence with which it refuses."""
    monkeypatch.setattr(os, "umask", lambda mask: None)  # that of the tests stays
    monkeypatch.setattr(os, "execve", lambda *arguments: pytest.fail("a hub was started"))
    monkeypatch.delenv("CLASS_PASSWORD", raising=False)

    def refusal(*arguments, root="--allow-root"):
        with pytest.raises(launcher.Stop) as reason:
            launcher.main([root, "--data", str(tmp_path / "data"), *map(str, arguments)] if root else [*arguments])
        return str(reason.value)

    return refusal


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("password", ["", "1234567"])
def test_a_short_class_password_is_refused(tmp_path, refusal, monkeypatch, ip, password):
    (tmp_path / "password").write_text(password)
    sentence = f"has {len(password)} characters; it needs 8 to 200"
    assert sentence in refusal("--ip", ip, "--password-file", tmp_path / "password")
    monkeypatch.setenv("CLASS_PASSWORD", password)
    assert sentence in refusal("--ip", ip)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--password-file", "/nowhere/at all"], "The class password cannot be read"),
        (["--port", "70000"], "--port 70000 is not allowed: give 1 to 65533."),
        (["--memory", "10"], "--memory 10 is not allowed: give 1000 to 100000."),
        (["--ssl-key", "key.pem"], "For https both --ssl-key and --ssl-cert are needed."),
        (["--reset", "../hub.sqlite"], "'../hub.sqlite' cannot be a learner's name."),
        (["--reset", "nobody"], "Nobody has the name nobody. There are: none yet."),
    ],
)
def test_what_is_not_allowed_gets_a_sentence(refusal, arguments, sentence):
    assert sentence in refusal(*arguments)


def test_a_refusal_is_printed_without_a_traceback(tmp_path):
    command = [sys.executable, str(CLASSROOM / "hub.py"), "--data", str(tmp_path), "--port", "70000"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (1, "--port 70000 is not allowed: give 1 to 65533.\n")


def test_a_port_in_use_is_named(refusal):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 cannot be used" in refusal("--port", port)


def test_root_is_refused_unless_asked_for(tmp_path, refusal, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "You are root" in refusal("--data", str(tmp_path / "data"), root=None)


def test_secrets_and_work_stay_out_of_git():
    for name in (
        "data/secret/class_password",
        "data/accounts/ada",
        "data/learners/ada/files/x.ipynb",
        "node_modules/x.js",
    ):
        assert subprocess.call(["git", "check-ignore", "-q", f"classroom/{name}"], cwd=ROOT) == 0, name


def test_the_proxy_is_pinned_without_an_address():
    lock = json.loads((CLASSROOM / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 10
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


# --- who may log in -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run():
    """Runs a coroutine; all of a test in one event loop, as in a server."""
    with asyncio.Runner() as runner:
        yield runner.run


class Entrance:
    """The authenticator on a clock of its own, and what it says to attempts that come at the same time."""

    def __init__(self, folder, run):
        self.now, self.run = 0.0, run
        self.authenticator = authenticator.ClassAuthenticator(
            class_password=PASSWORD, accounts_folder=str(folder), pause=0
        )
        for wrong in (self.authenticator.by_name, self.authenticator.by_address):
            wrong.clock = lambda: self.now

    async def attempt(self, name, own=OWN, password=PASSWORD, address="10.0.0.1"):
        """ "" or why not."""
        handler = SimpleNamespace(request=SimpleNamespace(remote_ip=address))
        try:
            assert (
                await self.authenticator.authenticate(handler, {"username": name, "password": password, "own": own})
                == name
            )
        except HTTPError as refusal:
            return refusal.log_message
        return ""

    def attempts(self, *arguments):
        """The answers to attempts that are made at once, each a dict of arguments of `attempt`."""

        async def at_once():
            return await asyncio.gather(*(self.attempt(**one) for one in arguments))

        return self.run(at_once())


@pytest.fixture
def entrance(tmp_path, monkeypatch, run):
    monkeypatch.setattr(
        authenticator, "SCRYPT", {"n": 2, "r": 8, "p": 1}
    )  # The tests count attempts, not how long each takes.
    return Entrance(tmp_path, run)


def judged(answers):
    return sum("Somebody has the name" in answer for answer in answers)


def test_of_many_guesses_at_once_ten_are_judged(entrance):
    assert entrance.attempts({"name": "ada"}) == [""]
    guesses = [{"name": "ada", "own": f"guess number {number}", "address": f"10.0.1.{number}"} for number in range(150)]
    answers = entrance.attempts(*guesses, {"name": "ada"})
    assert judged(answers) == 10
    assert all("Too many wrong passwords" in answer for answer in answers[10:])
    assert len(answers) == 151


def test_a_name_that_was_guessed_at_opens_again_after_five_minutes(entrance):
    assert entrance.attempts({"name": "ada"}) == [""]
    entrance.attempts(*[{"name": "ada", "own": "a wrong guess"}] * 10)
    entrance.now = 300
    assert "Too many wrong passwords" in entrance.attempts({"name": "ada"})[0]
    entrance.now = 301
    assert entrance.attempts({"name": "ada"}) == [""]


def test_who_does_not_know_the_class_password_cannot_shut_a_name(entrance):
    entrance.attempts({"name": "bob"})
    knocks = [{"name": "bob", "password": "no", "address": f"10.0.1.{number}"} for number in range(150)]
    assert all("Wrong class password" in answer for answer in entrance.attempts(*knocks))
    assert entrance.attempts({"name": "bob"}) == [""]


def test_of_many_wrong_class_passwords_at_once_from_an_address_sixty_are_judged(entrance):
    answers = entrance.attempts(*({"name": f"eve-{number}", "password": "no"} for number in range(150)))
    assert sum("Wrong class password" in answer for answer in answers) == 60
    assert "Too many wrong passwords" in entrance.attempts({"name": "ada"})[0]
    assert entrance.attempts({"name": "ada", "address": "10.0.0.2"}) == [""]
    entrance.now = 61
    assert entrance.attempts({"name": "ada"}) == [""]


def test_a_large_class_comes_in_at_once_from_one_address(entrance):
    class_of_100 = [{"name": f"learner-{number}"} for number in range(100)]
    assert entrance.attempts(*class_of_100) == [""] * 100
    assert entrance.attempts(*class_of_100) == [""] * 100, "who came in leaves nothing behind that counts"


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        ({"name": "eve", "password": "wrong-password"}, "Wrong class password. Ask your teacher."),
        ({"name": "eve", "password": ""}, "Wrong class password. Ask your teacher."),
        ({"name": "eve", "password": "None"}, "Wrong class password. Ask your teacher."),
        ({"name": "eve", "own": ""}, "Your own password: has 8 to 200 characters."),
        ({"name": "eve", "own": "x" * 201}, "Your own password: has 8 to 200 characters."),
        ({"name": "../eve"}, "A name has up to 30 letters"),
        ({"name": ""}, "A name has up to 30 letters"),
        ({"name": "<script>"}, "A name has up to 30 letters"),
    ],
)
def test_who_is_refused_learns_why_and_gets_no_account(entrance, tmp_path, attempt, sentence):
    (answer,) = entrance.attempts(attempt)
    assert sentence in answer
    assert list(tmp_path.iterdir()) == []


def test_without_a_class_password_nobody_comes_in(entrance):
    entrance.authenticator.class_password = ""
    assert "Wrong class password" in entrance.attempts({"name": "eve", "password": ""})[0]


def test_a_learner_who_logs_in_often_is_not_refused(entrance):
    assert entrance.attempts({"name": "ada"}) == [""]
    assert entrance.attempts(*[{"name": "ada"}] * 30) == [""] * 30


def test_of_two_who_take_a_name_at_once_one_has_it(entrance):
    answers = entrance.attempts(*({"name": "ada", "own": f"password of {number}"} for number in range(2)))
    assert sorted(answers)[0] == ""
    assert judged(answers) == 1


def test_names():
    for name in ("ada", "a", "ada.l", "ada-l_2", "7", "a" * 30):
        assert authenticator.is_name(name), name
    for name in (
        "",
        ".",
        "..",
        ".ada",
        "-ada",
        "_",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "a" * 31,
        "a..b",
        "ada.",
        "ädä",
        "A",
        "a\0",
        "~",
        "$x",
    ):
        assert not authenticator.is_name(name), name


def test_a_made_up_password_is_long_enough_and_new():
    made = {authenticator.generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", password) for password in made)


def test_an_account_is_its_first_password(tmp_path):
    accounts = authenticator.Accounts(tmp_path)
    assert accounts.open("ada", "first password")
    assert accounts.open("ada", "first password")
    assert not accounts.open("ada", "other password")
    (path,) = tmp_path.iterdir()
    assert "first" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert accounts.forget("ada")
    assert not accounts.forget("ada")
    assert accounts.open("ada", "other password")


def test_wrong_passwords_are_counted_and_forgotten():
    now = [0.0]
    wrong = authenticator.FailedAttempts(3, 60, clock=lambda: now[0])
    for second in range(3):
        assert not wrong.too_many("ada")
        now[0] = second
        wrong.add("ada")
    assert wrong.too_many("ada")
    assert not wrong.too_many("bob")
    now[0] = 63
    assert not wrong.too_many("ada")
    assert not wrong.times


# --- kernels ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kernels(monkeypatch):
    """A learner's kernel manager that starts no processes: a start takes until `release` is set, and then may fail."""

    async def start(self, *, fail=False, **kwargs):
        await self.release.wait()
        if fail:
            raise OSError("no memory")
        self._kernels[f"kernel {len(self)}"] = None
        return f"kernel {len(self)}"

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
    monkeypatch.setenv("CLASSROOM_KERNELS", "3")
    manager = runpy.run_path(str(CLASSROOM / "server.py"), {"get_config": Config})["FewKernels"]()
    manager.release = asyncio.Event()
    return manager


async def start_at_once(manager, count, **kwargs):
    starts = [asyncio.create_task(manager.start_kernel(**kwargs)) for _ in range(count)]
    await asyncio.sleep(0)  # All have asked before the first has started.
    manager.release.set()
    return await asyncio.gather(*starts, return_exceptions=True)


def test_kernels_that_are_starting_count(kernels, run):
    answers = run(start_at_once(kernels, 6))
    assert len(kernels) == 3
    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert [refusal.status_code for refusal in refusals] == [409] * 3
    assert all("You have 3 notebooks running, and 3 are allowed" in refusal.log_message for refusal in refusals)


def test_a_start_that_fails_takes_no_place(kernels, run):
    assert [type(answer) for answer in run(start_at_once(kernels, 3, fail=True))] == [OSError] * 3
    run(start_at_once(kernels, 3))
    assert len(kernels) == 3


# --- lessons that are given out ---------------------------------------------------------------------------------------


@pytest.fixture
def given(tmp_path):
    """The lessons as they are given out, and a function that gives them to one learner."""
    lessons = tmp_path / "lessons"
    lessons.mkdir()

    def give():
        source = {f"notebooks/{path.name}": path for path in lessons.iterdir()}
        return distribute.give_out(source, tmp_path / "ada", tmp_path / "ada.json", "2026-11-24")

    give.lessons, give.mine = lessons, tmp_path / "ada/notebooks"
    return give


def test_a_lesson_that_was_not_touched_is_replaced(given):
    lesson, mine = given.lessons / "02.ipynb", given.mine / "02.ipynb"
    lesson.write_text("one")
    assert given() == []
    lesson.write_text("two")
    assert given() == []
    assert mine.read_text() == "two"
    assert [path.name for path in given.mine.iterdir()] == ["02.ipynb"]


def test_a_lesson_that_was_changed_is_never_overwritten(given):
    lesson, mine = given.lessons / "02.ipynb", given.mine / "02.ipynb"
    lesson.write_text("one")
    given()
    mine.write_text("ada's")
    assert given() == []
    lesson.write_text("two")
    assert given() == ["notebooks/02.new-2026-11-24.ipynb"]
    assert given() == [], "once for each version"
    (given.mine / "02.new-2026-11-24.ipynb").write_text("ada's, too")
    lesson.write_text("three")
    assert given() == ["notebooks/02.new-2026-11-24-2.ipynb"]
    kept = {path.name: path.read_text() for path in given.mine.iterdir()}
    assert kept == {
        "02.ipynb": "ada's",
        "02.new-2026-11-24.ipynb": "ada's, too",
        "02.new-2026-11-24-2.ipynb": "three",
    }


def test_what_stands_there_already_is_not_overwritten(given):
    given.mine.mkdir(parents=True)
    (given.mine / "02.ipynb").write_text("from elsewhere")
    (given.lessons / "02.ipynb").write_text("one")
    assert given() == ["notebooks/02.new-2026-11-24.ipynb"]
    assert (given.mine / "02.ipynb").read_text() == "from elsewhere"


def test_a_lesson_that_was_deleted_comes_again(given):
    (given.lessons / "02.ipynb").write_text("one")
    given()
    (given.mine / "02.ipynb").unlink()
    assert given() == []
    assert (given.mine / "02.ipynb").read_text() == "one"


def test_a_lost_record_loses_no_work(given, tmp_path):
    (given.lessons / "02.ipynb").write_text("one")
    given()
    (given.mine / "02.ipynb").write_text("ada's")
    (tmp_path / "ada.json").unlink()
    given()
    assert (given.mine / "02.ipynb").read_text() == "ada's"


# --- what is written for teachers and for larger hubs -----------------------------------------------------------------


def test_what_the_teacher_is_told_is_what_the_lessons_measure():
    quoted = re.findall(r"^> (.*)$", (CLASSROOM / "TEACHING.md").read_text("utf-8"), re.M)
    assert len(quoted) >= 10
    said = "\n".join(path.read_text("utf-8") for path in (ROOT / "notebooks/solutions").glob("*.ipynb"))
    for sentence in quoted:
        assert f"✓ {sentence} (" in said, sentence


@pytest.mark.parametrize("name", ["README.md", "TEACHING.md", "tljh.md"])
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", (CLASSROOM / name).read_text("utf-8")):
        assert (CLASSROOM / link).exists(), link


def test_each_option_that_the_readme_names_exists(capsys):
    with pytest.raises(SystemExit):
        launcher.read(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z][a-z-]+", (CLASSROOM / "README.md").read_text("utf-8")))
    assert len(named) > 8
    assert named <= known


def test_larger_hubs_give_each_kernel_one_thread_too():
    values = yaml.safe_load((CLASSROOM / "zero-to-jupyterhub.yaml").read_text("utf-8"))
    config = Config()
    runpy.run_path(str(CLASSROOM / "tljh_config.py"), {"get_config": lambda: config})
    for variables in (values["singleuser"]["extraEnv"], config.Spawner.environment):
        assert {**dict.fromkeys(launcher.THREADS, "1"), **launcher.QUIET}.items() <= variables.items()


def test_kubernetes_gets_the_authenticator_and_its_page_but_no_password():
    text = (CLASSROOM / "zero-to-jupyterhub.yaml").read_text("utf-8")
    hub = yaml.safe_load(text)["hub"]
    module, name = hub["config"]["JupyterHub"]["authenticator_class"].split(".")
    made = getattr({"authenticator": authenticator}[module], name)
    assert set(hub["config"][name]) <= set(made.class_trait_names(config=True)) - {"class_password"}
    assert f"hub.config.{name}.class_password" in text
    sent = dict(re.findall(r"--set-file hub\.extraFiles\.(\w+)\.stringData=classroom/(\S+)", text))
    assert set(sent) == set(hub["extraFiles"])
    for key, path in sent.items():
        assert (CLASSROOM / path).exists()
        mounted = Path(hub["extraFiles"][key]["mountPath"])
        folders = [hub["extraEnv"]["PYTHONPATH"], *hub["config"]["JupyterHub"]["template_paths"]]
        assert mounted.name == Path(path).name
        assert str(mounted.parent) in folders


def test_lessons_are_given_out_without_our_hub(tmp_path):
    command = [sys.executable, str(CLASSROOM / "distribute.py"), str(tmp_path)]
    mine = tmp_path / "notebooks/00_start_here.ipynb"
    assert subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout == ""
    mine.write_text("ada's")
    (tmp_path / ".given.json").unlink()
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert re.match(
        r"New version next to the changed one: notebooks/00_start_here\.new-\d{4}-\d\d-\d\d\.ipynb", done.stdout
    )
    assert mine.read_text() == "ada's"
    for name in ("tljh_config.py", "zero-to-jupyterhub.yaml"):
        (script,) = re.findall(r"python3? \S*/(classroom/\w+\.py)", (CLASSROOM / name).read_text("utf-8"))
        assert (ROOT / script).exists()

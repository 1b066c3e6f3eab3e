"""A class at a real JupyterHub: who comes in, whose work is whose, and what outlives a kernel and the hub."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest
import yaml
from learner import OWN, PASSWORD, Hub, Refused

ROOT = Path(__file__).resolve().parent.parent
CLASSROOM = ROOT / "classroom"
sys.path.insert(0, str(CLASSROOM))

import copies  # noqa: E402
import door  # noqa: E402
import hub as launcher  # noqa: E402

LESSON = "notebooks/02_activations.ipynb"


def start(*arguments, **variables):
    """Run hub.py to its end, which is where it refuses."""
    command = [sys.executable, str(CLASSROOM / "hub.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("class") / "data", "--kernels", "2")
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def loop():
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module")
def ada(hub, loop):
    """A learner who has logged in and opened a lesson."""
    learner = hub.learner("ada")
    loop(learner.__aenter__())
    loop(learner.log_in())
    loop(learner.open(LESSON))
    yield learner
    loop(learner.__aexit__())


def first_cell(loop, learner):
    book = loop(learner.read(LESSON))
    return next(cell for cell in book["cells"] if cell["cell_type"] == "code")["source"]


def said(loop, learner, source):
    """What a cell prints, or its error."""
    reply = loop(learner.run(source))
    return "".join(learner.said) if reply["status"] == "ok" else f"{reply['ename']}: {reply['evalue']}"


def refused(loop, learner):
    async def knock():
        async with learner:
            await learner.sign_in()

    with pytest.raises(Refused) as why:
        loop(knock())
    return str(why.value)


# --- what hub.py refuses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("password", ["", "1234567"])
def test_a_short_class_password_is_refused(tmp_path, ip, password):
    (tmp_path / "password").write_text(password)
    done = start("--allow-root", "--ip", ip, "--data", tmp_path / "data", "--password-file", tmp_path / "password")
    assert done.returncode == 1
    assert f"has {len(password)} characters; it needs 8 to 200" in done.stderr
    assert "Traceback" not in done.stderr
    assert start("--allow-root", "--data", tmp_path / "data", CLASS_PASSWORD=password).returncode == 1


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
def test_what_is_not_allowed_gets_a_sentence(tmp_path, arguments, sentence):
    done = start("--allow-root", "--data", tmp_path / "data", *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start("--allow-root", "--data", tmp_path / "data", "--port", port)
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr


def test_root_is_refused_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 0)
    with pytest.raises(launcher.Stop, match="You are root"):
        launcher.main(["--data", str(tmp_path / "data")])


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


# --- names, passwords, copies ----------------------------------------------------------------------------------------


def test_names():
    for name in ("ada", "a", "ada.l", "ada-l_2", "7", "a" * 30):
        assert door.is_name(name), name
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
        assert not door.is_name(name), name


def test_a_made_up_password_is_long_enough_and_new():
    made = {door.generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", password) for password in made)


def test_an_account_is_its_first_password(tmp_path):
    accounts = door.Accounts(tmp_path)
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
    wrong = door.Wrong(3, 60, clock=lambda: now[0])
    for second in range(3):
        assert not wrong.too_many("ada")
        now[0] = second
        wrong.add("ada")
    assert wrong.too_many("ada")
    assert not wrong.too_many("bob")
    now[0] = 63
    assert not wrong.too_many("ada")
    assert not wrong.times


@pytest.fixture
def given(tmp_path):
    """The lessons as they are given out, and a function that gives them to one learner."""
    lessons = tmp_path / "lessons"
    lessons.mkdir()

    def give():
        source = {f"notebooks/{path.name}": path for path in lessons.iterdir()}
        return copies.give_out(source, tmp_path / "ada", tmp_path / "ada.json", "2026-11-24")

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


# --- the door --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "password", "own", "sentence"),
    [
        ("eve", "wrong-password", OWN, "Wrong class password. Ask your teacher."),
        ("eve", "", OWN, "Wrong class password. Ask your teacher."),
        ("eve", "None", OWN, "Wrong class password. Ask your teacher."),
        ("eve", PASSWORD, "", "Your own password: has 8 to 200 characters."),
        ("eve", PASSWORD, "x" * 201, "Your own password: has 8 to 200 characters."),
        ("../eve", PASSWORD, OWN, "A name has up to 30 letters"),
        ("", PASSWORD, OWN, "A name has up to 30 letters"),
        ("<script>", PASSWORD, OWN, "A name has up to 30 letters"),
    ],
)
def test_the_door_stays_shut(hub, loop, name, password, own, sentence):
    assert sentence in refused(loop, hub.learner(name, own, password))
    assert list((hub.data / "learners").glob("*eve*")) == []


def test_the_first_own_password_keeps_the_name(hub, loop, ada):
    assert "Somebody has the name ada already" in refused(loop, hub.learner("ada", "another password"))
    assert "Somebody has the name ada already" in refused(loop, hub.learner("ADA", "another password"))


def test_a_reset_lets_a_learner_choose_anew(hub, loop):
    async def knock(own):
        async with hub.learner("carl", own) as learner:
            await learner.sign_in()

    loop(knock("the old password"))
    done = start("--data", hub.data, "--reset", "carl")
    assert (done.returncode, done.stderr) == (0, "")
    loop(knock("the new password"))
    assert "Somebody has" in refused(loop, hub.learner("carl", "the old password"))


def test_it_listens_to_this_machine_only(hub, ada):
    ports = {}
    for process in [psutil.Process(hub.process.pid), *psutil.Process(hub.process.pid).children(recursive=True)]:
        for one in process.net_connections("inet"):
            if one.status == psutil.CONN_LISTEN:
                ports[one.laddr.port] = one.laddr.ip
    assert {hub.port, hub.port + 1, hub.port + 2} <= set(ports)
    assert set(ports.values()) == {"127.0.0.1"}


def test_only_this_user_can_read_what_the_class_keeps(hub, ada):
    assert stat.S_IMODE(hub.data.stat().st_mode) == 0o700
    secrets = list((hub.data / "secret").iterdir())
    assert {path.name for path in secrets} == {"class_password", "cookie_secret", "proxy_token"}
    for path in [*secrets, *(hub.data / "accounts").iterdir(), hub.data / "hub.sqlite"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert OWN.encode() not in b"".join(path.read_bytes() for path in hub.data.rglob("*") if path.is_file())


# --- at work ---------------------------------------------------------------------------------------------------------


def test_a_learner_gets_the_lessons_without_answers(hub, ada):
    files = hub.data / "learners/ada/files"
    got = sorted(str(path.relative_to(files)) for path in files.rglob("*.ipynb"))
    assert got == sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_the_lab_of_a_lesson_answers(loop, ada):
    assert loop(ada.run(first_cell(loop, ada)))["status"] == "ok", ada.said
    loop(ada.tell_lab(action="size", width=700, scale=1, dark=False))
    assert 0 < loop(ada.move("depth", 2)) < 60
    assert "what there is to learn" in loop(ada.finished())


def test_a_kernel_is_bounded(loop, ada):
    names = "import os; print(*(os.environ[n] for n in ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OMP_NUM_THREADS')))"
    assert said(loop, ada, names) == "1 1 1\n"
    assert "MemoryError" in said(loop, ada, "import numpy; numpy.ones(10**10)")
    assert said(loop, ada, "print(1)") == "1\n", "the kernel lives on"


def test_a_notebook_too_many_is_refused_until_one_is_shut_down(loop, ada):
    def book(name):
        return {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}

    other = loop(ada.api("POST", "sessions", book("other.ipynb")))
    with pytest.raises(RuntimeError, match="409.*You have 2 notebooks running, and 2 are allowed"):
        loop(ada.api("POST", "sessions", book("third.ipynb")))
    loop(ada.api("DELETE", f"sessions/{other['id']}"))
    third = loop(ada.api("POST", "sessions", book("third.ipynb")))
    loop(ada.api("DELETE", f"sessions/{third['id']}"))


def test_an_interrupt_reaches_the_kernel(loop, ada):
    async def interrupted():
        running = asyncio.create_task(ada.run("import time\nfor _ in range(600): time.sleep(0.1)"))
        await asyncio.sleep(1)
        await ada.api("POST", f"kernels/{ada.kernel}/interrupt")
        return await running

    assert loop(interrupted())["ename"] == "KeyboardInterrupt"


def test_nobody_sees_what_another_does(hub, loop, ada):
    async def peep():
        async with hub.learner("bob", "own password of bob") as bob:
            await bob.log_in()
            own = (hub.data / "learners/bob/files").exists()
            async with bob.browser.get(f"{ada.base}/api/contents/{LESSON}") as answer:
                status = answer.status
            async with bob.browser.post(f"{bob.base}/api/terminals", headers=bob.xsrf()) as terminal:
                return own, status, terminal.status

    own, status, terminal = loop(peep())
    assert own
    assert status in (403, 404)
    assert terminal == 404


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_saved_work_is_lost_when_a_kernel_and_the_hub_are_killed(hub, loop, ada):
    book = loop(ada.read(LESSON))
    book["cells"][0]["source"] = "Ada was here."
    loop(ada.save(LESSON, book))
    path = hub.data / "learners/ada/files" / LESSON
    saved = digest(path)

    # A kernel: Jupyter starts it anew, under the same name.
    old = said(loop, ada, "import os; print(os.getpid())")
    os.kill(int(old), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(RuntimeError, OSError, aiohttp.ClientError):
            loop(ada.listen())
            loop(ada.run("kept = 'in memory'", seconds=10))
            break
        assert time.monotonic() < deadline, "the kernel did not come again"
    new = said(loop, ada, "import os; print(os.getpid())")
    assert new != old
    assert digest(path) == saved

    # The hub: the learner's server and kernel live on, and are found again.
    hub.kill()
    assert said(loop, ada, "print(kept)") == "in memory\n"
    hub.start()

    async def back():
        async with hub.learner("ada") as again:
            await again.log_in()
            await again.open(LESSON)
            reply = await again.run("print(kept)")
            return reply["status"], again.said, (await again.read(LESSON))["cells"][0]["source"]

    assert loop(back()) == ("ok", ["in memory\n"], "Ada was here.")
    assert "Somebody has the name ada already" in refused(loop, hub.learner("ada", "another password"))
    assert digest(path) == saved


def test_a_changed_lesson_survives_a_new_server(hub, loop):
    async def twice():
        async with hub.learner("bob", "own password of bob") as bob:
            await bob.log_in()
            book = await bob.read(LESSON)
            book["cells"][0]["source"] = "Bob was here."
            await bob.save(LESSON, book)
            xsrf = bob.xsrf(f"{hub.address}/hub/")
            async with bob.browser.delete(f"{hub.address}/hub/api/users/bob/server", headers=xsrf) as answer:
                assert answer.status in (202, 204), await answer.text()
            await (await bob.browser.get(f"{hub.address}/hub/spawn")).read()
            await bob.server()
            return (await bob.read(LESSON))["cells"][0]["source"]

    assert loop(twice()) == "Bob was here."


# --- what is written for teachers and for larger hubs ----------------------------------------------------------------


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


def test_every_option_has_a_help_and_the_readme_knows_the_main_ones():
    told = start("--help").stdout
    text = (CLASSROOM / "README.md").read_text("utf-8")
    for option in (
        "--ip",
        "--password-file",
        "--data",
        "--memory",
        "--kernels",
        "--learners",
        "--idle",
        "--solutions",
        "--reset",
    ):
        assert option in told
        assert option in text


def test_the_values_for_kubernetes():
    text = (CLASSROOM / "zero-to-jupyterhub.yaml").read_text("utf-8")
    values = yaml.safe_load(text)
    single, config = values["singleuser"], values["hub"]["config"]
    assert single["memory"] == {"guarantee": "1G", "limit": "2.5G"}
    assert single["cpu"] == {"guarantee": 0.25, "limit": 2}
    assert {name: single["extraEnv"][name] for name in launcher.THREADS} == dict.fromkeys(launcher.THREADS, "1")
    assert values["cull"]["enabled"]
    assert config["JupyterHub"]["authenticator_class"] == "door.ClassDoor"
    assert set(config["ClassDoor"]) == {"accounts_folder"}, "no password stands in the file"
    for name, path in (("door", "door.py"), ("login", "templates/login.html")):
        assert f"hub.extraFiles.{name}.stringData=classroom/{path}" in text
        assert values["hub"]["extraFiles"][name]["mountPath"].endswith(path)
        assert (CLASSROOM / path).exists()


def test_lessons_are_given_out_without_our_hub(tmp_path):
    command = [sys.executable, str(CLASSROOM / "copies.py"), str(tmp_path)]
    mine = tmp_path / "notebooks/00_start_here.ipynb"
    assert subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout == ""
    mine.write_text("ada's")
    (tmp_path / ".given.json").unlink()
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert re.match(r"New beside the changed one: notebooks/00_start_here\.new-\d{4}-\d\d-\d\d\.ipynb", done.stdout)
    assert mine.read_text() == "ada's"
    config = (CLASSROOM / "tljh_config.py").read_text("utf-8")
    assert "classroom/copies.py" in config
    compile(config, "tljh_config.py", "exec")

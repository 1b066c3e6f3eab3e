"""A class at a real JupyterHub: who comes in, whose work is whose, and what outlives a kernel and the hub."""

import asyncio
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from learner import OWN, Hub, Refused

ROOT = Path(__file__).resolve().parent.parent
LESSON = "notebooks/02_activations.ipynb"


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


# --- who may log in --------------------------------------------------------------------------------------------------


def test_the_login_page_says_why_it_refuses(hub, loop):
    assert "Wrong class password. Ask your teacher." in refused(loop, hub.learner("eve", password="wrong-password"))
    assert "A name has up to 30 letters" in refused(loop, hub.learner("<script>"))
    assert list((hub.data / "learners").glob("*eve*")) == []


def test_the_first_own_password_keeps_the_name(hub, loop, ada):
    assert "Somebody has the name ada already" in refused(loop, hub.learner("ada", "another password"))
    assert "Somebody has the name ada already" in refused(loop, hub.learner("ADA", "another password"))


def test_a_reset_lets_a_learner_choose_anew(hub, loop):
    async def knock(own):
        async with hub.learner("carl", own) as learner:
            await learner.sign_in()

    loop(knock("the old password"))
    command = [sys.executable, str(ROOT / "classroom/hub.py"), "--data", str(hub.data), "--reset", "carl"]
    subprocess.run(command, check=True)
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
    loop(ada.run_to_lab(LESSON))
    loop(ada.move("depth", 2))
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
        running = asyncio.create_task(ada.run("import time\nprint('at work')\nfor _ in range(6000): time.sleep(0.1)"))
        await ada.hears("at work")
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


def until(condition, otherwise):
    """Wait for something that happens in other processes."""
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_saved_work_is_lost_when_a_kernel_and_the_hub_are_killed(hub, loop, ada):
    book = loop(ada.read(LESSON))
    book["cells"][0]["source"] = "Ada was here."
    loop(ada.save(LESSON, book))
    path = hub.data / "learners/ada/files" / LESSON
    saved = digest(path)

    # A kernel: Jupyter restarts it under the same name.
    old = said(loop, ada, "import os; print(os.getpid())")
    os.kill(int(old), signal.SIGKILL)
    until(lambda: hub.kernel_processes(ada.kernel) not in ([], [int(old)]), "the kernel did not come again")
    loop(ada.listen())
    loop(ada.run("kept = 'in memory'"))
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


@pytest.mark.nightly
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

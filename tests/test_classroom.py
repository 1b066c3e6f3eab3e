"""The classroom without a hub: who comes in, how many kernels a learner may start, and how the lessons are given out."""

import asyncio
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
CLASSROOM = ROOT / "classroom"
sys.path.insert(0, str(CLASSROOM))

import door  # noqa: E402

PASSWORD = "the-class-password"
OWN = "a password of my own"


# --- who comes in -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run():
    """Runs a coroutine; all of a test in one event loop, as in a server."""
    with asyncio.Runner() as runner:
        yield runner.run


class Entrance:
    """The authenticator on a clock of its own, and what it says to attempts that come at the same time."""

    def __init__(self, folder, run):
        self.now, self.run = 0.0, run
        self.door = door.ClassDoor(class_password=PASSWORD, accounts_folder=str(folder), pause=0)
        for wrong in (self.door.by_name, self.door.by_address):
            wrong.clock = lambda: self.now

    async def attempt(self, name, own=OWN, password=PASSWORD, address="10.0.0.1"):
        """ "" or why not."""
        handler = SimpleNamespace(request=SimpleNamespace(remote_ip=address))
        try:
            assert await self.door.authenticate(handler, {"username": name, "password": password, "own": own}) == name
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
    monkeypatch.setattr(door, "SCRYPT", {"n": 2, "r": 8, "p": 1})  # The tests count attempts, not how long each takes.
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
    entrance.attempts({"name": "ada"}, *[{"name": "ada", "own": "a wrong guess"}] * 10)
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


def test_of_two_who_take_a_name_at_once_one_has_it(entrance):
    answers = entrance.attempts(*({"name": "ada", "own": f"password of {number}"} for number in range(2)))
    assert sorted(answers)[0] == ""
    assert judged(answers) == 1


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

"""Who may log in: everybody with the class password, each under a name that a password of their own protects.

The first learner who logs in with a name, the class password and a new password of their own has the name. From then on it takes all
three. The own passwords are stored as scrypt hashes, one file for each name. A learner who forgets theirs can choose a new one after the
teacher has removed that file (`python run.py hub --reset NAME`).
"""

import asyncio
import collections
import hashlib
import hmac
import os
import re
import secrets
import time
from pathlib import Path

from jupyterhub.auth import Authenticator
from tornado.web import HTTPError
from traitlets import Integer, Unicode

SHORTEST = 8  # characters of a password
LONGEST = 200
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,29}")
NAME_RULE = "A name has up to 30 letters a-z, digits, dots, - and _, and begins with a letter or a digit."
PASSWORD_RULE = f"A password has {SHORTEST} to {LONGEST} characters."
TOO_MANY = "Too many wrong passwords. Wait five minutes, then try again."
SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # 16 MB and 50 ms for each attempt


def is_name(name):
    """Whether it can be a learner's name, and so the name of a folder."""
    return bool(NAME.fullmatch(name)) and ".." not in name and not name.endswith(".")


def generate_password():
    """A class password that can be read aloud: three groups of four, no letters that look alike."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))


def hashed(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)


class Accounts:
    """The own passwords, hashed, one file for each name."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def open(self, name, password):
        """Whether the password is that of the name; a name that nobody has yet gets it."""
        path = self.folder / name
        salt = secrets.token_bytes(16)
        line = f"{salt.hex()} {hashed(password, salt).hex()}\n".encode()
        new = self.folder / f".{name}.{secrets.token_hex(8)}"
        new.touch(0o600)
        new.write_bytes(line)
        try:
            os.link(new, path)  # fails if there is one: of two who come at once, one has the name
            return True
        except FileExistsError:
            salt, known = map(bytes.fromhex, path.read_text().split())
            return hmac.compare_digest(known, hashed(password, salt))
        finally:
            new.unlink()

    def forget(self, name):
        """Take the password from a name, so that the next who comes chooses one. Whether there was one."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True


class FailedAttempts:
    """Counts wrong passwords by name or by address: after too many, further ones are refused for a while.

    An attempt that is being checked counts as wrong until it turns out right, so that attempts at the same time cannot exceed the limit.
    """

    def __init__(self, most, seconds, clock=time.monotonic):
        self.most, self.seconds, self.clock = most, seconds, clock
        self.times = collections.defaultdict(collections.deque)

    def _recent(self, key):
        times = self.times[key]
        while times and times[0] < self.clock() - self.seconds:
            times.popleft()
        if not times:
            del self.times[key]
        return times

    def add(self, key):
        """Count an attempt. Returns its time, with which it can be forgiven."""
        now = self.clock()
        self.times[key].append(now)
        if len(self.times) > 10_000:  # from made-up names
            for old in list(self.times):
                self._recent(old)
        return now

    def forgive(self, key, time):
        """Count an attempt no longer: it was right."""
        times = self._recent(key)
        if time in times:  # else it was so long ago that it no longer counts anyway
            times.remove(time)
        self._recent(key)

    def too_many(self, key):
        return len(self._recent(key)) >= self.most


class ClassAuthenticator(Authenticator):
    """The class password and a password of one's own."""

    class_password = Unicode(config=True, help="What everybody in the room knows.")
    accounts_folder = Unicode(config=True, help="Where the hashes of the own passwords are kept.")
    pause = Integer(1, config=True, help="Seconds after which a wrong password is answered.")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.allow_all = True  # anyone who knows the class password
        self.by_name = FailedAttempts(10, 300)
        self.by_address = FailedAttempts(60, 60)  # a whole class may come from one address
        # Two at a time, however many ask: each takes a core and 16 MB.
        self.hashing = asyncio.Semaphore(2)

    def validate_username(self, username):
        return is_name(username)

    async def authenticate(self, handler, data):
        """The name of who may log in; otherwise the login page says why not."""
        name = self.normalize_username(data.get("username", "").strip())
        given, own = data.get("password", ""), data.get("own", "")
        address = handler.request.remote_ip
        refusal = await self._refusal(name, given, own, address)
        if refusal:
            raise HTTPError(403, refusal)
        return name

    async def _refusal(self, name, given, own, address):
        """Why somebody does not come in, in a sentence; "" if they do."""
        if self.by_address.too_many(address):
            return TOO_MANY
        if not is_name(name):
            return NAME_RULE
        if not SHORTEST <= len(own) <= LONGEST:
            return f"Your own password: {PASSWORD_RULE[11:]}"
        if not self.class_password or not hmac.compare_digest(given.encode(), self.class_password.encode()):
            # It does not count against the name: else anyone, not only the class, could keep a learner out.
            self.by_address.add(address)
            why = "Wrong class password. Ask your teacher."
        else:
            why = await self._own_refusal(name, own, address)
        if why and why != TOO_MANY:
            await asyncio.sleep(self.pause)
        return why

    async def _own_refusal(self, name, own, address):
        """The same for somebody who knows the class password."""
        async with self.hashing:
            # Only now, since the attempts that were waiting before this one have been counted meanwhile.
            if self.by_address.too_many(address) or self.by_name.too_many(name):
                return TOO_MANY
            by_address, by_name = self.by_address.add(address), self.by_name.add(name)
            opened = await asyncio.to_thread(Accounts(self.accounts_folder).open, name, own)
        if not opened:
            return f"Somebody has the name {name} already, with another password. If it is not you, take another name."
        self.by_address.forgive(address, by_address)
        self.by_name.forgive(name, by_name)
        return ""

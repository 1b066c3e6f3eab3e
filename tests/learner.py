"""A hub of its own, and learners without a screen, who send to it and to the lab what a browser sends."""

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import defaultdict
from pathlib import Path

import aiohttp
import psutil
from yarl import URL

ROOT = Path(__file__).resolve().parent.parent
LAB = "helpers.lab.lab.LabView"
PASSWORD = "the-class-password"
OWN = "a password of my own"


def free_ports():
    """Three ports in a row that nobody uses."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            for number in (port, port + 1, port + 2):
                open_ones.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return port


class Hub:
    """A hub with a folder of its own."""

    def __init__(self, data, *options):
        self.data, self.options, self.port = data, options, free_ports()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = data.with_suffix(".log")
        self.process = None

    def start(self):
        secret = self.data.with_name("class password.txt")
        secret.write_text(PASSWORD + "\n")
        options = ["--allow-root", "--port", str(self.port), "--data", str(self.data), "--password-file", str(secret)]
        command = [sys.executable, str(ROOT / "classroom" / "hub.py"), *options, *self.options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 90
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The hub did not start:\n{self.log.read_text()}")
            time.sleep(0.3)

    def answers(self):
        try:
            return urllib.request.urlopen(f"{self.address}/hub/login", timeout=5).status == 200
        except OSError:
            return False

    def kill(self):
        """As if it crashed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Stop it, and all that outlives it."""
        self.process.terminate()
        self.process.wait(timeout=60)
        for process in self.learners_processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def learners_processes(self):
        """The servers and kernels of all learners, known by their home folders."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME", "").startswith(str(self.data)):
                    found.append(process)
        return found

    def kernel_processes(self, kernel):
        """The process numbers of a kernel, by its name: one, except while it is restarted."""
        found = []
        for process in self.learners_processes():
            with contextlib.suppress(psutil.Error):
                if kernel in " ".join(process.cmdline()):
                    found.append(process.pid)
        return found

    def learner(self, name, own=OWN, password=PASSWORD):
        return Learner(self.address, name, password, own)


class Refused(Exception):
    """The login page said no, and why."""


class Learner:
    """One learner's browser: cookies, a server, a kernel, a lab.

    >>> async with Learner("http://127.0.0.1:8000", "ada", "class password", "own password") as ada:
    ...     await ada.log_in()
    ...     await ada.open("notebooks/02_activations.ipynb")
    ...     await ada.run_to_lab("notebooks/02_activations.ipynb")
    ...     seconds = await ada.move("depth", 1)
    """

    def __init__(self, hub, name, class_password, own):
        self.hub, self.name, self.class_password, self.own = hub, name, class_password, own
        self.base = f"{hub}/user/{name}"
        self.browser = self.kernel = self.socket = self.session = self.lab = None
        self.generation = 0
        self.controls = {}
        self.frames = {}  # the newest frame of each generation, when it came
        self.replies = {}
        self.told = defaultdict(list)  # streams and errors of each request
        self.idle = set()  # requests after which nothing more comes
        self.said = []  # those of the last cell
        self._changed = asyncio.Event()
        self._reader = None

    async def __aenter__(self):
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name
        self.browser = aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=180))
        return self

    async def __aexit__(self, *error):
        if self._reader is not None:
            self._reader.cancel()
        if self.browser is not None:
            await self.browser.close()

    # --- the hub -----------------------------------------------------------------------------------------------------

    async def sign_in(self):
        """Fill in the login page; Refused with its sentence."""
        async with self.browser.get(f"{self.hub}/hub/login") as answer:
            xsrf = re.search(r'name="_xsrf" value="([^"]*)"', await answer.text()).group(1)
        form = {"_xsrf": xsrf, "username": self.name, "password": self.class_password, "own": self.own}
        async with self.browser.post(f"{self.hub}/hub/login?next=/hub/home", data=form) as answer:
            page = await answer.text()
            if answer.status != 200 or "/hub/home" not in str(answer.url):
                said = re.search(r'<p class="login_error">(.*?)</p>', page, re.S)
                raise Refused(said.group(1).strip() if said else f"{answer.status} {answer.url}")

    async def log_in(self, seconds=180):
        """Sign in, have the server started, and wait until it answers."""
        await self.sign_in()
        await (await self.browser.get(f"{self.hub}/hub/spawn")).read()
        await self.server(seconds)

    async def server(self, seconds=180):
        """Wait until the learner's own server answers."""
        deadline = time.monotonic() + seconds
        while True:
            async with self.browser.get(f"{self.base}/lab/tree/notebooks/00_start_here.ipynb") as answer:
                if answer.status == 200 and answer.url.path.startswith(f"/user/{self.name}/lab"):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"The server of {self.name} did not start: {answer.status} {answer.url}")
            await asyncio.sleep(0.5)

    def xsrf(self, address=None):
        """The header that shows that a request comes from a page of the learner's server, or of another address."""
        cookies = self.browser.cookie_jar.filter_cookies(URL(address or f"{self.base}/api"))
        return {"X-XSRFToken": cookies["_xsrf"].value}

    async def api(self, method, path, value=None, status=(200, 201, 204)):
        """Ask the learner's server; returns what it answers."""
        async with self.browser.request(method, f"{self.base}/api/{path}", json=value, headers=self.xsrf()) as answer:
            text = await answer.text()
            if answer.status not in status:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]}")
            return json.loads(text) if text else None

    # --- the notebook ------------------------------------------------------------------------------------------------

    async def read(self, path):
        return (await self.api("GET", f"contents/{path}"))["content"]

    async def save(self, path, content):
        return await self.api("PUT", f"contents/{path}", {"type": "notebook", "format": "json", "content": content})

    async def open(self, path):
        """Start the kernel of a notebook and listen to it."""
        value = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        self.session = await self.api("POST", "sessions", value)
        self.kernel = self.session["kernel"]["id"]
        await self.listen()

    async def listen(self):
        """Join the kernel's channels, also again after they broke off."""
        if self._reader is not None:
            self._reader.cancel()
        address = f"{self.base}/api/kernels/{self.kernel}/channels?session_id={secrets.token_hex(8)}"
        self.socket = await self.browser.ws_connect(address, max_msg_size=0, heartbeat=30, headers=self.xsrf())
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        """Take what comes until the connection breaks."""
        async for message in self.socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                data = message.data
                count = int.from_bytes(data[:4], "big")
                first, last = (int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in (0, 1))
                self._take(json.loads(data[first : last if count > 1 else None]))
            elif message.type == aiohttp.WSMsgType.TEXT:
                self._take(json.loads(message.data))
        self._changed.set()

    def _take(self, message):
        kind, content = message["header"]["msg_type"], message["content"]
        asked = message["parent_header"].get("msg_id")
        data = content.get("data", {})
        if kind == "execute_reply":
            self.replies[asked] = content
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle.add(asked)
        elif kind in ("stream", "error"):
            self.told[asked].append(content.get("text") or "\n".join(content["traceback"]))
        elif kind == "comm_open" and data["state"].get("_anywidget_id") == LAB:
            self.lab = content["comm_id"]
            self._state(data["state"])
        elif kind == "comm_msg" and content["comm_id"] == self.lab and data.get("method") == "update":
            self._state(data["state"])
        self._changed.set()

    def _state(self, state):
        if "controls" in state:
            self.controls = {row["name"]: row for row in state["controls"].get("rows", [])}
        if "state" in state and "frame" in state["state"]:
            self.frames[state["state"]["generation"]] = time.monotonic(), state["state"]

    async def _until(self, condition, seconds):
        async with asyncio.timeout(seconds):
            while not condition():
                if self._reader.done():
                    raise ConnectionResetError(f"The connection to the kernel of {self.name} broke off.")
                self._changed.clear()
                await self._changed.wait()

    async def _send(self, kind, content, channel="shell"):
        header = {
            "msg_id": uuid.uuid4().hex,
            "username": self.name,
            "session": "learner",
            "msg_type": kind,
            "version": "5.4",
        }
        header["date"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
            "channel": channel,
        }
        await self.socket.send_str(json.dumps(message))
        return header["msg_id"]

    async def run(self, source, seconds=180):
        """Run a cell and return its reply."""
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        sent = await self._send("execute_request", content)
        await self._until(lambda: sent in self.replies and sent in self.idle, seconds)
        self.said = self.told.pop(sent, [])
        return self.replies.pop(sent)

    async def hears(self, text, seconds=180):
        """Wait until a cell that is still running has printed a text."""
        await self._until(lambda: any(text in "".join(told) for told in self.told.values()), seconds)

    # --- the lab -----------------------------------------------------------------------------------------------------

    async def run_to_lab(self, path, **size):
        """Run the cells that make up a lesson's first lab, and tell it its size."""
        for cell in (await self.read(path))["cells"]:
            if cell["cell_type"] == "code" and "dashboard-1" in cell["metadata"].get("tags", []):
                reply = await self.run(cell["source"])
                if reply["status"] != "ok":
                    raise RuntimeError(f"{reply['ename']}: {reply['evalue']}")
        await self.tell_lab(action="size", **{"width": 700, "scale": 1, "dark": False, **size})

    async def tell_lab(self, **message):
        if self.lab is None:
            raise RuntimeError(f"No cell that {self.name} ran has shown a lab.")
        self.generation += 1
        data = {"method": "custom", "content": {**message, "generation": self.generation}}
        await self._send("comm_msg", {"comm_id": self.lab, "data": data})
        return self.generation

    async def move(self, name, index, seconds=180):
        """Move a control and return the seconds until the first frame of the new setting."""
        start = time.monotonic()
        asked = await self.tell_lab(action="set", indices={name: index})
        await self._until(lambda: asked in self.frames, seconds)
        return self.frames[asked][0] - start

    async def finished(self, seconds=180):
        """Wait until the last training is done; returns what the lab says."""
        asked = self.generation
        await self._until(lambda: asked in self.frames and not self.frames[asked][1]["running"], seconds)
        return self.frames[asked][1]["text"]

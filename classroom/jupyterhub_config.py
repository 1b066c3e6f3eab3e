"""JupyterHub for a class in one room. Started by hub.py, which hands over what was asked for in $CLASSROOM."""

import asyncio
import json
import os
import sys
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from authenticator import ClassAuthenticator  # noqa: E402
from distribute import give_out, lessons  # noqa: E402

asked = json.loads(os.environ["CLASSROOM"])
data = Path(asked["data"])
secret = data / "secret"


class LearnerSpawner(SimpleLocalProcessSpawner):
    """A learner's server: a process of this machine, in a folder of its own below data/learners/."""

    async def start(self):
        # Threads, because the hub answers others meanwhile.
        await asyncio.to_thread(self.prepare)
        return await super().start()

    def prepare(self):
        home = Path(self.home_dir)
        log = (data / "log" / f"{self.user.name}.log").open("ab")
        self.popen_kwargs = {"stdout": log, "stderr": log}
        (home / "files").mkdir(parents=True, exist_ok=True)
        os.chmod(home, 0o700)
        record = data / "given" / f"{self.user.name}.json"
        copies = give_out(lessons(asked["solutions"]), home / "files", record)
        if copies:
            self.log.warning(
                "%s has changed lessons; the new versions are next to them: %s", self.user.name, ", ".join(copies)
            )


c = get_config()  # noqa: F821 — given by JupyterHub

c.JupyterHub.bind_url = f"{'https' if asked['ssl_cert'] else 'http'}://{asked['ip']}:{asked['port']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{asked['port'] + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{asked['port'] + 2}"
c.ConfigurableHTTPProxy.command = asked["proxy"]
c.ConfigurableHTTPProxy.auth_token = (secret / "proxy_token").read_text().strip()
c.ConfigurableHTTPProxy.pid_file = str(data / "proxy.pid")
c.JupyterHub.cookie_secret_file = str(secret / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{data}/hub.sqlite"
c.JupyterHub.ssl_key, c.JupyterHub.ssl_cert = asked["ssl_key"], asked["ssl_cert"]
c.JupyterHub.template_paths = [str(HERE / "templates")]
c.JupyterHub.template_vars = {"solutions": asked["solutions"]}
c.JupyterHub.log_level = "WARN"
c.ConfigurableHTTPProxy.log_level = "warn"
# The learners' servers outlive the hub: whatever happens to it, it finds them again.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.active_server_limit = asked["learners"]
c.JupyterHub.allow_named_servers = False

c.JupyterHub.authenticator_class = ClassAuthenticator
c.ClassAuthenticator.class_password = (secret / "class_password").read_text().strip()
c.ClassAuthenticator.accounts_folder = str(data / "accounts")
c.Authenticator.delete_invalid_users = False
c.Authenticator.admin_users = set()

c.JupyterHub.spawner_class = LearnerSpawner
c.LearnerSpawner.home_dir_template = str(data / "learners" / "{username}")
c.Spawner.notebook_dir = "~/files"
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.ip = "127.0.0.1"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [f"--config={HERE / 'server.py'}", *(["--allow-root"] if os.getuid() == 0 else [])]
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 120
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL", "TZ"]
c.Spawner.environment = {
    "PYTHONPATH": str(ROOT),
    "JUPYTER_PATH": str(data / "share"),
    # Else each learner's first picture waits until matplotlib has looked at all fonts.
    "MPLCONFIGDIR": str(data / "matplotlib"),
    "LAB_PREPARES": "0",
    "CLASSROOM_KERNELS": str(asked["kernels"]),
    "CLASSROOM_IDLE": str(asked["idle"]),
    **asked["threads"],
}

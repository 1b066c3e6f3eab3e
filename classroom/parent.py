"""The parent of a class's servers and kernels: it imports JupyterLab, TensorFlow and the helpers once, and forks.

What is forked starts in a fraction of a second and shares the memory of what was imported with all others. That is safe while
the parent has one thread and has run no TensorFlow operation: TensorFlow starts its threads with the first one. The parent
looks at its threads, and does not serve if there are more; servers and kernels then start by themselves (stand_in.py).

A request is read by the child. The parent only accepts and forks, so that no request can harm it.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
from pathlib import Path

MODULES = (
    "jupyterhub.singleuser",
    "jupyterhub.singleuser.extension",
    "jupyter_server.serverapp",
    "jupyterlab.labapp",
    "jupyter_lsp.serverextension",
    "notebook_shim",
    "nbconvert",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipywidgets",
    "anywidget",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib_inline.config",
    "helpers",
    "helpers.figures",
    "helpers.teaching",
    "helpers.doctor",
)
LARGEST = 1 << 20  # bytes of a request


def main(path):
    """Serve the socket at `path` as long as the hub is there, and after its crash as long as somebody works."""
    hub = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # end at once, also where a shell has started the hub without SIGINT
    lock = wait_for_turn(Path(path).with_name("parent.lock"))
    sys.path[:] = [entry for entry in sys.path if Path(entry) != Path(__file__).parent]  # kernels do not have it either
    for module in MODULES:
        importlib.import_module(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(
            f"The parent of the kernels has {threads} threads and cannot fork safely. Kernels start by themselves."
        )
    gc.collect()
    gc.freeze()  # the collector would write to each shared page
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    listener.settimeout(1)
    while os.getppid() == hub or has_children():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            lock.close()
            become(connection)
        connection.close()


def wait_for_turn(path):
    """Wait while the parent from before a crash of the hub serves: its kernels share its memory, not that of a second one.

    Who stops the hub, stops that parent, too. Returns the open lock, which children do not hold.
    """
    lock = path.open("a+")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        serving = int(lock.read() or 0)

        def stop(number, frame):
            if serving:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(serving, signal.SIGTERM)
            os._exit(0)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def has_children():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def become(connection):
    """In the child: take over the streams, folder and variables of who asked, and be their kernel or server."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    connection.settimeout(10)
    text, streams, _, _ = socket.recv_fds(connection, LARGEST, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(LARGEST) or b"\n"
    if text == b"\n":  # somebody only looked whether we are here
        os._exit(0)
    request = json.loads(text)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    bound(request["variables"].get("CLASSROOM_MEMORY"))
    connection.settimeout(None)
    connection.sendall(b"%d\n" % os.getpid())
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    sys.modules["numpy"].random.seed()  # else all learners have the same random numbers
    Path("/proc/self/comm").write_text(f"class-{request['program']}")  # its name in a list of processes
    sys.argv = [request["program"], *request["arguments"]]
    try:
        PROGRAMS[request["program"]]()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def kernel():
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()


def server():
    from jupyterhub.singleuser import main

    main()


PROGRAMS = {"kernel": kernel, "server": server}


def end_with(connection):
    """End when who asked is gone: then nobody can reach or stop this process."""
    with contextlib.suppress(OSError):
        while connection.recv(1):
            pass
    os._exit(1)


def bound(megabytes):
    """Let an allocation beyond the bound fail with a MemoryError, before the machine is full."""
    if megabytes:
        size = int(megabytes) << 20
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


if __name__ == "__main__":
    main(sys.argv[1])

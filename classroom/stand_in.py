"""What Jupyter starts as a kernel, and the hub as a learner's server: it asks the parent for a forked one and stands for it.

Jupyter knows this process. Its signals are handed on, and when one of the two ends, so does the other. Without a parent it
becomes the kernel or the server itself.
"""

import json
import os
import resource
import signal
import socket
import sys

MODULES = {"kernel": "ipykernel_launcher", "server": "jupyterhub.singleuser"}


def main(path, program, arguments):
    """Be the program with these arguments, by the parent at the socket `path` if it is there."""
    forked = ask(
        path, {"program": program, "arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}
    )
    if forked is None:
        memory = os.environ.get("CLASSROOM_MEMORY")
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (int(memory) << 20, int(memory) << 20))
        os.execv(sys.executable, [sys.executable, "-m", MODULES[program], *arguments])
    pid, connection = forked
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: hand_on(pid, number))
    while connection.recv(1):
        pass


def ask(path, request):
    """The process number of what was forked, and the connection that lasts as long as it; None without a parent."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        text = json.dumps(request).encode() + b"\n"
        sent = socket.send_fds(connection, [text], [0, 1, 2])
        connection.sendall(text[sent:])
        return int(connection.makefile().readline()), connection
    except (OSError, ValueError):
        return None


def hand_on(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has just ended, and so do we
        sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])

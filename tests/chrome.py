"""A browser for the tests: Chromium, Chrome or Edge, found on this machine or installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
)
MAC = ("Chromium", "Google Chrome", "Microsoft Edge")
WINDOWS = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
OWN = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


def candidates(system=sys.platform):
    """Where a browser may be: $CHROME and nothing else if it is set, else the usual places and that of Playwright."""
    if "CHROME" in os.environ:
        yield os.environ["CHROME"]
        return
    yield from filter(None, map(shutil.which, COMMANDS))
    if system == "darwin":
        yield from (
            f"{root}/Applications/{name}.app/Contents/MacOS/{name}" for root in ("", Path.home()) for name in MAC
        )
    if system == "win32":
        roots = [os.environ.get(name) for name in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")]
        yield from (f"{root}/{path}" for path in WINDOWS for root in roots if root)
    yield subprocess.run([sys.executable, "-c", OWN], capture_output=True, encoding="utf-8", check=False).stdout.strip()


def starts(path):
    """Whether a browser is there and the libraries that it needs are, too."""
    if sys.platform == "win32":  # where chrome.exe --version opens a window
        return Path(path).is_file()
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find():
    """The path of the first browser that starts, or None."""
    return next(filter(starts, candidates()), None)


def install():
    """Install a browser by the first way that works; return its path, or None."""
    if "CHROME" in os.environ:
        return None
    for commands in ways():
        for command in commands:
            print("Installing a browser for the tests:", *command, flush=True)
            installer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if installer.returncode:
                print(*installer.stdout.decode(errors="replace").splitlines()[-5:], sep="\n", flush=True)
                break
        found = find()
        if found:
            return found
    return None


def ways():
    """The commands of each way to install a browser: Playwright's, then Debian's, then what Playwright's still lacks."""
    playwright = [sys.executable, "-m", "playwright"]
    yield [[*playwright, "install", "--no-shell", "chromium"]]
    sudo = administrator()
    if sudo is not None and shutil.which("apt-get"):
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        yield [[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", "chromium"]]
        yield [[*sudo, *playwright, "install-deps", "chromium"]]


def administrator():
    """What to write before a command that needs an administrator: nothing for root; None if a password is needed."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return sudo
    return None


def advice():
    """The sentence that names the command to get a browser."""
    if os.environ.get("CHROME"):
        return f"CHROME={os.environ['CHROME']} does not start. Set it to the path of a Chromium, Chrome or Edge."
    if shutil.which("apt-get"):
        return "To get a browser: sudo apt-get install chromium"
    return f"To get a browser: {sys.executable} -m playwright install chromium"

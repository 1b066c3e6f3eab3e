"""What `python run.py test` starts: ruff, then pytest, in several processes where no file is named."""

import os
import re
import subprocess
import sys

import chrome
import environments
import processors
import pytest
from browser import ROOT

# Group by group (tests/conftest.py), in up to four processes, because each takes up to 2 GB.
WHOLE = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadgroup", "--no-loadscope-reorder", "--durations", "30"]
NIGHTLY = ["-m", "", "--hypothesis-profile", "nightly"]
# Options of pytest that take the next argument as their value, or may.
TAKES_VALUE = re.compile("-[ckmnoprW]|--[^=]+")


def names_tests(arguments):
    """Whether a file or folder is among the arguments, other than as the value of an option."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return any((ROOT / one.split("::")[0]).exists() for before, one in pairs if not TAKES_VALUE.fullmatch(before))


def main(arguments):
    """Run the tests that the arguments ask for and return the exit code; what is not for us goes to pytest."""
    arguments = list(arguments)
    ours = {option: option in arguments for option in ("--all", "--processors", "--environments")}
    arguments = [one for one in arguments if one not in ours]
    if ours["--environments"]:
        return environments.main(arguments)
    if ours["--processors"]:
        return processors.main(arguments, nightly=ours["--all"])
    chosen = [*(NIGHTLY if ours["--all"] else []), *arguments]
    if names_tests(arguments):
        return pytest.main(chosen)
    codes = [subprocess.call([sys.executable, "-m", "ruff", *check]) for check in (["check"], ["format", "--check"])]
    if any(codes):
        print("ruff found problems, so the tests were not run.", file=sys.stderr)
        return max(codes)
    # There is a process for each core: TensorFlow's threads within one would only take turns.
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    os.environ["CHROME"] = chrome.find() or chrome.install() or ""  # without one, conftest.py leaves tests out
    return pytest.main([*WHOLE, *chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

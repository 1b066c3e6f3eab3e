"""Each learner's own copy of the notebooks. What a learner has changed is never overwritten.

For each file, the digest of the version that was given out is kept. A file that is still that version is replaced by a newer
one; of a file that was changed, the newer one is put next to it, once, under another name.

`python distribute.py FOLDER` gives the lessons of this project to a learner's folder, where no hub of ours does.
"""

import hashlib
import json
import os
import secrets
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lessons(solutions=False):
    """What a learner gets: {path below the learner's folder: file to copy}."""
    folders = ["notebooks", *(["notebooks/solutions"] if solutions else [])]
    return {str(path.relative_to(ROOT)): path for folder in folders for path in (ROOT / folder).glob("*.ipynb")}


def give_out(source, target, record, today=None):
    """Give the notebooks in `source` to a learner.

    Args:
        source: {path below the target: file to copy}.
        target: the learner's folder.
        record: the file in which the digests of what was given out are kept.
        today: the date in the names of the copies, such as "2026-11-24".

    Returns:
        The paths of the copies put next to a changed file.
    """
    target, record = Path(target), Path(record)
    today = today or time.strftime("%Y-%m-%d")
    given = json.loads(record.read_text("utf-8")) if record.exists() else {}
    copies = []
    for name, path in sorted(source.items()):
        content = Path(path).read_bytes()
        new, old = digest(content), given.get(name)
        mine = target / name
        if not mine.exists() or digest(mine.read_bytes()) == old != new:
            replace(mine, content)
        elif digest(mine.read_bytes()) != new and old != new:
            place = free_place(mine, today)
            replace(place, content)
            copies.append(str(place.relative_to(target)))
        given[name] = new
    replace(record, json.dumps(given, indent=1).encode())
    return copies


def digest(content):
    return hashlib.sha256(content).hexdigest()


def free_place(path, today):
    """02_activations.ipynb → 02_activations.new-2026-11-24.ipynb, numbered if that is there."""
    number = 1
    while True:
        again = f"-{number}" if number > 1 else ""
        place = path.with_name(f"{path.stem}.new-{today}{again}{path.suffix}")
        if not place.exists():
            return place
        number += 1


def replace(path, content):
    """Write a file in one go: a reader sees the old or the new one, even after an interruption."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    part.write_bytes(content)
    os.replace(part, path)


if __name__ == "__main__":
    for name in give_out(lessons(), sys.argv[1], Path(sys.argv[1], ".given.json")):
        print(f"New version next to the changed one: {name}")

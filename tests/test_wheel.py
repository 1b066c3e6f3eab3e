"""The wheel: exactly the library, small, with what it needs and no more."""

import zipfile
from email.parser import Parser

import environments
import pytest
from browser import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return environments.build(tmp_path_factory.mktemp("wheel"))


def test_it_holds_the_library_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in names if ".dist-info/" not in name}
    library = (ROOT / "why_wont_it_learn").rglob("*")
    assert code == {p.relative_to(ROOT).as_posix() for p in library if p.is_file() and "__pycache__" not in p.parts}
    assert any(name.endswith("LICENSE") for name in names)
    assert wheel.stat().st_size <= 300_000


def test_it_asks_for_what_a_bare_environment_lacks(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(archive.read(name).decode())
    needed = {
        line.split(";")[0].split("<")[0].split(">")[0].split("=")[0] for line in metadata.get_all("Requires-Dist")
    }
    assert needed == {"keras", "numpy", "scipy", "scikit-learn"}
    assert metadata["Name"] == "why-wont-it-learn"

"""The packages that `make packages` makes of the archives: a wheel for each platform, and what npm installs."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
from making import MADE, ROOT, ZIG, dist

import packages

pytestmark = pytest.mark.skipif(ZIG is None, reason="Zig is not set up (scripts/setup.sh dist)")


@pytest.fixture(scope="module")
def folders(unpacked):
    return {name: unpacked(name) for name in MADE}


@pytest.fixture(scope="module")
def wheels(folders, tmp_path_factory):
    if subprocess.run([sys.executable, "-c", "import hatchling"], env={**os.environ, "PYTHONPATH": str(ROOT / "build" / "python")}, capture_output=True).returncode != 0:
        pytest.skip("hatchling and mypy cannot be had: neither installed nor in build/python (scripts/setup.sh test)")
    made = tmp_path_factory.mktemp("wheels")
    packages.wheels(folders, made)
    return made


def test_a_wheel_for_each_platform(wheels, folders):
    """Of the right tag, with the library of that platform and no other."""
    wanted = {name: dist.TARGETS[name] for name in MADE if dist.TARGETS[name].wheel}
    assert {path.name for path in wheels.iterdir()} == {f"wfext-{dist.VERSION}-py3-none-{target.wheel}.whl" for target in wanted.values()}
    for name, target in wanted.items():
        with zipfile.ZipFile(wheels / f"wfext-{dist.VERSION}-py3-none-{target.wheel}.whl") as wheel:
            libraries = [each for each in wheel.namelist() if each.startswith("wfext/lib/")]
            assert libraries == [f"wfext/lib/{target.module}"]
            assert wheel.read(libraries[0]) == (folders[name] / target.module).read_bytes()
            assert f"Tag: py3-none-{target.wheel}\n" in wheel.read(f"wfext-{dist.VERSION}.dist-info/WHEEL").decode()
            assert "\nRoot-Is-Purelib: false\n" in wheel.read(f"wfext-{dist.VERSION}.dist-info/WHEEL").decode()


def test_the_wheel_of_this_platform_is_the_one_that_pip_takes(wheels, tmp_path):
    """From a folder with all of them, in a clean environment."""
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", clean / "bin" / "python", "install", "-q", "--no-index", "--find-links", wheels, "wfext"]
    done = subprocess.run([str(each) for each in pip], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("WFEXT", "PYTHON"))}
    program = "import sqlite3, wfext; db = sqlite3.connect(':memory:'); wfext.load(db); print(*db.execute('SELECT wf_version()').fetchone(), wfext.loadable_path())"
    done = subprocess.run([clean / "bin" / "python", "-c", program], env=plain, capture_output=True, text=True)
    assert done.stdout.split()[0] == dist.VERSION and str(clean) in done.stdout, done.stderr


def test_npm_packages_of_each_platform(folders, tmp_path):
    """The main package names them all, and each says for which system it is."""
    if not any((ROOT / "build" / "node" / "node_modules").glob("node-*/bin/node")):
        pytest.skip("Node is not set up (scripts/setup.sh node)")
    packages.npm(folders, tmp_path)

    def read(name):
        with tarfile.open(tmp_path / name) as tar:
            return json.load(tar.extractfile("package/package.json")), {entry.name for entry in tar}

    main, _ = read(f"wfext-{dist.VERSION}.tgz")
    assert main["version"] == dist.VERSION and "private" not in main
    assert set(main["optionalDependencies"]) == {f"@wfext/{target.npm}" for target in dist.TARGETS.values() if target.npm}
    assert set(main["optionalDependencies"].values()) == {dist.VERSION}
    wanted = [dist.TARGETS[name] for name in MADE if dist.TARGETS[name].npm]
    assert len(list(tmp_path.glob("*.tgz"))) == 1 + len(wanted)
    for target in wanted:
        package, files = read(f"wfext-{target.npm}-{dist.VERSION}.tgz")
        assert (package["name"], package["version"], f"{package['os'][0]}-{package['cpu'][0]}") == (f"@wfext/{target.npm}", dist.VERSION, target.npm)
        assert f"package/{target.module}" in files

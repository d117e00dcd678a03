"""What a user installs: the pages' programs word for word, the types, the wheel in a clean environment."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import wfext

PACKAGE = Path(__file__).resolve().parents[1]
README = PACKAGE / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.sub(r"\W+", "_", block)[:40])
def test_readme(block, tmp_path):
    """Twice, as readers do."""
    (tmp_path / "program.py").write_text(block)
    expected = re.findall(r"# => (.*)", block)
    for _ in range(2):
        done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split("\n")[:-1] == expected


def test_version_is_the_extensions():
    header = (PACKAGE.parents[1] / "ext" / "version.h").read_text()
    assert re.search(r'kVersion\[\] = "([^"]+)"', header).group(1) == wfext.__version__


MODULES = PACKAGE.parents[1] / "build" / "python"  # where scripts/setup.sh puts what the package is built and checked with


@pytest.fixture
def tool():
    """Runs a module of build/python."""

    def run(*arguments, **options):
        environment = {**os.environ, "PYTHONPATH": str(MODULES), "WFEXT_LIBRARY": wfext.loadable_path()}
        return subprocess.run([sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=300, **options)

    if subprocess.run([sys.executable, "-c", "import hatchling, mypy"], env={**os.environ, "PYTHONPATH": str(MODULES)}, capture_output=True).returncode != 0:
        pytest.skip("hatchling and mypy cannot be had: neither installed nor in build/python (scripts/setup.sh test)")
    return run


def test_types(tool, tmp_path):
    """mypy --strict is content with the package, and with the programs of its page."""
    programs = [tmp_path / f"program_{n}.py" for n in range(len(BLOCKS))]
    for program, block in zip(programs, BLOCKS):
        program.write_text(block)
    done = tool("mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(PACKAGE / "src" / "wfext"), *map(str, programs), cwd=PACKAGE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wheel_in_a_clean_environment(tool, tmp_path):
    """Builds the wheel, installs it where nothing else is, and runs the first program of the page."""
    shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("build", "tests", "__pycache__"))
    built = tool("hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=tmp_path / "package")
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tmp_path / "dist").iterdir()
    assert re.fullmatch(r"wfext-\d+\.\d+\.\d+-py3-none-\w+\.whl", wheel.name)
    clean = tmp_path / "clean"
    venv.create(clean, with_pip=False)
    installed = tool("pip", "--python", str(clean / "bin" / "python"), "install", "-q", "--no-index", str(wheel))
    assert installed.returncode == 0, installed.stderr
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("WFEXT", "PYTHON"))}
    (tmp_path / "hello.py").write_text(BLOCKS[0])
    done = subprocess.run([clean / "bin" / "python", "hello.py"], cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=120)
    assert done.stdout == "Hello, World! Hello, again!\n", done.stderr
    path = subprocess.run([clean / "bin" / "wfext", "path"], env=plain, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(path).is_file() and str(clean) in path


def test_command(tmp_path):
    """wfext worker module:app -p 2 works, and ends on SIGTERM."""
    (tmp_path / "shop.py").write_text('import wfext\napp = wfext.App("shop.db")\n@app.workflow\ndef order(ctx: wfext.Context, n: int) -> int:\n    return n + 1\n')
    command = subprocess.Popen([sys.executable, "-m", "wfext.cli", "worker", "shop:app", "-p", "2", "--versions", "2", "3"], cwd=tmp_path)
    try:
        app = wfext.App(tmp_path / "shop.db")
        old = app.client.start("order", {"n": 1}, version="1")
        assert app.client.start("order", {"n": 1}, version="2").result(timeout=60) == 2
        assert old.status == "pending"
        app.close()
    finally:
        command.terminate()
        assert command.wait(60) == 0
    for wrong in ("shop:nothing", "nowhere:app", "shop:wfext"):
        done = subprocess.run([sys.executable, "-m", "wfext.cli", "worker", wrong], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.startswith(f"wfext: {wrong}: " if wrong != "shop:wfext" else "wfext: shop:wfext is module"), done.stderr


def test_hello_is_the_same_everywhere():
    """Word for word: this page's, the repository's, and that of the page where one starts. They are run by the tests of their pages."""
    root = PACKAGE.parents[1]
    for page in (root / "README.md", root / "docs" / "start-python.md"):
        assert f"```python\n{BLOCKS[0]}```" in page.read_text(), page.name

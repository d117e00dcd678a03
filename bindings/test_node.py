"""The Node package: its tests by Node's own runner, its types, and what a user installs.

scripts/setup.sh node puts a Node that is new enough, and what builds the package, into build/node.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from languages import NODE

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bindings" / "node"
TOOLS = ROOT / "build" / "node"
BLOCKS = re.findall(r"```ts\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not set up (scripts/setup.sh node)")


def run(*command, cwd=PACKAGE, timeout=600, **variables):
    environment = {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "NODE_OPTIONS": "--disable-warning=ExperimentalWarning", **variables}
    return subprocess.run([str(each) for each in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("file", sorted((PACKAGE / "tests").glob("*.test.ts")), ids=lambda file: file.name)
def test_node(file):
    done = run("node", "--test", "--test-timeout=180000", file)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    passed = int(re.search(r"^ℹ pass (\d+)", done.stdout, re.MULTILINE).group(1))
    assert passed == len(re.findall(r"^test\(", file.read_text(), re.MULTILINE))


def test_every_scenario_has_its_test():
    """The table of bindings/README.md, against the names of the tests."""
    table = re.findall(r"^\| ([\w ]+?) \| .* \|$", (ROOT / "bindings" / "README.md").read_text().split("## The same")[1], re.MULTILINE)
    wanted = {name for name in table if name != "scenario"}
    here = {name for file in (PACKAGE / "tests").glob("*.test.ts") for name in re.findall(r'^test\("(.*?)"', file.read_text(), re.MULTILINE)}
    assert wanted - here == set()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the package where its tools are found, built."""
    folder = TOOLS / "package"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    done = run("node", TOOLS / "node_modules" / "tsdown" / "dist" / "run.mjs", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    shutil.rmtree(folder)


def test_types(built):
    done = run("node", TOOLS / "node_modules" / "typescript" / "bin" / "tsc", "-p", ".", cwd=built)
    assert done.returncode == 0, done.stdout


def test_version_is_the_extensions():
    header = (ROOT / "ext" / "version.h").read_text()
    assert re.search(r'kVersion\[\] = "([^"]+)"', header).group(1) == json.loads((PACKAGE / "package.json").read_text())["version"]


@pytest.fixture(scope="module")
def consumer(built, tmp_path_factory):
    """A clean folder into which the tarballs were installed."""
    packed = tmp_path_factory.mktemp("packed")
    done = run("node", "pack.mjs", built, packed, cwd=built)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path_factory.mktemp("consumer")
    (folder / "package.json").write_text('{"type": "module"}')
    main, library = sorted(packed.glob("*.tgz"), key=lambda file: len(file.name), reverse=False)
    done = run("npm", "install", "--offline", "--no-audit", "--no-fund", "--omit=optional", main, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("npm", "install", "--offline", "--no-audit", "--no-fund", "--omit=optional", "--no-save", main, library, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.sub(r"\W+", "_", block)[:40])
def test_readme(block, consumer):
    """The page's programs, word for word and twice, with what was installed."""
    (consumer / "program.ts").write_text(block)
    expected = re.findall(r"// => (.*)", block)
    for _ in range(2):
        done = run("node", "program.ts", cwd=consumer, WFEXT_LIBRARY="")
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip("\n").split("\n") == expected


def test_commonjs_and_bundle(consumer):
    program = 'const { App } = require("wfext"); const app = new App("cjs.db"); app.database.call("wf_version").then((v) => { console.log(v); return app.close(); });'
    (consumer / "program.cjs").write_text(program)
    assert run("node", "program.cjs", cwd=consumer, WFEXT_LIBRARY="").stdout == "0.1.0\n"
    done = run(TOOLS / "node_modules" / ".bin" / "esbuild", "program.cjs", "--bundle", "--platform=node", "--external:wfext", "--outfile=bundle.cjs", cwd=consumer)
    assert done.returncode == 0, done.stderr
    assert run("node", "bundle.cjs", cwd=consumer, WFEXT_LIBRARY="").stdout == "0.1.0\n"

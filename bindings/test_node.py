"""The Node package: its tests by Node's own runner, its types, and what a user installs.

scripts/setup.sh node puts a Node that is new enough, and what builds the package, into build/node.
"""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from languages import NODE

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bindings" / "node"
TOOLS = ROOT / "build" / "node"
BLOCKS = re.findall(r"```ts\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not set up (scripts/setup.sh node)")


def run(*command, cwd=PACKAGE, timeout=600, **variables):
    return subprocess.run([str(each) for each in command], cwd=cwd, env=environment(**variables), capture_output=True, text=True, timeout=timeout)


def environment(**variables):
    return {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "NODE_OPTIONS": "--disable-warning=ExperimentalWarning", **variables}


def start(folder, *command, **variables):
    """With what was installed, and no other library."""
    return subprocess.Popen(["node", *command], cwd=folder, env=environment(WFEXT_LIBRARY="", **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process, timeout=120):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return out


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
    shutil.copy(ROOT / "bindings" / "numbers.json", TOOLS)  # beside the package, as there
    done = run("node", TOOLS / "node_modules" / "tsdown" / "dist" / "run.mjs", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    shutil.rmtree(folder)


def test_types(built):
    done = run("node", TOOLS / "node_modules" / "typescript" / "bin" / "tsc", "-p", ".", cwd=built)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", ["scenarios", "database", "worker"])
def test_better_sqlite3(file, built):
    """The same with the other driver."""
    if not (TOOLS / "node_modules" / "better-sqlite3").exists():
        pytest.skip("Node is not set up (scripts/setup.sh node)")
    done = run("node", "--test", "--test-timeout=180000", f"tests/{file}.test.ts", cwd=built, WFEXT_TEST_DRIVER="better-sqlite3")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


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


@pytest.fixture
def folder(consumer, request):
    """A folder of the test's own where what was installed is found."""
    path = consumer / request.node.name
    path.mkdir()
    return path


def wait_until(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it has not come"
        time.sleep(0.02)


def looks(path, sql, *params):
    """What a query of the file gives, with the extension; nothing before there is one."""
    import wfext

    if not path.exists():
        return []
    db = sqlite3.connect(path, timeout=30)
    try:
        wfext.load(db)
        return db.execute(sql, params).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def test_start_page(folder):
    """Its programs, word for word: the shop is killed while it waits, and goes on."""
    page = (ROOT / "docs" / "start-node.md").read_text()
    for name, text in re.findall(r"```ts (\S+)\n(.*?)```", page, re.DOTALL):
        (folder / name).write_text(text)
    shop = start(folder, "shop.ts")
    wait_until(lambda: looks(folder / "shop.db", "SELECT 1 FROM wf_steps WHERE name = 'approval' AND status = 'waiting'"))
    shop.kill()
    shop.communicate()
    shop = start(folder, "shop.ts")
    wanted = "{ ref: 'r1200', ok: true }\n"
    assert wanted.strip() in page
    assert end(start(folder, "approve.ts")) == wanted
    assert end(shop) == wanted
    assert end(start(folder, "shop.ts")) == wanted
    assert looks(folder / "shop.db", "SELECT count(*) FROM wf_workflows") == [(1,)]


def test_express(folder, consumer):
    """The page's service, on a port of the system's choice."""
    modules = consumer / "node_modules" / "express"
    if not (TOOLS / "node_modules" / "express").exists():
        pytest.skip("Node is not set up (scripts/setup.sh node)")
    modules.symlink_to(TOOLS / "node_modules" / "express")
    text = re.search(r"```js no-run\n(import express.*?)```", (ROOT / "docs" / "web-services.md").read_text(), re.DOTALL).group(1)
    listening = "const server = api.listen(3000);"
    assert listening in text
    (folder / "service.mjs").write_text(text.replace(listening, "const server = api.listen(0, () => console.log(server.address().port));"))
    service = start(folder, "service.mjs")
    port = service.stdout.readline().strip()

    def ask(path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    try:
        assert ask("/orders/o-1", {"qty": 3}) == ask("/orders/o-1", {"qty": 3}) == {"id": "o-1"}
        assert [ask("/orders/o-1/shipped", {"when": "today"}) for _ in range(2)] == [{"new": True}, {"new": False}]
        assert ask("/orders/o-1/result") == {"ref": "r9", "shipped": "today"}
    finally:
        service.send_signal(signal.SIGTERM)
    end(service)


TRACED = """
import { AsyncLocalStorage } from "node:async_hooks";
import api from "@opentelemetry/api";
import { App } from "wfext";
// As little of an SDK as shows what is asked of one.
const here = new AsyncLocalStorage();
const active = () => here.getStore() ?? api.ROOT_CONTEXT;
api.context.setGlobalContextManager({ active, with: (context, fn, self, ...args) => here.run(context, () => fn.call(self, ...args)), bind: (_, fn) => fn, enable: () => {}, disable: () => {} });
const parent = (context) => api.trace.getSpan(context)?.name ?? context.getValue?.(FROM);
const FROM = api.createContextKey("from");
const startActiveSpan = (name, options, context, fn) => {
  let failed = false;
  const span = { name, spanContext: () => ({ traceId: "1", spanId: "1", traceFlags: 1 }), recordException: () => (failed = true), setStatus: () => {}, end: () => console.log(name, "in", parent(context) ?? "nothing", failed ? "failed" : "") };
  return api.context.with(api.trace.setSpan(context, span), fn, undefined, span);
};
api.trace.setGlobalTracerProvider({ getTracer: () => ({ startActiveSpan }) });
api.propagation.setGlobalPropagator({ inject: (context, carrier) => (carrier.traceparent = parent(context)), extract: (context, carrier) => context.setValue(FROM, carrier.traceparent), fields: () => [] });
const app = new App("traced.db");
const w = app.workflow("w", async (ctx) => {
  await ctx.step("good", () => 1);
  await ctx.step("bad", () => Promise.reject(new Error("no"))).catch(() => undefined);
});
const worker = app.start({ log: { info() {}, warn() {}, error() {} } });
const handle = await startActiveSpan("request", {}, api.ROOT_CONTEXT, () => w.start(null));
await handle.result({ timeout: "30s" });
await worker.stop();
await app.close();
"""


def test_spans(folder, consumer):
    """Of OpenTelemetry's API: an attempt belongs to who started the workflow, steps to their attempt."""
    if not (TOOLS / "node_modules" / "@opentelemetry").exists():
        pytest.skip("Node is not set up (scripts/setup.sh node)")
    (consumer / "node_modules" / "@opentelemetry").symlink_to(TOOLS / "node_modules" / "@opentelemetry")
    try:
        (folder / "traced.mjs").write_text(TRACED)
        lines = [line.strip() for line in end(start(folder, "traced.mjs")).splitlines()]
    finally:
        (consumer / "node_modules" / "@opentelemetry").unlink()
    assert lines == ["step good in workflow w", "step bad in workflow w failed", "workflow w in request"]


def example(folder, name):
    shutil.copy(ROOT / "examples" / "node" / name, folder)
    lines = {"worker_pool.ts": "worker_pool.py", "agent_loop.ts": "agent_loop.py", "approval.ts": "approval.sql"}
    before = (ROOT / "examples" / lines[name]).read_text()
    assert len((folder / name).read_text().splitlines()) < len(before.splitlines())


def test_example_worker_pool(folder):
    """Workers are killed meanwhile."""
    example(folder, "worker_pool.ts")
    pool = start(folder, "worker_pool.ts", "work", "3")
    orders = [f"order-{n}" for n in range(40)]
    starting = start(folder, "worker_pool.ts", *orders)
    try:
        for _ in range(3):
            time.sleep(random.uniform(0.2, 0.5))
            workers = Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text().split()
            if workers:
                os.kill(int(random.choice(workers)), signal.SIGKILL)
        assert end(starting) == "".join(f"{id} {{ paid: {100 + n} }}\n" for n, id in enumerate(orders))
    finally:
        pool.terminate()
    end(pool)
    assert looks(folder / "pool.db", "SELECT name, status, count(*) FROM wf_steps GROUP BY 1, 2 ORDER BY 1") == [("charge", "done", 40), ("ship", "done", 40)]


def test_example_approval(folder):
    example(folder, "approval.ts")

    def say(*words):
        return end(start(folder, "approval.ts", *words))

    assert say("start", "expense-7", "4200") == "expense-7\n"
    worker = start(folder, "approval.ts", "work")
    try:
        wait_until(lambda: looks(folder / "expenses.db", "SELECT 1 FROM wf_workflows WHERE status = 'waiting'"))
        for _ in range(2):
            say("answer", "expense-7", "yes", "bob")
        wait_until(lambda: looks(folder / "expenses.db", "SELECT wf_result('expense-7')") == [('{"paid":true}',)])
    finally:
        worker.terminate()
    end(worker)
    assert looks(folder / "expenses.db", "SELECT * FROM paid") == [("expense-7", 4200, "bob")]


def test_example_agent_loop(folder):
    """Killed at random and run again: nothing is done twice, and nothing left out."""
    example(folder, "agent_loop.ts")
    for _ in range(3):
        agent = start(folder, "agent_loop.ts")
        time.sleep(random.uniform(0.3, 0.7))
        agent.kill()
        agent.communicate()
    first = end(start(folder, "agent_loop.ts"))
    assert first.rstrip().endswith("order-17 is refunded.") and end(start(folder, "agent_loop.ts")) == first
    assert looks(folder / "outside.db", "SELECT o, cents FROM refund") == [("order-17", 1200)]
    assert looks(folder / "outside.db", "SELECT t, text FROM mail") == [("ann", "You get 1200 cents back.")]

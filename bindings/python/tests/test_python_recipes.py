"""What pages show with other libraries, word for word, with those libraries: docs/python-recipes.md, docs/web-services.md; other drivers, and OpenTelemetry.

The libraries are in build/recipes (scripts/setup.sh recipes), and programs of their own use them: nothing else here should find them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wfext

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ROOT / "build" / "recipes"

pytestmark = pytest.mark.skipif(not (LIBRARIES / "sqlalchemy").exists(), reason="the libraries of the recipes are not set up (scripts/setup.sh recipes)")


def blocks(page):
    """{heading: its first block of Python}"""
    parts = re.split(r"^## (.*)$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    return {heading: found[1] for heading, text in zip(parts[1::2], parts[2::2]) if (found := re.search(r"```python[^\n]*\n(.*?)```", text, re.DOTALL))}


def run(directory, program):
    (directory / "program.py").write_text(program)
    environment = {**os.environ, "WFEXT_LIBRARY": os.path.abspath(wfext.loadable_path()), "PYTHONPATH": f"{ROOT / 'bindings/python/src'}{os.pathsep}{LIBRARIES}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "program.py"], cwd=directory, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("library", ["SQLAlchemy", "Django", "aiosqlite"])
def test_recipe(library, tmp_path):
    """The page's program, twice; then the row and the workflow are there, once, and a transaction that fails leaves neither."""
    program = blocks("python-recipes.md")[library]
    for _ in range(2):
        assert run(tmp_path, program) == re.findall(r"# => (.*)", program)
    app = wfext.App(tmp_path / "shop.db")
    assert app.client.rows("SELECT id, cents FROM sale") == [("order-1", 400)]
    assert app.client.rows("SELECT id, name, input FROM wf_workflows") == [("order-1", "order", '{"cents": 400}')]
    app.close()
    failing = program.replace("order-1", "order-2").replace("print(", "raise SystemExit(0) or print(", 1)
    run(tmp_path, failing)
    app = wfext.App(tmp_path / "shop.db")
    assert app.client.rows("SELECT count(*) FROM sale") == app.client.rows("SELECT count(*) FROM wf_workflows") == [(1,)]
    app.close()


SERVICE = '''

from fastapi.testclient import TestClient

with TestClient(api) as client:
    for _ in range(2):
        answer = client.post("/orders/order-1", json={"sku": "tea", "qty": 2})
        print(answer.status_code, answer.json())
    while client.get("/orders/order-1").json() != {"status": "waiting"}:
        pass
    print([client.post("/orders/order-1/shipped", params={"when": "monday"}).json() for _ in range(2)])
    print(client.get("/orders/order-1/result").json())
    print(client.get("/orders/order-1/progress").text.split("\\n"))
    print(client.post("/orders/order-2", json={"qty": 2}).status_code)
'''


def test_fastapi(tmp_path):
    """The service of the page, asked by a client; a request that is sent twice starts one workflow."""
    assert run(tmp_path, blocks("web-services.md")["FastAPI"] + SERVICE) == [
        "202 {'id': 'order-1'}",
        "202 {'id': 'order-1'}",
        "[{'new': True}, {'new': False}]",
        "{'ref': 'r9', 'shipped': 'monday'}",
        "['charging', 'waiting for the warehouse', '']",
        "422",
    ]


OTHER_DRIVER = '''
import sys
import wfext

app = wfext.App("apsw.db", driver="apsw", synchronous="normal")

@app.step
def greet(name: str) -> str:
    return f"Hello, {name}!"

@app.transaction
def remember(tx: wfext.Transaction, text: str) -> int:
    tx.execute("CREATE TABLE IF NOT EXISTS said(text UNIQUE)")
    tx.execute("INSERT INTO said VALUES (?)", (text,))
    return tx.execute("SELECT count(*) FROM said").fetchall()[0][0]

@app.workflow
def hello(ctx: wfext.Context, name: str) -> list:
    text = greet(name)
    ctx.sleep(0.01)
    return [text, remember(text)]

@app.workflow
async def ahello(ctx: wfext.AsyncContext, name: str) -> list:
    return [await ctx.step(greet, name), await ctx.step(remember, name), await ctx.wait_signal("go", timeout=0.01, default="late")]

with app.worker():
    print(hello.start("World").result(timeout=60))
    print(ahello.start("loop").result(timeout=60))
    try:
        hello.start("World").result(timeout=60)
    except wfext.WorkflowFailed as error:
        print(error.error["cause"]["message"])
    try:
        app.client.call("wf_start", "")
    except wfext.Invalid as error:
        print("Invalid")
    from concurrent.futures import wait
    futures = [app.database.submit("SELECT wf_start('hello', ?, ?)", '{"name": "x"}', '{"id": "%d", "at": "2100-01-01"}' % n) for n in range(50)]
    print(sorted(int(future.result()) for future in futures) == list(range(50)))
connection = app.connect()
print(type(connection).__module__, connection.execute("SELECT count(*) FROM said").fetchall())
print("sqlite3" in sys.modules)
app.close()
'''


def test_another_driver(tmp_path):
    """apsw, with the SQLite that it brings: the only one of the process, and app.connect() gives connections of it."""
    assert run(tmp_path, OTHER_DRIVER) == [
        "['Hello, World!', 1]",
        "['Hello, loop!', 2, 'late']",
        "UNIQUE constraint failed: said.text",
        "Invalid",
        "True",
        "apsw [(2,)]",
        "False",
    ]


SPANS = '''
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import wfext

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
app = wfext.App("spans.db", synchronous="normal")

@app.step
async def work() -> int:
    with trace.get_tracer("mine").start_as_current_span("inside"):
        await asyncio.sleep(0)
    return 1

@app.workflow
def child(ctx: wfext.Context) -> int:
    return 1

@app.workflow
async def parent(ctx: wfext.AsyncContext) -> int:
    await work()
    await ctx.sleep(0.01)
    return await ctx.call(child)

with app.worker(), trace.get_tracer("mine").start_as_current_span("request") as request:
    parent.options(id="p").start().result(timeout=60)
spans = {span.name: span for span in exporter.get_finished_spans()}
names = {span.context.span_id: span.name for span in exporter.get_finished_spans()}
for name in ("workflow parent", "step work", "inside", "workflow child"):
    span = spans[name]
    print(name, span.context.trace_id == request.get_span_context().trace_id, names[span.parent.span_id], span.attributes.get("wfext.workflow.id"))
'''


def test_spans(tmp_path):
    """Attempts, steps and children are in the trace of who started the workflow, in other threads and over a suspension."""
    assert run(tmp_path, SPANS) == [
        "workflow parent True request p",
        "step work True workflow parent p",
        "inside True step work None",
        "workflow child True workflow parent p/child",
    ]

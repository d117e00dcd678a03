"""wfext mcp, spoken to by the client of the package mcp, over standard input and output; in programs of their own, with the libraries of build/mcp."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wfext
from command_line import Maker, process, shop

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ROOT / "build" / "mcp"

pytestmark = pytest.mark.skipif(not (LIBRARIES / "mcp").exists(), reason="the package mcp is not set up (scripts/setup.sh mcp)")

# Calls tools of a server: [[tool, arguments], ...] from its input, what came of each (or the names of all tools for null) as JSON lines.
CLIENT = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters, stdio_client

async def main():
    server = StdioServerParameters(command=sys.executable, args=["-m", "wfext.cli", "mcp", *sys.argv[1:]], env=dict(__import__("os").environ))
    async with Client(stdio_client(server)) as client:
        for call in json.load(sys.stdin):
            if call is None:
                tools = (await client.list_tools()).tools
                print(json.dumps({tool.name: tool.annotations.read_only_hint for tool in tools}))
                continue
            done = await client.call_tool(*call)
            print(json.dumps({"error": done.content[0].text} if done.is_error else done.structured_content), flush=True)

asyncio.run(main())
"""


def environment():
    source = str(ROOT / "bindings/python/src")
    return {**os.environ, "PYTHONPATH": f"{LIBRARIES}{os.pathsep}{source}", "WFEXT_LIBRARY": os.path.abspath(wfext.loadable_path()), "PYTHONDONTWRITEBYTECODE": "1"}


def calls(path, *given, write=False):
    """What came of each call."""
    arguments = [str(path), *(["--write"] if write else [])]
    done = subprocess.run([sys.executable, "-c", CLIENT, *arguments], input=json.dumps(given), capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mcp") / "app.db"
    shop(path).db.close()
    return path


def test_what_an_assistant_reads(file):
    before = file.read_bytes()
    tools, status, listed, page, shown, why, steps, step, people, groups, missing, wrong = calls(
        file,
        None,
        ["status", {}],
        ["list_workflows", {"status": ["failed"], "limit": 2}],
        ["list_workflows", {"before": 7, "limit": 1}],
        ["show_workflow", {"id": "order-1999003"}],
        ["explain_workflow", {"id": "refund-7"}],
        ["read_steps", {"id": "order-1999003", "limit": 1}],
        ["read_step", {"id": "order-1999003", "step": "reserve"}],
        ["waiting_for_people", {}],
        ["failed_workflows", {}],
        ["show_workflow", {"id": "nobody"}],
        ["list_workflows", {"status": ["lost"]}],
    )
    assert tools == dict.fromkeys(["status", "list_workflows", "show_workflow", "explain_workflow", "read_steps", "read_step", "waiting_for_people", "failed_workflows"], True)
    assert (status["live"], status["need_you"]) == (8, {"count": 2, "exact": True})
    assert [row["id"] for row in listed["workflows"]] == ["charge-3", "charge-2"] and listed["complete"]
    assert len(page["workflows"]) == 1 and page["workflows"][0]["seq"] == 6
    assert shown["workflow"]["error"] == {"type": "SMTPError", "message": "55126: no such user"} and [each["name"] for each in shown["steps"]] == ["reserve", "charge"]
    assert why["why"][0] == "refund-7 (refund) is waiting: waiting for signal approve"
    assert steps["steps"][0]["output"] == {"ref": "r9", "cents": 1200} and steps["next"] == 1
    assert step["name"] == "reserve"
    assert [(each["workflow_id"], each["kind"], each["what"]) for each in people["waiting"]] == [("pay-1", "doubt", "transfer"), ("refund-7", "signal", "approve")]
    assert groups["groups"][0]["error"] == "ConnectionError: gateway timeout after # ms" and groups["groups"][0]["count"] == 4
    assert "there is no workflow nobody" in missing["error"] and "lost" in wrong["error"]
    assert file.read_bytes() == before and not Path(f"{file}-wal").exists()


def test_without_write_there_is_nothing_to_act_with(file):
    (answer,) = calls(file, ["cancel_workflows", {"ids": ["build-1"]}])
    assert "cancel_workflows" in answer["error"]
    maker = Maker(file)
    assert maker.call("wf_status", "build-1") == "running"
    maker.db.close()


def test_the_tools_that_act(tmp_path):
    path = tmp_path / "app.db"
    shop(path).db.close()
    tools, started, signalled, resolved, retried, cancelled, paused, resumed, refused, missing = calls(
        path,
        None,
        ["start_workflow", {"name": "order", "input": {"n": 1}, "id": "new-1"}],
        ["send_signal", {"id": "refund-7", "signal": "approve", "payload": {"ok": True}}],
        ["resolve_step", {"id": "pay-1", "step": "transfer", "verdict": "done", "value": 7}],
        ["retry_workflows", {"ids": ["charge-0", "charge-1"]}],
        ["cancel_workflows", {"ids": ["charge-4"], "reason": "no more"}],
        ["pause_workflows", {"ids": ["report-12"]}],
        ["resume_workflows", {"ids": ["report-12"]}],
        ["start_workflow", {"name": "other", "id": "new-1"}],
        ["cancel_workflows", {"ids": ["nobody"]}],
        write=True,
    )
    acting = ["start_workflow", "send_signal", "resolve_step", "retry_workflows", "cancel_workflows", "pause_workflows", "resume_workflows"]
    assert {name for name, reads in tools.items() if not reads} == set(acting)
    assert started == {"id": "new-1"} and signalled == {"changed": 1} and resolved["verdict"] == "done"
    assert (retried, cancelled, paused, resumed) == ({"changed": 2}, {"changed": 1}, {"changed": 1}, {"changed": 1})
    assert "WF_CONFLICT" in refused["error"] and "WF_NOT_FOUND" in missing["error"]
    maker = Maker(path)
    assert maker.db.execute("SELECT input FROM wf_workflows WHERE id = 'new-1'").fetchall() == [('{"n": 1}',)]
    assert maker.db.execute("SELECT payload FROM wf_signals WHERE name = 'approve'").fetchall() == [('{"ok": true}',)]
    assert maker.db.execute("SELECT output FROM wf_steps WHERE workflow_id = 'pay-1'").fetchall() == [("7",)]
    assert maker.db.execute("SELECT status, error FROM wf_workflows WHERE id = 'charge-4'").fetchall() == [("cancelled", '"no more"')]
    maker.db.close()


def test_long_values_are_cut_and_say_so(tmp_path):
    path = tmp_path / "app.db"
    maker = Maker(path)
    maker.call("wf_start", "job", json.dumps("x" * 10_000), {"id": "job-1"})
    token = maker.claim("default", "w")
    maker.call("wf_step", token, "s", json.dumps(list(range(5000))))
    maker.db.close()
    shown, step = calls(path, ["show_workflow", {"id": "job-1"}], ["read_step", {"id": "job-1", "step": "s"}])
    assert shown["workflow"]["input"] == {"$cut": '"' + "x" * 1999, "characters": 10_002} and set(shown["steps"][0]["output"]) == {"$cut", "characters"}
    assert step["output"] == list(range(5000))


def test_half_a_character_hides_nothing(tmp_path):
    maker = Maker(tmp_path / "app.db")
    maker.call("wf_start", "job", '{"\\ud801": "\\ud800"}', {"id": "half"})
    token = maker.claim("default", "w")
    maker.call("wf_step", token, "s", '"\\udc00"')
    maker.call("wf_fail", token, '{"type": "E", "message": "half \\udfff"}', '{"retry": false}')
    maker.db.close()
    for said in calls(tmp_path / "app.db", ["status", {}], ["list_workflows", {}], ["show_workflow", {"id": "half"}], ["read_steps", {"id": "half"}], ["read_step", {"id": "half", "step": "s"}], ["failed_workflows", {}], ["explain_workflow", {"id": "half"}]):
        assert said.keys() != {"error"} and "\\\\ud" in json.dumps(said), said


def test_an_error_of_megabytes_does_not_fill_the_context(tmp_path):
    maker = Maker(tmp_path / "app.db")
    maker.call("wf_start", "job", None, {"id": "long"})
    maker.call("wf_fail", "long", {"type": "E", "message": "z" * 1_000_000}, {"retry": False})
    maker.db.close()
    for said in calls(tmp_path / "app.db", ["status", {}], ["list_workflows", {}], ["show_workflow", {"id": "long"}], ["failed_workflows", {}], ["explain_workflow", {"id": "long"}]):
        assert "E: zzz" in json.dumps(said) or "zzz" in json.dumps(said)
        assert len(json.dumps(said)) < 20_000


def test_what_is_wrong_with_the_file_is_said_at_once(tmp_path):
    assert process("mcp", tmp_path / "nothing.db").returncode == 1
    (tmp_path / "text.db").write_text("no database " * 1000)
    done = process("mcp", tmp_path / "text.db")
    assert done.returncode == 4 and "not a database" in done.stderr


def test_how_to_install_what_is_missing(file):
    """Without the package (and without that of the page): what to say to pip."""
    blocked = "import sys\nclass Finder:\n    def find_spec(self, name, *rest):\n        if name.split('.')[0] in ('mcp', 'mcp_types', 'starlette', 'jinja2'): raise ModuleNotFoundError(name, name=name)\nsys.meta_path.insert(0, Finder())\n"
    for command in ("mcp", "ui"):
        program = f"{blocked}from wfext.cli import main\nsys.exit(main([{command!r}, sys.argv[1]]))"
        done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL)
        assert done.returncode == 2 and f'pip install "wfext[{command}]"' in done.stderr, done

"""On the newest SQLite that is at hand, that of Node: no statement of the engine is compiled anew once it was used.

SQLite compiles a statement anew where a bound value could change its plan: `LIMIT ?` since 3.47, comparisons since 3.54. It does so in silence, and a claim
then costs twice as much. `+:value` keeps it from that.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from languages import NODE, ROOT

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not set up (scripts/setup.sh node)")

PROGRAM = r"""
const { DatabaseSync } = require("node:sqlite");
const [file, extension, counter] = process.argv.slice(2);
const db = new DatabaseSync(file, { allowExtension: true });
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
db.loadExtension(extension);
db.loadExtension(counter);
const all = (sql, ...values) => db.prepare(sql).all(...values);
const one = (sql, ...values) => Object.values(db.prepare(sql).get(...values))[0];
const call = (name, ...values) => one(`SELECT ${name}(${values.map(() => "?").join(", ")})`, ...values.map((v) => (v !== null && typeof v === "object" ? JSON.stringify(v) : v)));
const counts = () => JSON.parse(one("SELECT recompiled()")).map(({ n, hex }) => ({ n, sql: Buffer.from(hex, "hex").toString() })).filter(({ sql }) => sql.includes("_wf_"));

// What differs from round to round: names and numbers, 0 and 1 and more among them.
function round(i) {
  const queue = ["mail", "orders", "reports"][i % 3], priority = [0, 1, -7, 50][i % 4];
  call("wf_start", "job", { n: i }, { id: `w${i}`, queue, priority, timeout: 3600 * (i + 1), tags: { k: String(i) } });
  call("wf_start", "job", { n: i }, { id: `p${i}`, queue: "limited", partition: `c${i % 2}` });
  call("wf_start", "job", null, { dedup: `d${i}`, delay: i });
  call("wf_queue", "limited", { concurrency: i + 1, partition_concurrency: 1 + (i % 2), rate: { limit: 100 + i, per: 60 } });
  const claimed = (...values) => JSON.parse(call("wf_claim", ...values) ?? "null");
  const token = claimed(queue, `worker-${i}`).token;
  call("wf_step", token, `read-${i}`);
  for (let k = 0; k <= i; k++) call("wf_step", token, `s${k}`, { k });
  call("wf_begin", token, "effect"), call("wf_step", token, "effect", i);
  call("wf_heartbeat", token, 60 + i);
  call("wf_set", token, "key", i), call("wf_get", `w${i}`, "key"), call("wf_append", token, "log", i), call("wf_tag", token, "k", String(i + 1));
  call("wf_rate", "api", { limit: 100 + i, per: 60 }), call("wf_acquire", token, "share", "api");
  call("wf_spawn", token, "child", "job", { i }, { queue: "children" }), call("wf_join", token, "joined");
  const child = claimed("children", null);
  call("wf_complete", child.token, i);
  const again = claimed(queue, null, { key: `key-${i}`, steps: true, lease: 30 + i, names: ["job"] }).token;
  call("wf_join", again, "joined");
  call("wf_signal", `w${i}`, "go", i), call("wf_await", again, "went", "go"), call("wf_emit", `news-${i}`, i), call("wf_await_event", again, "news", `news-${i}`);
  call("wf_fail", again, "no", { delay: 0, step: "flaky" });
  call("wf_complete", claimed(["mail", "orders", "reports"], "w", { limit: i + 1, versions: ["1"] })[0].token, { i });
  const held = claimed("limited", `worker-${i}`);
  if (held) call("wf_release", held.token), call("wf_complete", claimed(null, null, { id: held.id }).token);
  call("wf_start", "job", null, { id: `x${i}` }), call("wf_pause", `x${i}`), call("wf_resume", `x${i}`), call("wf_cancel", `x${i}`), call("wf_retry", `x${i}`);
  call("wf_fork", `w${i}`, { id: `f${i}` }), call("wf_delete", `x${i}`, { force: true });
  call("wf_tick"), call("wf_wait", 0), call("wf_pending"), call("wf_ready"), call("wf_pending", queue), call("wf_ready", queue), call("wf_purge", { older_than: 1000 + i });
  all("SELECT * FROM wf_workflows WHERE id = ?", `w${i}`), all("SELECT * FROM wf_steps WHERE workflow_id = ? ORDER BY seq", `w${i}`);
  all("SELECT id FROM wf_workflows WHERE status = ? ORDER BY seq DESC LIMIT ?", ["failed", "completed", "pending", "running"][i % 4], 1 + i);
  all("SELECT id FROM wf_workflows WHERE queue = ? LIMIT ?", queue, 1 + i), all("SELECT id, reason FROM wf_pending LIMIT ?", 1 + i), all("SELECT * FROM wf_queues");
}

db.exec(`SELECT wf_define('flow', '{"steps":[{"name":"a","sql":"SELECT 1"}]}')`);
const scripted = (i) => (call("wf_start", "flow", null, { id: `flow-${i}`, priority: i % 2 }), call("wf_run", { limit: 5 + i }));
const found = new Set(), texts = new Set();
let before = new Map();
for (let i = 0; i < 6; i++) {
  round(i), scripted(i);
  const now = new Map();
  for (const { n, sql } of counts()) {
    texts.add(sql);
    now.set(sql, n);
    if (i > 0 && n > (before.get(sql) ?? 0)) found.add(sql);
  }
  before = now;
}
// That this counts at all: a change of the schema has them all compiled anew.
const statements = counts();
db.exec("CREATE TABLE app(k)");
round(6);
const changed = counts().filter(({ n, sql }) => n > (statements.find((s) => s.sql === sql)?.n ?? 0)).length;
console.log(JSON.stringify({ version: process.versions.sqlite, statements: texts.size, found: [...found], changed }));
"""


def test_nothing_is_compiled_anew(tmp_path):
    counter = tmp_path / "libreprepares.so"
    compiler = shutil.which("cc") or "gcc"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", str(Path(__file__).parent / "reprepares.c"), "-o", str(counter)], check=True)
    (tmp_path / "program.cjs").write_text(PROGRAM)
    done = subprocess.run([str(NODE), "--disable-warning=ExperimentalWarning", str(tmp_path / "program.cjs"), str(tmp_path / "a.db"), os.environ.get("WFEXT") or str(ROOT / "build" / "libwfext.so"), str(counter)],
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert tuple(map(int, said["version"].split("."))) >= (3, 53)
    assert said["statements"] > 60 and said["changed"] > 5, "too little is counted: this test has lost its point"
    assert said["found"] == []

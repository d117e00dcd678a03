"""What is measured: whole jobs of one process and of eight, waking up, and a worker that is killed."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

import systems


class Process:
    """A driver that runs: what it says comes out of `next`."""

    def __init__(self, run, system, command, path, synchronous, **more):
        settings = {"best": False, **system.settings, "synchronous": synchronous, **more}
        host = "venv" if system.package and system.host == "python" else system.host
        self.child = subprocess.Popen([*run.there.commands[host], system.name, command, str(path), json.dumps(settings)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said, self.wrong = Queue(), []
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=lambda: self.wrong.extend(self.child.stderr), daemon=True).start()

    def _listen(self):
        for line in self.child.stdout:
            if line.startswith("{"):
                self.said.put(json.loads(line))
        self.said.put(None)

    def next(self, timeout=120.0):
        said = self.said.get(timeout=timeout)
        if said is None:
            raise RuntimeError(self.why())
        return said

    def why(self):
        """The last line of its complaints that names an error."""
        lines = [line.strip() for line in self.wrong if line.strip()] or ["it ended early"]
        return next((line for line in reversed(lines) if "rror" in line), lines[-1])[:200]

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def enqueue(self, job):
        """Until it is in: what was said of it, and the errors before."""
        errors = []
        while True:
            self.tell(job)
            said = self.next()
            if "error" not in said:
                return said, errors
            errors.append(said["error"])
            if len(errors) == 100:
                raise RuntimeError(errors[0])
            time.sleep(0.01)

    def end(self):
        self.child.kill()
        self.child.wait()


@dataclass
class Run:
    scratch: Path
    there: systems.There
    chosen: list
    quick: bool

    def file(self, system, what):
        return self.scratch / f"{what}-{systems.ALL.index(system)}.db"

    def can(self, measure):
        """The systems that take part, and the words for those that do not."""
        rows, able = {}, []
        for s in self.chosen:
            if measure in s.lacks:
                if s.lacks[measure]:
                    rows[s.key] = {"lacks": s.lacks[measure]}
            elif why := systems.why_not(s, self.there):
                rows[s.key] = {"lacks": why}
            else:
                able.append(s)
        return able, rows

    def prepare(self, system, path, synchronous):
        process = Process(self, system, "prepare", path, synchronous)
        if process.child.wait(timeout=120):
            raise RuntimeError(process.why())


def slice_of(run, system, path, synchronous, processes, seconds):
    """What some processes get done in some seconds, each with a connection of its own."""
    all_of = []
    try:
        for number in range(processes):
            all_of.append(Process(run, system, "work", path, synchronous, seconds=seconds, executor=f"e{number}"))
        for process in all_of:
            process.next()
        for process in all_of:
            process.tell("go")
        return [process.next() for process in all_of]
    finally:
        for process in all_of:
            process.end()


def failed_runs(path):
    """OpenWorkflow: what failed inside a run is in the file alone."""
    with sqlite3.connect(path, timeout=30) as db:
        return db.execute("SELECT count(*), max(error) FROM workflow_runs WHERE status = 'failed'").fetchone()


def jobs(run, processes, rounds, seconds):
    able, rows = run.can("jobs" if processes == 1 else "many")
    for system in able:
        rows[system.key] = {}
        for synchronous in ("NORMAL", "FULL"):
            if synchronous not in system.synchronous:
                rows[system.key][synchronous] = {"lacks": system.lacks[synchronous]}
                continue
            rows[system.key][synchronous] = {"slices": [], "longest": 0.0, "failures": 0, "done": 0, "error": ""}
            try:
                run.prepare(system, run.file(system, f"{synchronous}{processes}"), synchronous)
            except Exception as error:
                rows[system.key][synchronous] = {"lacks": f"not measured: {error}"}
    for _ in range(rounds):
        for synchronous in ("NORMAL", "FULL"):
            for system in able:
                row = rows[system.key][synchronous]
                if "lacks" in row:
                    continue
                path = run.file(system, f"{synchronous}{processes}")
                try:
                    said = slice_of(run, system, path, synchronous, processes, seconds)
                except Exception as error:
                    rows[system.key][synchronous] = {"lacks": f"not measured: {error or type(error).__name__}"}
                    continue
                row["slices"].append(sum(s["jobs"] for s in said) / seconds)
                row["done"] += sum(s["jobs"] for s in said)
                row["longest"] = max(row["longest"], *(s["longest"] for s in said))
                row["failures"] += sum(s["failures"] for s in said)
                row["error"] = row["error"] or next((s["error"] for s in said if s["error"]), "")
    for system in able:
        for synchronous, row in rows[system.key].items():
            if system.name == "openworkflow" and "lacks" not in row:
                failed, error = failed_runs(run.file(system, f"{synchronous}{processes}"))
                row["failures"] += failed
                row["error"] = row["error"] or (json.loads(error)["message"] if error else "")
            if row.get("slices"):
                row["jobs_per_second"] = sorted(row["slices"])[len(row["slices"]) // 2]
    return rows


def cpu_seconds(pid):
    """Of all threads of a process, to the nanosecond."""
    return sum(int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0]) for task in os.listdir(f"/proc/{pid}/task")) / 1e9


def wake(run):
    """From the beginning of another process's enqueue to the first line of the job; and what a worker that waits costs."""
    able, rows = run.can("wake")
    for turn in range(1 if run.quick else 2):
        for system in able:
            if "lacks" in rows.setdefault(system.key, {"ms": [], "idle": [], "failures": 0, "error": ""}):
                continue
            try:
                wake_once(run, system, rows[system.key], turn)
            except Exception as error:
                rows[system.key] = {"lacks": f"not measured: {error or type(error).__name__}"}
    for row in rows.values():
        if row.get("ms"):
            ms = sorted(row["ms"])
            row.update(p50=ms[len(ms) // 2], p99=ms[min(len(ms) - 1, len(ms) * 99 // 100)], n=len(ms), idle_percent=sorted(row["idle"])[len(row["idle"]) // 2])
    return rows


def wake_once(run, system, row, turn):
    path = run.file(system, f"wake{turn}")
    synchronous = system.synchronous[0]
    run.prepare(system, path, synchronous)
    worker = Process(run, system, "serve", path, synchronous, steps=[["only", 0]], executor="worker")
    starter = Process(run, system, "enqueue", path, synchronous, executor="starter")
    try:
        worker.next(), starter.next()
        for number in range(-3, 3 if run.quick else 12 if system.slow else 60):  # the first ones warm it up
            time.sleep(random.uniform(0.05, 1.1 if system.slow and not run.quick else 0.1))
            said, errors = starter.enqueue(f"job {number}")
            row["failures"] += len(errors)
            row["error"] = row["error"] or (errors or [""])[0]
            began = worker.next()
            if number >= 0:
                row["ms"].append((began["at"] - said["at"]) / 1e6)
        time.sleep(0.2 if run.quick else 1)
        before, span = cpu_seconds(worker.child.pid), 0.5 if run.quick else 5
        time.sleep(span)
        row["idle"].append((cpu_seconds(worker.child.pid) - before) / span * 100)
    finally:
        worker.end(), starter.end()


def kill(run):
    """Two workers; the one that has the job is killed in its second step. All systems at once: they mostly wait."""
    able, rows = run.can("kill")

    def one(system):
        try:
            rows[system.key] = kill_once(run, system)
        except Exception as error:
            rows[system.key] = {"lacks": f"not measured: {error or type(error).__name__}"}
        rows[system.key]["lease"] = system.lease

    threads = [threading.Thread(target=one, args=(system,)) for system in able]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows


def kill_once(run, system):
    path, synchronous = run.file(system, "kill"), system.synchronous[0]
    steps = [["first", 0], ["second", 0.5 if run.quick else 2], ["third", 0]]
    limit = 20 if run.quick else 45
    lease = {"lease": 2} if run.quick and system.settings.get("lease") else {}
    run.prepare(system, path, synchronous)

    def start(name):
        process = Process(run, system, "serve", path, synchronous, steps=steps, executor=name, **lease)
        early = []  # what was left over may go on before the worker says that it is ready
        while "ready" not in (said := process.next()):
            early.append(said)
        for said in early:
            process.said.put(said)
        return process

    workers = {name: start(name) for name in ("one", "two")}
    starter = Process(run, system, "enqueue", path, synchronous, executor="starter")
    heard = []
    try:
        starter.next()
        starter.enqueue("the job")

        def listen(until, wanted):
            """Until one of the workers says the wanted step: its name, or None."""
            while time.monotonic() < until:
                for name, process in workers.items():
                    try:
                        said = process.said.get(timeout=0.05)
                    except Empty:
                        continue
                    if said is None:
                        del workers[name]
                        break
                    heard.append(said["step"])
                    if said["step"] == wanted:
                        return name, said
            return None, None

        victim, _ = listen(time.monotonic() + 60, "second")
        if victim is None:
            raise RuntimeError("no worker took the job")
        time.sleep(0.1)
        os.kill(workers[victim].child.pid, signal.SIGKILL)
        killed = time.monotonic_ns()
        workers.pop(victim).end()
        _, said = listen(time.monotonic() + limit, "second")
        row = {"waited": limit}
        if said:
            row["seconds"] = (said["at"] - killed) / 1e9
        else:  # a supervisor starts the dead worker again
            again = time.monotonic_ns()
            workers[victim] = start(victim)
            _, said = listen(time.monotonic() + limit, "second")
            row["after_restart"] = (said["at"] - again) / 1e9 if said else None
        listen(time.monotonic() + 60, "third")
        row["first_step_done"] = heard.count("first")
        return row
    finally:
        for process in (*workers.values(), starter):
            process.end()


ALL = {
    "jobs": lambda run: jobs(run, 1, 1 if run.quick else 5, 0.3 if run.quick else 2),
    "many": lambda run: jobs(run, 2 if run.quick else 8, 1 if run.quick else 3, 0.5 if run.quick else 4),
    "wake": wake,
    "kill": kill,
}

"""DBOS in its SQLite mode. As shipped: the journal and synchronous of SQLite's defaults, a queue that is looked at each second."""

import logging
import os
import sqlite3
import threading

from dbos import DBOS, DBOSClient


def connection(synchronous):
    """What `connect_args` of the documented db_engine_kwargs can do: settings of each connection."""

    class Connection(sqlite3.Connection):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.execute("PRAGMA journal_mode = WAL")
            self.execute(f"PRAGMA synchronous = {synchronous}")

    return Connection


steps_of_worker = []


@DBOS.step()
def recorded(name):
    return {"ref": "r9"}


@DBOS.workflow()
def whole_job(given):
    for name in ("reserve", "charge", "ship"):
        recorded(name)
    return {"ok": True}


@DBOS.step()
def worker_step(number, job):
    return steps_of_worker[number][1](job)


@DBOS.workflow()
def served(job):
    for number in range(len(steps_of_worker)):
        worker_step(number, job)


class System:
    def __init__(self, path, settings):
        logging.disable(logging.CRITICAL)
        self.url, self.settings, self.launched, self.client = f"sqlite:///{path}", settings, False, None
        self.connect = {}
        if settings.get("best"):
            self.connect = {"db_engine_kwargs": {"connect_args": {"factory": connection(settings["synchronous"])}}}

    def launch(self):
        DBOS(config={"name": "bench", "system_database_url": self.url, "executor_id": self.settings.get("executor", str(os.getpid())),
                     "application_version": "1", "log_level": "CRITICAL", **self.connect})
        DBOS.launch()
        self.launched = True

    def job(self):
        if not self.launched:
            self.launch()
        whole_job({"order": 17})

    def enqueue(self, job):
        if self.client is None:
            self.client = DBOSClient(system_database_url=self.url)
        self.client.enqueue({"queue_name": "bench", "workflow_name": "served", "app_version": "1"}, job)

    def serve(self, steps, ready):
        steps_of_worker.extend(steps)
        self.launch()
        DBOS.register_queue("bench", **({"polling_interval_sec": 0.01} if self.settings.get("best") else {}))
        ready()
        threading.Event().wait()

    def close(self):
        os._exit(0)  # its threads look once more for work before they end

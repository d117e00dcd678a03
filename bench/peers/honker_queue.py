"""honker, by its Python package: a queue. It has no steps; in a whole job three entries of a stream stand for them."""

import asyncio
import os

import honker


class System:
    def __init__(self, path, settings):
        self.db = honker.open(path)
        self.queue = self.db.queue("bench", **({"visibility_timeout_s": settings["lease"]} if settings.get("lease") else {}))
        self.stream = self.db.stream("steps")
        self.worker = f"worker-{os.getpid()}"

    def job(self):
        self.queue.enqueue({"order": 17})
        job = self.queue.claim_one(self.worker)
        if job is None:
            return
        for name in ("reserve", "charge", "ship"):
            self.stream.publish({"step": name, "ref": "r9"})
        job.ack()

    def enqueue(self, job):
        self.queue.enqueue(job)

    def serve(self, steps, ready):
        async def run():
            claims = self.queue.claim(self.worker)
            ready()
            async for job in claims:
                for _, do in steps:
                    do(job.payload)
                job.ack()

        asyncio.run(run())

    def close(self):
        pass

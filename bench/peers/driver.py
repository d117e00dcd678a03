"""One process of one system: driver.py SYSTEM COMMAND FILE SETTINGS, the settings as JSON. run.py starts these, and says what each command is for."""

import json
import sys
import time


def say(**what):
    print(json.dumps(what), flush=True)


def work(system, settings):
    """Whole jobs for some seconds, once a line comes in."""
    system.job()
    say(ready=True)
    sys.stdin.readline()
    jobs = failures = 0
    longest, error, until = 0.0, "", time.monotonic() + settings["seconds"]
    while (begin := time.monotonic()) < until:
        try:
            system.job()
            jobs += 1
        except Exception as failure:  # what the caller of the system would see
            failures += 1
            error = str(failure).splitlines()[0][:120]
            time.sleep(0.005)  # as a caller that tries again would
        longest = max(longest, time.monotonic() - begin)
    say(jobs=jobs, longest=longest, failures=failures, error=error)


def enqueue(system, settings):
    say(ready=True)
    for line in sys.stdin:
        begin = time.monotonic_ns()
        try:
            system.enqueue(line.strip())
            say(job=line.strip(), at=begin)
        except Exception as failure:
            say(job=line.strip(), error=str(failure))


def serve(system, settings):
    """Jobs of others, until killed. Each step tells when it is done for the first or for another time."""

    def step(name, pause):
        def do(job):
            say(job=job, step=name, at=time.monotonic_ns())
            time.sleep(pause)
            return {"ok": True}

        return do

    system.serve([(name, step(name, pause)) for name, pause in settings["steps"]], lambda: say(ready=True))


def main(name, command, path, settings):
    settings = json.loads(settings)
    if name == "wfext":
        from ours import System
    elif name == "plain":
        from plain import System
    elif name == "honker":
        from honker_queue import System
    else:
        from dbos_app import System
    system = System(path, settings)
    if command == "prepare":
        system.job()
    else:
        {"work": work, "enqueue": enqueue, "serve": serve}[command](system, settings)
    system.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

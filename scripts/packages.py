#!/usr/bin/env python3
"""Makes the packages of every platform from the archives in dist/, where they are: wheels, those of npm, and the objects that Go links (dist/go).

    scripts/packages.py [wheels] [npm] [go]
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from dist import ROOT, TARGETS, VERSION

DIST = ROOT / "dist"
WORK = ROOT / "build" / "packages"


def unpacked():
    """The targets that dist/ has an archive of, and the folders with what is in them."""
    shutil.rmtree(WORK, ignore_errors=True)
    found = {}
    for name in TARGETS:
        archive = DIST / f"wfext-{VERSION}-{name}.tar.gz"
        if archive.exists():
            with tarfile.open(archive) as tar:
                tar.extractall(WORK, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(WORK)
            found[name] = WORK / f"wfext-{VERSION}-{name}"
    if not found:
        raise SystemExit("packages: no archive in dist/: make dist")
    return found


def run(*command, cwd, **variables):
    done = subprocess.run([str(each) for each in command], cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"packages: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def wheels(folders, out=DIST):
    for name, folder in folders.items():
        target = TARGETS[name]
        if target.wheel:
            run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT / "bindings" / "python",
                PYTHONPATH=str(ROOT / "build" / "python"), WFEXT_LIBRARY=str(folder / target.module), WFEXT_WHEEL_PLATFORM=target.wheel)


def npm(folders, out=DIST):
    tools = ROOT / "build" / "node"
    node = next((tools / "node_modules").glob("node-*/bin/node"))
    path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    package = tools / "package-of-dist"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "bindings" / "node", package, ignore=shutil.ignore_patterns("node_modules", "dist"))
    run(node, tools / "node_modules" / "tsdown" / "dist" / "run.mjs", cwd=package, PATH=path)
    libraries = [f"{TARGETS[name].npm}={folder / TARGETS[name].module}" for name, folder in folders.items() if TARGETS[name].npm]
    print(run(node, "pack.mjs", package, out, *libraries, cwd=package, PATH=path), end="")
    shutil.rmtree(package)


def go(folders, out=DIST / "go"):
    out.mkdir(parents=True, exist_ok=True)
    for name, folder in folders.items():
        if TARGETS[name].go:
            # The one object in the archive, under the name by which Go chooses it.
            run(ROOT / "build" / "zig" / "ziglang" / "zig", "ar", "x", folder / "libwfext.a", cwd=folder)
            shutil.copy(folder / "wfext.o", out / f"wfext_{TARGETS[name].go}.syso")


def main():
    kinds = {"wheels": wheels, "npm": npm, "go": go}
    folders = unpacked()
    for kind in sys.argv[1:] or kinds:
        kinds[kind](folders)


if __name__ == "__main__":
    main()

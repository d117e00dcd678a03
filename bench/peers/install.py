"""Installs what versions.txt names, below build/peers: a virtual environment of Python, a folder of Node. What cannot be had is said, and left out."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def versions():
    """{(manager, package): version}"""
    lines = (line.split("#")[0].split() for line in (HERE / "versions.txt").read_text().splitlines())
    return {(line[0], line[1]): line[2] for line in lines if line}


def run(command, **more):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = (done.stderr + done.stdout).strip().splitlines()
    return (lines or ["failed"])[-1][:200] if done.returncode else None


def installed(folder):
    """{package: version} of what is there: by the folders' own lists, without asking a package manager."""
    found = {}
    for info in (folder / "py").glob("lib/python*/site-packages/*.dist-info"):
        name, version = info.name.removesuffix(".dist-info").rsplit("-", 1)
        found["pip", name] = version
    for manager, name in versions():
        package = folder / "node_modules" / name / "package.json"
        if manager == "npm" and package.exists():
            import json

            found["npm", name] = json.loads(package.read_text())["version"]
    return found


def install(folder):
    """Returns {package: why it cannot be had}."""
    folder.mkdir(parents=True, exist_ok=True)
    why, there = {}, installed(folder)
    for (manager, name), version in versions().items():
        if there.get((manager, name)) == version:
            continue
        print(f"peers: installing {name} {version} with {manager}", file=sys.stderr)
        if manager == "pip":
            python = folder / "py/bin/python"
            failed = None if python.exists() else run([sys.executable, "-m", "venv", str(folder / "py")])
            failed = failed or run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"])
        else:
            (folder / "package.json").exists() or (folder / "package.json").write_text('{"private": true}')
            failed = run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", f"{name}@{version}"],
                         cwd=folder, env=os.environ | {"npm_config_update_notifier": "false"})
        if failed:
            why[name] = failed
    return why

#!/usr/bin/env python3
"""Builds what is handed out, for every platform, from the amalgamation: dist/wfext-<version>-<os>-<cpu>.tar.gz and dist/SHA256SUMS.

    scripts/dist.py [--amalgamation build/amalgamation] [--work build/dist] [--out dist] [target ...]

One compiler call makes a module, a second one a static library: Zig's Clang, which carries the C libraries of all targets (scripts/setup.sh dist puts it into
build/zig). Not by CMake: that looks around on the machine it runs on, for headers and for what its linker can do, and for another platform has to be told not to.
The same sources give the same bytes: nothing of the machine, of the folder or of the time is in them.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.search(r'kVersion\[\] = "([^"]+)"', (ROOT / "ext" / "version.h").read_text()).group(1)


@dataclass(frozen=True)
class Target:
    zig: str
    module: str = ""     # its file name; empty: there are no modules
    wheel: str = ""      # the platform tag of its wheel
    npm: str = ""        # its package of npm
    go: str = ""         # GOOS_GOARCH, where bindings/go/engine knows how to link it
    link: tuple = ()

    @property
    def static(self):
        return "libwfext.a" if self.module else "wfext.o"


_ELF = ("-Wl,--version-script=" + str(ROOT / "cmake" / "exports.map"), "-Wl,--gc-sections", "-lm")
_MACOS = ("-Wl,-install_name,@rpath/libwfext.dylib", "-Wl,-dead_strip")
# Archives are named by these. (A glibc module wants libc alone, and so runs under musl, too: npm and Go need no second one.)
TARGETS = {
    "linux-x86_64": Target("x86_64-linux-gnu.2.17", "libwfext.so", "manylinux_2_17_x86_64", "linux-x64", "linux_amd64", _ELF),
    "linux-arm64": Target("aarch64-linux-gnu.2.17", "libwfext.so", "manylinux_2_17_aarch64", "linux-arm64", "linux_arm64", _ELF),
    "linux_musl-x86_64": Target("x86_64-linux-musl", "libwfext.so", "musllinux_1_1_x86_64", link=_ELF),
    "linux_musl-arm64": Target("aarch64-linux-musl", "libwfext.so", "musllinux_1_1_aarch64", link=_ELF),
    "macos-x86_64": Target("x86_64-macos.11.0", "libwfext.dylib", "macosx_11_0_x86_64", "darwin-x64", "darwin_amd64", _MACOS),
    "macos-arm64": Target("aarch64-macos.11.0", "libwfext.dylib", "macosx_11_0_arm64", "darwin-arm64", "darwin_arm64", _MACOS),
    "windows-x86_64": Target("x86_64-windows-gnu", "wfext.dll", "win_amd64", "win32-x64"),
    "windows-arm64": Target("aarch64-windows-gnu", "wfext.dll", "win_arm64", "win32-arm64"),
    "wasi-wasm32": Target("wasm32-wasi"),
}
FLAGS = ("-std=c++20", "-Os", "-DNDEBUG", "-g0", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables", "-ffp-contract=off",
         "-fno-stack-protector", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror")


def zig_path():
    """Zig as scripts/setup.sh has put it into build/zig, or the one that WFEXT_ZIG names."""
    found = os.environ.get("WFEXT_ZIG") or str(ROOT / "build" / "zig" / "ziglang" / ("zig.exe" if os.name == "nt" else "zig"))
    return found if os.path.exists(found) else None


def run(work, *command):
    """In `work`, by names that are relative to it: no path of the machine gets into what is made."""
    done = subprocess.run([zig_path(), *map(str, command)], cwd=work, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0", "ZERO_AR_DATE": "1"})
    if done.returncode != 0:
        raise SystemExit(f"dist: zig {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def compile_for(name, work, flags=FLAGS, static=True, module=True):
    """Makes the module and the static library of a target in `work`, where wfext.cpp, wfext.h, sqlite3.h and sqlite3ext.h are; returns their paths."""
    target = TARGETS[name]
    made = []
    if module and target.module:
        run(work, "c++", "-target", target.zig, *flags, "-I.", "-c", "wfext.cpp", "-o", "module.o")
        run(work, "cc", "-target", target.zig, "-shared", "-s", "module.o", "-o", target.module, *target.link)
        made.append(work / target.module)
    if static:
        run(work, "c++", "-target", target.zig, *flags, "-DSQLITE_CORE", "-I.", "-c", "wfext.cpp", "-o", "wfext.o")
        if target.module:
            (work / "libwfext.a").unlink(missing_ok=True)
            run(work, "ar", "rcsD", "libwfext.a", "wfext.o")
        made.append(work / target.static)
    return made


def sums(files):
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())).encode()


def write_archive(path, files):
    """`files`: names and bytes, which go into a folder of the archive's name."""
    folder = path.name.removesuffix(".tar.gz")
    files = {**files, "SHA256SUMS": sums(files)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            entry.mode = 0o755 if name.endswith((".so", ".dylib", ".dll")) else 0o644
            tar.addfile(entry, io.BytesIO(content))
    with open(path, "wb") as out, gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as zipped:
        zipped.write(packed.getvalue())


def sqlite_headers():
    """The folder with sqlite3.h and sqlite3ext.h that the build found."""
    cache = ROOT / "build" / "CMakeCache.txt"
    found = re.search(r"^WFEXT_SQLITE_INCLUDE_DIR:\w+=(.+)$", cache.read_text(), re.MULTILINE) if cache.exists() else None
    return Path(os.environ.get("WFEXT_SQLITE_HEADERS") or (found.group(1) if found else "/usr/include"))


def prepare(work, amalgamation):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("wfext.cpp", "wfext.h"):
        shutil.copy(amalgamation / name, work)
    for name in ("sqlite3.h", "sqlite3ext.h"):
        shutil.copy(sqlite_headers() / name, work)
    return work


def build(name, work, amalgamation, out):
    made = compile_for(name, prepare(work / name, amalgamation))
    files = {path.name: path.read_bytes() for path in [*made, amalgamation / "wfext.h", ROOT / "LICENSE"]}
    archive = out / f"wfext-{VERSION}-{name}.tar.gz"
    write_archive(archive, files)
    print(f"{archive.name}: {', '.join(f'{path.name} {path.stat().st_size:,} bytes' for path in made)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--amalgamation", type=Path, default=ROOT / "build" / "amalgamation")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "dist")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("targets", nargs="*", help="of " + ", ".join(TARGETS))
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown targets: {', '.join(sorted(unknown))}")
    if zig_path() is None:
        raise SystemExit("dist: Zig is not set up: scripts/setup.sh dist")
    work, amalgamation, out = given.work.resolve(), given.amalgamation.resolve(), given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as pool:
        for done in [pool.submit(build, name, work, amalgamation, out) for name in given.targets or TARGETS]:
            done.result()
    write_archive(out / f"wfext-{VERSION}-amalgamation.tar.gz", {path.name: path.read_bytes() for path in [amalgamation / "wfext.cpp", amalgamation / "wfext.h", ROOT / "LICENSE"]})
    archives = {path.name: path.read_bytes() for path in out.glob(f"wfext-{VERSION}-*.tar.gz")}
    (out / "SHA256SUMS").write_bytes(sums(archives))


if __name__ == "__main__":
    sys.exit(main())

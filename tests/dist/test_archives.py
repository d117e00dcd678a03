"""What `make dist` hands out: the archives, what the libraries in them say about themselves, and that they work where they can be run here.

The ordinary run makes one of them, for this machine; the deep run all, or takes those of a folder: WFEXT_DEEP=1 WFEXT_ARCHIVES=dist.
"""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess

import formats
import pytest
from making import DEEP, MADE, NATIVE, ROOT, ZIG, build, dist, sqlite_source, zig

MODULES = [name for name in MADE if dist.TARGETS[name].module]

pytestmark = pytest.mark.skipif(ZIG is None, reason="Zig is not set up (scripts/setup.sh dist)")
deep = pytest.mark.skipif(not DEEP, reason="only in the deep run: builds for other platforms")


def test_archives_hold_what_the_page_says(out, unpacked):
    names = {f"wfext-{dist.VERSION}-{name}.tar.gz" for name in [*MADE, "amalgamation"]}
    assert {path.name for path in out.glob("*.tar.gz")} == names
    for name in MADE:
        target = dist.TARGETS[name]
        assert {path.name for path in unpacked(name).iterdir()} == {"LICENSE", "SHA256SUMS", "wfext.h", target.static, *([target.module] if target.module else [])}
    assert {path.name for path in unpacked("amalgamation").iterdir()} == {"LICENSE", "SHA256SUMS", "wfext.h", "wfext.cpp"}


def test_sums_are_those_of_the_files(out, unpacked):
    for folder in [out, *map(unpacked, [*MADE, "amalgamation"])]:
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        assert len(lines) == len(list(folder.iterdir())) - 1
        for line in lines:
            said, name = line.split("  ")
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == said, name


@deep
@pytest.mark.parametrize("name", MADE)
def test_the_same_bytes_from_the_same_sources_twice(name, amalgamation, out, tmp_path, monkeypatch):
    """In another folder, compiled anew: Zig's own cache is another one, too."""
    monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", str(tmp_path / "cache"))
    again = build(amalgamation, tmp_path / "in another place", name)
    same = [(again / archive).read_bytes() == (out / archive).read_bytes() for archive in (f"wfext-{dist.VERSION}-amalgamation.tar.gz", f"wfext-{dist.VERSION}-{name}.tar.gz")]
    assert same[0], "the archives are of other sources"
    assert same[1]


UNOPTIMIZED = ("-O0", "-fno-sanitize=undefined", *(flag for flag in dist.FLAGS if flag != "-Os"))


def test_the_same_bytes_twice_unoptimized(amalgamation, tmp_path, monkeypatch):
    """The same in little, for every run: one module, and one archive."""
    made = []
    for place in ("here", "in another place"):
        monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", str(tmp_path / f"cache {place}"))
        (module,) = dist.compile_for(NATIVE, dist.prepare(tmp_path / place / NATIVE, amalgamation), UNOPTIMIZED, static=False)
        dist.write_archive(tmp_path / place / "a.tar.gz", {module.name: module.read_bytes()})
        made.append((module.read_bytes(), (tmp_path / place / "a.tar.gz").read_bytes()))
    assert made[0] == made[1]


@pytest.mark.skipif(DEEP, reason="the deep run builds all of it")
@pytest.mark.parametrize("name", ["windows-x86_64", "macos-arm64", "wasi-wasm32"])
def test_the_sources_compile_for(name, amalgamation, tmp_path):
    """What only these systems have is compiled, and nothing else's is asked for."""
    work = dist.prepare(tmp_path / name, amalgamation)
    dist.run(work, "c++", "-target", dist.TARGETS[name].zig, *UNOPTIMIZED, "-DSQLITE_CORE", "-I.", "-c", "wfext.cpp", "-o", "wfext.o")


# What a module may want of the system.
NEEDED = {
    "linux": {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"},
    "linux_musl": {"libc.so"},
    "macos": {"/usr/lib/libSystem.B.dylib"},
    "windows": {"kernel32.dll", "ntdll.dll"},
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_show_their_entry_points_and_want_the_system_alone(name, unpacked):
    os_name, cpu = name.split("-")
    library = formats.read(unpacked(name) / dist.TARGETS[name].module)
    assert library.cpu == cpu
    assert library.format == {"linux": "elf", "linux_musl": "elf", "macos": "macho", "windows": "pe"}[os_name]
    linkers_own = {"_mh_dylib_header", "__dso_handle"} if os_name == "macos" else set()
    assert library.exports - linkers_own == {"sqlite3_wfext_init", "sqlite3_extension_init"}
    wanted = {each for each in library.needs if not each.startswith("api-ms-win-crt-")}  # the Universal C Runtime, part of Windows
    assert wanted <= NEEDED[os_name] and library.needs, library.needs
    if os_name == "linux":
        assert () < library.oldest <= (2, 17)
    if os_name == "macos":
        assert library.oldest == (11, 0)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_of_a_size(name, unpacked):
    assert 100_000 < (unpacked(name) / dist.TARGETS[name].module).stat().st_size < 900_000


@pytest.mark.parametrize("name", MADE)
def test_nothing_of_the_machine_is_in_them(name, unpacked):
    for path in unpacked(name).iterdir():
        content = path.read_bytes()
        assert str(ROOT).encode() not in content and b"/tmp/" not in content and str(os.path.expanduser("~")).encode() + b"/" not in content, path.name


@pytest.mark.parametrize("name", [name for name in MADE if name.startswith("linux")])
def test_the_static_library_wants_libc_and_sqlite_alone(name, unpacked):
    done = subprocess.run(["readelf", "-Ws", unpacked(name) / "libwfext.a"], capture_output=True, text=True, check=True)
    wanted = {words[7] for words in map(str.split, done.stdout.splitlines()) if len(words) > 7 and words[6] == "UND"}
    assert "sqlite3_step" in wanted
    assert {each for each in wanted if re.search(r"_Z|__cxa|__gxx|_Unwind|__stack_chk|_chk$", each)} == set()


@pytest.fixture(scope="module")
def native(unpacked):
    return unpacked(NATIVE) / "libwfext.so"


def test_the_module_works_here(native, tmp_path):
    done = talk([], None, tmp_path, module=native)
    assert done == EXPECTED


# ---- Run, each on its own system or one that stands for it -----------------------------------------------------------

LINES = """SELECT wf_version()
SELECT wf_start('job', '{"n": 1.5}', '{"id": "w"}')
SELECT wf_step('w', 's', 0.1)
SELECT wf_step('w', 'large', 2.5e300)
SELECT wf_step('w', 'even larger', 9007199254740993)
SELECT wf_step('nobody', 's')
SELECT wf_complete('w', wf_step('w', 's'))
SELECT status, output FROM wf_workflows
SELECT wf_wait(0.05)
SELECT wf_start('job', NULL, '{"id": "claimed"}')
SELECT wf_claim('default', 'worker') LIKE '{"token":"run_%"id":"claimed"%'
SELECT wf_schedule('utc', '0 9 * * *', 'job') IS NOT NULL
SELECT wf_schedule('berlin', '0 9 * * *', 'job', NULL, '{"timezone": "Europe/Berlin"}') IS NOT NULL
SELECT wf_check()
"""
ZONE = "error: WF_INVALID: no zone files were found here, so time zone 'Europe/Berlin' is not known: install the package tzdata, or set TZDIR"
EXPECTED = """0.1.0
w
0.1
2.5e+300
9007199254740993
error: WF_NOT_FOUND: no workflow 'nobody'
completed
completed|0.1
0
claimed
1
1
1
NULL
"""


def talk(command, program, folder, module=None):
    """What the lines give, by a program like host.c, or by this Python's SQLite."""
    if program is not None:
        arguments = [*command, program, "app.db", *([module] if module else [])]
        done = subprocess.run([str(each) for each in arguments], input=LINES, cwd=folder, capture_output=True, text=True, timeout=300)
        return done.stdout.replace("\r", "") or done.stderr
    db = sqlite3.connect(folder / "app.db", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(str(module))
    said = []
    for line in LINES.splitlines():
        try:
            said += ["|".join("NULL" if each is None else str(each) for each in row) for row in db.execute(line)]
        except sqlite3.Error as error:
            said.append(f"error: {error}")
    db.close()
    return "\n".join(said) + "\n"


SQLITE = ("-DSQLITE_THREADSAFE=1", "-DSQLITE_ENABLE_LOAD_EXTENSION", "-O0", "-fno-sanitize=undefined", "-w")
WASI = ("-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_OMIT_WAL", "-D_WASI_EMULATED_GETPID", "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_MMAN", "-O0", "-fno-sanitize=undefined", "-w")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Makes host.c with SQLite for a target, once; with a library it is linked in."""
    made = {}

    def make(name, library=None, options=SQLITE, link=()):
        if (name, library) not in made:
            folder = tmp_path_factory.mktemp("host")
            source = sqlite_source()
            for file in (source / "sqlite3.c", source / "sqlite3.h", ROOT / "tests" / "dist" / "host.c", ROOT / "ext" / "wfext.h"):
                shutil.copy(file, folder)
            static = ["-DWFEXT_STATIC", library] if library else []
            program = "host.wasm" if name.startswith("wasi") else "host.exe"
            zig("cc", "-target", dist.TARGETS[name].zig, *options, "host.c", "sqlite3.c", *static, *link, "-o", program, cwd=folder)
            made[name, library] = folder / program
        return made[name, library]

    return make


def needs(*tools):
    for tool in tools:
        if not (shutil.which(tool) or os.path.exists(tool)):
            pytest.skip("what runs programs of other platforms is not installed (scripts/setup.sh platforms)")


@deep
@pytest.mark.parametrize("name", ["linux-x86_64", "linux_musl-x86_64"])
def test_under_musl(name, host, unpacked, tmp_path):
    """The module for glibc as well: it wants the C library alone."""
    loader = "/lib/ld-musl-x86_64.so.1"
    needs(loader)
    program = host("linux_musl-x86_64", link=("-dynamic",))
    assert talk([loader], program, tmp_path, module=unpacked(name) / "libwfext.so") == EXPECTED


@deep
def test_on_arm64(host, unpacked, tmp_path):
    needs("qemu-aarch64", "/usr/aarch64-linux-gnu")
    program = host("linux-arm64")
    assert talk(["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], program, tmp_path, module=unpacked("linux-arm64") / "libwfext.so") == EXPECTED


@deep
def test_linked_in_on_arm64_with_musl(host, unpacked, tmp_path):
    needs("qemu-aarch64")
    program = host("linux_musl-arm64", library=unpacked("linux_musl-arm64") / "libwfext.a", link=("-static",))
    assert talk(["qemu-aarch64"], program, tmp_path) == EXPECTED


@deep
@pytest.mark.parametrize("linked_in", [False, True])
def test_on_windows(linked_in, host, unpacked, tmp_path, monkeypatch):
    """As wine understands it. Zone files are found by the names of this system, which wine shows; where TZDIR names a folder without, that is said."""
    needs("wine")
    monkeypatch.setenv("WINEDEBUG", "-all")
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "wine"))
    folder = unpacked("windows-x86_64")
    program = host("windows-x86_64", library=folder / "libwfext.a" if linked_in else None)
    module = None if linked_in else folder / "wfext.dll"
    for zones, says in ((None, "1"), ("Z:/nowhere", ZONE), ("Z:/usr/share/zoneinfo", "1")):
        (tmp_path / "app.db").unlink(missing_ok=True)
        if zones:
            monkeypatch.setenv("TZDIR", zones)
        assert talk(["wine"], program, tmp_path, module=module) == EXPECTED.replace("1\nNULL", f"{says}\nNULL")


RUN_WASI = """
const { WASI } = require("node:wasi"), fs = require("node:fs");
const wasi = new WASI({ version: "preview1", args: ["host", "/app.db"], preopens: { "/": process.cwd() }, returnOnExit: true });
WebAssembly.compile(fs.readFileSync(process.argv[1])).then((module) => WebAssembly.instantiate(module, wasi.getImportObject())).then((instance) => { process.exitCode = wasi.start(instance); });
"""


@deep
def test_linked_into_sqlite_for_webassembly(host, unpacked, tmp_path):
    """Under Node's WASI, on a file."""
    needs("node")
    program = host("wasi-wasm32", library=unpacked("wasi-wasm32") / "wfext.o", options=WASI,
                   link=("-lwasi-emulated-getpid", "-lwasi-emulated-signal", "-lwasi-emulated-mman"))
    done = subprocess.run(["node", "--no-warnings", "-e", RUN_WASI, program], input=LINES, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.stdout or done.stderr) == EXPECTED.replace("1\nNULL", f"{ZONE}\nNULL")

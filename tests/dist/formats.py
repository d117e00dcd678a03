"""What a library says about itself, read from its file: ELF, Mach-O and PE, as far as the tests look at them."""

import re
import struct
import subprocess
from dataclasses import dataclass, field


@dataclass
class Library:
    format: str
    cpu: str
    exports: set = field(default_factory=set)
    needs: set = field(default_factory=set)
    oldest: tuple = ()  # the oldest system that it says it runs on: glibc's version, or that of macOS


def read(path):
    content = path.read_bytes()
    if content[:4] == b"\x7fELF":
        return _elf(path, content)
    if content[:4] == b"\xcf\xfa\xed\xfe":
        return _macho(content)
    assert content[:2] == b"MZ", content[:4]
    return _pe(content)


def _elf(path, content):
    def readelf(*options):
        return subprocess.run(["readelf", "-W", *options, str(path)], capture_output=True, text=True, check=True).stdout

    cpu = {62: "x86_64", 183: "arm64"}[struct.unpack_from("<H", content, 18)[0]]
    symbols = [line.split() for line in readelf("--dyn-syms").splitlines()]
    exports = {words[7].split("@")[0] for words in symbols if len(words) > 7 and words[4] in ("GLOBAL", "WEAK") and words[6] != "UND"}
    versions = [tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", readelf("-V"))]
    return Library("elf", cpu, exports, set(re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("-d"))), max(versions, default=()))


def _macho(content):
    cpu = {0x01000007: "x86_64", 0x0100000C: "arm64"}[struct.unpack_from("<I", content, 4)[0]]
    library = Library("macho", cpu)
    at = 32
    for _ in range(struct.unpack_from("<I", content, 16)[0]):
        command, size = struct.unpack_from("<II", content, at)
        if command == 0xC:  # LC_LOAD_DYLIB
            name = at + struct.unpack_from("<I", content, at + 8)[0]
            library.needs.add(content[name : content.index(b"\0", name)].decode())
        elif command == 0x32:  # LC_BUILD_VERSION
            version = struct.unpack_from("<I", content, at + 12)[0]
            library.oldest = (version >> 16, version >> 8 & 255)
        elif command in (0x80000022, 0x22):  # LC_DYLD_INFO
            library.exports = _trie(content, *struct.unpack_from("<II", content, at + 40))
        elif command == 0x80000033:  # LC_DYLD_EXPORTS_TRIE
            library.exports = _trie(content, *struct.unpack_from("<II", content, at + 8))
        at += size
    return library


def _trie(content, begin, size):
    """The names in a tree whose branches are named by what they add to the name."""
    tree = content[begin : begin + size]

    def number(at):
        value = shift = 0
        while True:
            value |= (tree[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if tree[at - 1] < 128:
                return value, at

    names, left = set(), [(0, "")]
    while left and tree:
        at, name = left.pop()
        length, at = number(at)
        if length:
            names.add(name.removeprefix("_"))
        at += length
        branches, at = tree[at], at + 1
        for _ in range(branches):
            end = tree.index(b"\0", at)
            place, next_at = number(end + 1)
            left.append((place, name + tree[at:end].decode()))
            at = next_at
    return names


def _pe(content):
    pe = struct.unpack_from("<I", content, 0x3C)[0]
    assert content[pe : pe + 4] == b"PE\0\0"
    machine, sections, _, _, _, optional = struct.unpack_from("<HHIIIH", content, pe + 4)
    assert struct.unpack_from("<H", content, pe + 24)[0] == 0x20B
    table = [struct.unpack_from("<IIII", content, pe + 24 + optional + 40 * i + 8) for i in range(sections)]

    def place(address):
        for size, begin, raw_size, raw in table:
            if begin <= address < begin + max(size, raw_size):
                return raw + address - begin
        raise AssertionError(hex(address))

    def text(address):
        at = place(address)
        return content[at : content.index(b"\0", at)].decode()

    library = Library("pe", {0x8664: "x86_64", 0xAA64: "arm64"}[machine])
    exports, imports = (struct.unpack_from("<I", content, pe + 24 + 112 + 8 * i)[0] for i in range(2))
    if exports:
        count, _, names = struct.unpack_from("<III", content, place(exports) + 24)
        library.exports = {text(struct.unpack_from("<I", content, place(names) + 4 * i)[0]) for i in range(count)}
    at = place(imports)
    while struct.unpack_from("<I", content, at + 12)[0]:
        library.needs.add(text(struct.unpack_from("<I", content, at + 12)[0]).lower())
        at += 20
    return library

"""Writes TZif files (RFC 8536)."""

import struct


def block(size, changes, types, leaps=()):
    """The data of one block; `changes` are (time, index of a type), `types` (seconds east, is summer time)."""
    form = ">%d%s" % (len(changes), "i" if size == 4 else "q")
    data = struct.pack(form, *(time for time, _ in changes)) + bytes(index for _, index in changes)
    data += b"".join(struct.pack(">ibB", east, summer, 0) for east, summer in types) + b"ABC\0"
    return data + b"".join(struct.pack(">%si" % ("i" if size == 4 else "q"), time, count) for time, count in leaps)


def header(version, changes, types, leaps=()):
    return b"TZif" + version + bytes(15) + struct.pack(">6i", 0, 0, len(leaps), len(changes), len(types), 4)


def zone_file(changes=(), types=((0, 0),), footer="", version=b"2", leaps=()):
    if version == b"\0":
        return header(version, changes, types, leaps) + block(4, changes, types, leaps)
    first = header(version, (), types[:1]) + block(4, (), types[:1])
    return first + header(version, changes, types, leaps) + block(8, changes, types, leaps) + b"\n" + footer.encode() + b"\n"

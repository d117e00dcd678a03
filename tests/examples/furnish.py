"""A directory as the repository is after make: build/libwfext.so, and examples/."""

import os
from pathlib import Path

from support import extension_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def furnish(path):
    (path / "build").mkdir()
    (path / "build" / "libwfext.so").symlink_to(os.path.realpath(extension_path()))
    (path / "examples").symlink_to(EXAMPLES)
    return path

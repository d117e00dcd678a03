"""Puts the library into the wheel: the one that WFEXT_LIBRARY names, for the platform that WFEXT_WHEEL_PLATFORM names (default: this machine's)."""

import os
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        library = os.environ.get("WFEXT_LIBRARY")
        if not library or not os.path.exists(library):
            raise RuntimeError("a wheel contains the library: build it (make), and name it by WFEXT_LIBRARY")
        build_data["force_include"][os.path.abspath(library)] = f"wfext/lib/{os.path.basename(library)}"
        platform = os.environ.get("WFEXT_WHEEL_PLATFORM") or sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

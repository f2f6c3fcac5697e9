"""Compile the order book into the wheel, where that can be done; else the wheel is pure.

`WATTBAY_COMPILE=1` makes it a must, `WATTBAY_COMPILE=0` leaves it. An editable install stays as its
sources are.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "WATTBAY_COMPILE"
NEEDED = ("mypy[mypyc]>=2.4",)
"""What compiling takes, besides a C compiler."""
RUNTIME = ("librt>=0.16", "mypy-extensions>=1")
"""What a compiled book needs where it runs."""


def compiler() -> str:
    """Return the path of the C compiler; empty if there is none."""
    if sys.platform == "win32":
        return shutil.which("cl") or ""
    named = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(named.split()[0]) or shutil.which("cc") or ""


def can_compile() -> bool:
    """Tell whether a compiler, mypy and setuptools are here."""
    libraries = ("mypyc", "setuptools", "librt")
    return bool(compiler()) and all(map(importlib.util.find_spec, libraries))


class CompileBook(BuildHookInterface):  # type: ignore[type-arg] # its argument is the builder's own
    """The build hook."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for what compiling takes, where it is a must."""
        return list(NEEDED) if os.environ.get(VARIABLE) == "1" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before a wheel is made, and put what comes of it in."""
        wish = os.environ.get(VARIABLE, "")
        if self.target_name != "wheel" or version == "editable" or wish == "0":
            return
        if wish != "1" and not can_compile():
            self.app.display_info("order book: no compiler here, so the wheel is pure")
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="wattbay-wheel-")
        out = Path(self._scratch.name)
        script = Path(self.root) / "tools" / "compile_book.py"
        command = [sys.executable, str(script), str(Path(self.root) / "src"), str(out)]
        done = subprocess.run(  # noqa: S603 - our own script
            command, capture_output=True, text=True, check=False
        )
        if done.returncode:
            if wish == "1":
                raise RuntimeError(f"the order book does not compile:\n{done.stderr}{done.stdout}")
            self.app.display_warning("order book: it does not compile here, so the wheel is pure")
            return
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            build_data["force_include"][str(path)] = path.relative_to(out).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["dependencies"] += RUNTIME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear up."""
        del version, build_data, artifact_path
        if hasattr(self, "_scratch"):
            self._scratch.cleanup()

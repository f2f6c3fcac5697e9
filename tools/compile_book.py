"""Compile the order book's modules, by mypyc: `compile_book.py SOURCE OUT`.

SOURCE is the folder that holds the package; it is not changed. The extension modules come to OUT,
each in its folder of the package, with the library that they share beside the package.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution

ROOM = Path("wattbay/core/market")
MODULES = (
    "codes",
    "columns",
    "levels",
    "waiting",
    "standing",
    "walk",
    "planning",
    "batch",
    "sides",
)
"""What is compiled. `columns` is made of `vectors`, which says the same of unboxed numbers."""


def stage(source: Path, folder: Path) -> None:
    """Copy the package, with vectors for columns."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "*.so", "*.pyd")
    shutil.copytree(source / "wattbay", folder / "wattbay", ignore=ignored)
    shutil.copy(folder / ROOM / "vectors.py", folder / ROOM / "columns.py")


def compile_into(out: Path) -> None:
    """Compile what is staged in the current folder."""
    paths = [str(ROOM / f"{name}.py") for name in MODULES]
    # What only lists can do is not looked at, where columns are vectors.
    options = ["--strict", "--always-true=UNBOXED", "--config-file=", "--follow-imports=silent"]
    extensions = mypycify([*options, *paths], opt_level="3", group_name="wattbay_book")
    if sys.platform != "win32":
        for extension in extensions:
            # Functions of the book call each other directly, and may be put into one another.
            extension.extra_compile_args += ["-fvisibility=hidden", "-fno-semantic-interposition"]
    build = Distribution({"name": "wattbay", "ext_modules": extensions}).get_command_obj(
        "build_ext"
    )
    build.set_undefined_options("build")
    build.build_lib, build.build_temp = str(out), "temporary"
    build.ensure_finalized()
    build.run()


def main() -> None:
    """Stage the package in a folder of its own, and compile there."""
    source, out = (Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="wattbay-book-") as scratch:
        stage(source, Path(scratch))
        os.chdir(scratch)
        os.environ["MYPYPATH"] = scratch
        compile_into(out)


if __name__ == "__main__":
    main()

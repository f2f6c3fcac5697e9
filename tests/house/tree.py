"""The tree as the house rules see it: its files, and the syntax of its sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wattbay"

_NOT_OURS = frozenset(
    {".git", ".venv", "__pycache__", "_build", "build", "dist", "runs", "node_modules"}
)


def files(suffixes: tuple[str, ...], *tops: str) -> list[Path]:
    """Return our files with one of the suffixes below the folders named, in order of path."""
    found: list[Path] = []
    for top in tops or (".",):
        for path in (ROOT / top).rglob("*"):
            inside = path.relative_to(ROOT).parts
            hidden = any(part.endswith("_cache") or part == ".hypothesis" for part in inside)
            if path.suffix in suffixes and not hidden and _NOT_OURS.isdisjoint(inside):
                found.append(path)
    return sorted(path for path in found if path.is_file())


def sources(*tops: str) -> list[Path]:
    """Return our Python files below the folders named, or all."""
    return files((".py",), *(tops or ("src", "tests", "benchmarks", "tools", "docs")))


def name_of(path: Path) -> str:
    """Return a path as the rules and their exceptions write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def syntax(path: Path) -> ast.Module:
    """Return the syntax tree of a source."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def lines(path: Path) -> list[str]:
    """Return the lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, _Function]]:
    """Yield the functions and methods of a source, with dotted names."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
                yield from inside(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from inside(child, f"{prefix}{child.name}.")
            else:
                yield from inside(child, prefix)

    yield from inside(syntax(path), "")


def show(breaches: list[str]) -> str:
    """Return the breaches as the message of a failed test."""
    return "\n  ".join(["", *breaches])

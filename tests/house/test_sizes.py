"""Functions of 60 lines, files of 500, seven parameters. The exceptions may only shrink."""

from __future__ import annotations

import ast

from tests.house.tree import functions, lines, name_of, show, sources

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
PARAMETERS_MAX = 7

# What may be larger, and why: "path" for a file, "path::function" for a function.
LARGER: dict[str, str] = {
    "src/wattbay/adapters/mqtt/readings.py::encode": "the fields of a reading, all by keyword",
    "src/wattbay/core/market/batch.py::Batch._enter_plain": "one loop over columns in variables",
    "tests/independent/recompute.py": "one file that a stranger can read and carry away",
}
# Folders in which a parameter is something else than an argument.
FREE_OF_PARAMETERS: tuple[tuple[str, str], ...] = (
    ("src/wattbay/cli/", "typer: a parameter is an option of the command line"),
    ("tests/", "a builder states every default of a noun"),
)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, without its docstring."""
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        whole -= (first.end_lineno or first.lineno) - first.lineno + 1
    return whole


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many arguments a caller can give."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def long_functions() -> dict[str, int]:
    return {
        f"{name_of(path)}::{name}": length(node)
        for path in sources()
        for name, node in functions(path)
        if length(node) > FUNCTION_LINES_MAX
    }


def long_files() -> dict[str, int]:
    return {
        name_of(path): len(lines(path)) for path in sources() if len(lines(path)) > FILE_LINES_MAX
    }


def test_functions_are_short_enough_to_be_seen_whole() -> None:
    breaches = [f"{at}: {n} lines" for at, n in long_functions().items() if at not in LARGER]
    assert not breaches, show(breaches)


def test_files_hold_one_idea_each() -> None:
    breaches = [f"{at}: {n} lines" for at, n in long_files().items() if at not in LARGER]
    assert not breaches, show(breaches)


def wide_functions() -> dict[str, int]:
    free = tuple(folder for folder, _ in FREE_OF_PARAMETERS)
    return {
        f"{name_of(path)}::{name}": parameters(node)
        for path in sources()
        if not name_of(path).startswith(free)
        for name, node in functions(path)
        if parameters(node) > PARAMETERS_MAX
    }


def test_no_function_takes_more_than_seven_parameters() -> None:
    breaches = [f"{at}: {n}" for at, n in wide_functions().items() if at not in LARGER]
    assert not breaches, show(breaches)


def test_exceptions_to_size_are_still_needed() -> None:
    needed = long_functions() | long_files() | wide_functions()
    spare = [at for at in LARGER if at not in needed]
    assert not spare, show(spare)

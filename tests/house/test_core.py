"""The core is exact and pure; time, chance and change have one place each."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import SOURCE, lines, name_of, show, sources, syntax

# librt and mypy_extensions are for the compiler: what runs interpreted needs neither.
COMPILER = ("librt", "mypy_extensions")
CORE_MAY_IMPORT = frozenset({*sys.stdlib_module_names, *COMPILER, "msgspec", "wattbay"})

# Who may read a clock, and why. Durations of this machine's own work are no part of a market.
CLOCK_READERS: dict[str, str] = {
    "src/wattbay/kernel/clock.py": "the one place that reads the wall clock",
}
CLOCK_READINGS = frozenset({"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"})

MUTABLE_CALLS = frozenset(
    {"Counter", "OrderedDict", "bytearray", "defaultdict", "deque", "dict", "list", "set"}
)
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def core() -> list[Path]:
    return [*sources("src/wattbay/core"), SOURCE / "units.py"]


def inexact(path: Path) -> Iterator[str]:
    text = lines(path)
    for node in ast.walk(syntax(path)):
        match node:
            case ast.BinOp(op=ast.Div() | ast.FloorDiv()):
                what = "a division"
            case ast.AugAssign(op=ast.Div() | ast.FloorDiv()):
                what = "a division"
            case ast.Call(func=ast.Name(id="divmod" | "round" | "float" | "pow" as name)):
                what = f"{name}()"
            case ast.Constant(value=float() as number):
                what = f"the float {number}"
            case ast.Name(id="float"):
                what = "a float"
            case _:
                continue
        span = text[node.lineno - 1 : (node.end_lineno or node.lineno)]
        if not any("# divides: " in line for line in span):
            yield f"{name_of(path)}:{node.lineno}: {what}"


def test_core_divides_only_where_it_says_why_and_knows_no_float() -> None:
    breaches = [breach for path in core() for breach in inexact(path)]
    assert not breaches, show(breaches)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(syntax(path)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.name, node.lineno
            case ast.ImportFrom(module=str() as module):
                yield module, node.lineno
            case _:
                pass


def test_core_imports_the_standard_library_and_msgspec_alone() -> None:
    breaches = [
        f"{name_of(path)}:{line}: {module}"
        for path in core()
        for module, line in imported(path)
        if module.split(".")[0] not in CORE_MAY_IMPORT
    ]
    assert not breaches, show(breaches)


def clock_readings(path: Path) -> Iterator[str]:
    for node in ast.walk(syntax(path)):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Name(id="datetime" | "date" | "time" as owner)
                    | ast.Attribute(attr="datetime" | "date" as owner),
                    attr=reading,
                )
            ) if reading in CLOCK_READINGS:
                yield f"{name_of(path)}:{node.lineno}: {owner}.{reading}()"
            case ast.ImportFrom(module="time", names=names):
                taken = sorted(CLOCK_READINGS & {alias.name for alias in names})
                yield from (f"{name_of(path)}:{node.lineno}: time.{name}" for name in taken)
            case _:
                pass


def test_nobody_but_the_clock_reads_the_wall_clock() -> None:
    breaches = [
        breach
        for path in sources("src")
        if name_of(path) not in CLOCK_READERS
        for breach in clock_readings(path)
    ]
    assert not breaches, show(breaches)


def unseeded(path: Path) -> Iterator[str]:
    for node in ast.walk(syntax(path)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="default_rng" | "Random" | "SeedSequence" as maker)
                | ast.Name(id="default_rng" | "Random" | "SeedSequence" as maker),
                args=[],
                keywords=[],
            ):
                yield f"{name_of(path)}:{node.lineno}: {maker}() without a seed"
            case _:
                pass


def test_chance_has_a_seed_everywhere() -> None:
    breaches = [breach for path in sources() for breach in unseeded(path)]
    assert not breaches, show(breaches)


def mutables(path: Path) -> Iterator[str]:
    for node in syntax(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        called = value.func if isinstance(value, ast.Call) else None
        made = called.id if isinstance(called, ast.Name) else None
        if name != "__all__" and (isinstance(value, MUTABLE) or made in MUTABLE_CALLS):
            yield f"{name_of(path)}:{node.lineno}: {name}"


def test_nothing_at_module_level_can_change() -> None:
    breaches = [breach for path in sources("src") for breach in mutables(path)]
    assert not breaches, show(breaches)


def records(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id in {"Message", "Record"} for base in node.bases
        ):
            yield node


def test_every_message_and_record_is_made_by_keyword() -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}: {node.name}"
        for path in sources("src")
        for node in records(path)
        if not any(
            keyword.arg == "kw_only"
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is True
            for keyword in node.keywords
        )
    ]
    assert not breaches, show(breaches)


FORMS = frozenset(
    {
        "BaseModel",  # of settings, as pydantic reads them
        "BaseSettings",
        "Event",  # what the gateway of the trading protocol tells
        "Exception",
        "Message",
        "NamedTuple",
        "Part",  # a table of settings
        "Protocol",
        "Record",
        "Said",  # what the market agent says
        "Struct",
        "TypedDict",
    }
)
ENUMS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag"})

# What is inherited besides ports, forms, enumerations and exceptions, and why.
INHERITED: dict[str, str] = {
    "_Quantity": "what the four value types of units.py share",
}


def bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(plain, ast.Name):
            yield plain.id
        elif isinstance(plain, ast.Attribute):
            yield plain.attr


def is_form(name: str) -> bool:
    return name in FORMS | ENUMS | INHERITED.keys() or name.endswith(("Error", "Broken"))


def test_only_ports_forms_and_exceptions_are_inherited() -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}: {node.name}({base})"
        for path in sources("src")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.ClassDef)
        for base in bases(node)
        if not is_form(base) and base != "Generic"
    ]
    assert not breaches, show(breaches)


BROAD = frozenset({"Exception", "BaseException"})

# Who may catch everything: the intake's loop, which stops, and an adapter's connection loop,
# which counts and goes on. A handler that ends in a bare `raise` has caught nothing.
MAY_CATCH_ALL: dict[str, str] = {
    "src/wattbay/adapters/mqtt/market/agent.py": "a period's agent is somebody else's code",
    "src/wattbay/adapters/mqtt/market/loading.py": "likewise, when it is made",
}


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches everything and keeps it."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    broad = any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in kinds)
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


@pytest.mark.parametrize("folder", ["src", "tests", "tools", "benchmarks"])
def test_nobody_catches_everything(folder: str) -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources(folder)
        if name_of(path) not in MAY_CATCH_ALL
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]
    assert not breaches, show(breaches)

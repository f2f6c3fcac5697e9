"""A law of scenario files: the scanner finds every key that `tomllib` reads, and its line."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from wattbay.simulation.scenario_file import key_lines

names = st.text("abcdefgh_-0123456789", min_size=1, max_size=6)
VALUES = (
    "1",
    "-2.5",
    "true",
    "2013-06-10",
    '"a # b"',
    "'[x]'",
    '"say \\"[\\" twice"',
    "[1, 2]",
    "[\n  [1, 2], # ]\n  [3],\n]",
    '[\n  "a, [",\n  { x = 1, y = [2] },\n]',
    '"""\n[no.table]\nno = 1\n"""',
    "'''one ''line'''",
    "{ x = 1, y = 'z' }",
)
comments = st.sampled_from(["", " # a [comment] = 1"])
pairs = st.dictionaries(names, st.tuples(st.sampled_from(VALUES), comments), max_size=4)


def written(pairs: dict[str, tuple[str, str]]) -> str:
    return "".join(f"{name} = {value}{comment}\n" for name, (value, comment) in pairs.items())


@given(pairs, st.dictionaries(names, pairs, max_size=3), st.lists(pairs, max_size=3))
def test_every_key_is_found_in_the_line_in_which_it_stands(
    top: dict[str, tuple[str, str]],
    tables: dict[str, dict[str, tuple[str, str]]],
    many: list[dict[str, tuple[str, str]]],
) -> None:
    tables = {f"T{name}": inner for name, inner in tables.items()}
    text = written(top)
    for name, inner in tables.items():
        text += f"\n[{name}]\n" + written(inner)
    for inner in many:
        text += "[[M]]  # one of many\n" + written(inner)
    values = tomllib.loads(text)
    found = key_lines(text)
    lines = text.splitlines()
    wanted = {*top, *tables}
    wanted |= {f"{table}.{name}" for table, inner in tables.items() for name in inner}
    wanted |= {f"M[{at}].{name}" for at, inner in enumerate(many) for name in inner}
    assert wanted <= set(found)
    for path in sorted(wanted):
        name = path.rpartition(".")[2]
        line = lines[found[path] - 1]
        assert line.startswith((f"{name} =", f"[{name}]")), (path, line)
    assert set(values) == {path for path in wanted if "." not in path} | ({"M"} if many else set())

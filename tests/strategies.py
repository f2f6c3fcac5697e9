"""One strategy a term: whatever a command, an event or an entry may bear."""

from __future__ import annotations

from enum import Enum
from types import UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct

from wattbay.core.commands import Command
from wattbay.core.events import Event
from wattbay.kernel.codec import Entry
from wattbay.units import SAFE_INTEGER_MAX

R = TypeVar("R", bound=Struct)

integers = st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX)
texts = st.text(max_size=12)
proofs = st.binary(max_size=24)

_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    int: integers,
    str: texts,
    bytes: proofs,
    bool: st.booleans(),
    type(None): st.none(),
}


def of(annotation: object) -> st.SearchStrategy[Any]:
    """Return a strategy for whatever the annotation of a field allows."""
    if isinstance(annotation, NewType):
        return of(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return st.one_of([of(part) for part in get_args(annotation)])
    if origin is tuple:
        return st.lists(of(get_args(annotation)[0]), max_size=2).map(tuple)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    assert isinstance(annotation, type)
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    assert issubclass(annotation, Struct)
    return records(annotation)


def records(kind: type[R]) -> st.SearchStrategy[R]:
    """Return a strategy for records of a kind, every field drawn."""
    hints = get_type_hints(kind)
    fields = {name: _field(hints, name) for name in kind.__struct_fields__}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


def _field(hints: dict[str, object], name: str) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: of(hints[name]))


commands: st.SearchStrategy[Command] = of(Command)
events: st.SearchStrategy[Event] = of(Event)
entries: st.SearchStrategy[Entry] = st.builds(
    Entry,
    seq=st.integers(1, SAFE_INTEGER_MAX),
    at=integers,
    command=commands,
    events=st.lists(events, max_size=3).map(tuple),
)

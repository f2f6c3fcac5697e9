"""The settings as a file to begin with: every default, commented out, and what it means."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from pydantic.fields import FieldInfo

from wattbay.config import Part, Settings

COLUMN = 44
"""Where what a setting means begins."""


def settings_file() -> str:
    """Return every setting with its default, as a comment in TOML."""
    lines = ["# Settings of a Wattbay service. What is commented out is the default.", ""]
    for table, field in Settings.model_fields.items():
        part = field.annotation
        if not (isinstance(part, type) and issubclass(part, Part)):
            continue
        lines.append(f"[{table}]  # {(part.__doc__ or '').splitlines()[0]}")
        lines += [_line(name, one) for name, one in part.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


def _line(name: str, field: FieldInfo) -> str:
    """Return one setting."""
    setting = f"# {name} = {_toml(field.default)}"
    kind = field.annotation
    means = field.description or ""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        means = means or ", ".join(kind)
    return f"{setting:<{COLUMN}}# {means}" if means else setting


def _toml(value: object) -> str:
    """Return a default as TOML; an example of the form where there is none."""
    if value is None:
        return '""'
    if isinstance(value, Path | StrEnum):
        return json.dumps(str(value))
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value)

"""The page of settings is what `wattbay config show` prints."""

from __future__ import annotations

from pathlib import Path

from wattbay.cli.settings_file import settings_file

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_page_of_settings_lists_them_as_the_program_does() -> None:
    text = PAGE.read_text(encoding="utf-8")
    block = text.partition("```toml\n")[2].partition("```\n")[0]
    assert block == settings_file(), f"{PAGE}: put in what `wattbay config show` prints"

"""What the commands of `backup` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from wattbay.assembly import backup as backups
from wattbay.assembly.backup import Manifest
from wattbay.cli.live import needed
from wattbay.periods import to_text


def check_backup(backup: Path) -> None:
    """Check a backup, and say what it holds."""
    needed("wattbay backup")
    with _progress("checking") as told:
        manifest = backups.check(backup, told)
    print(_words(manifest))


def restore_backup(backup: Path, folder: Path) -> None:
    """Restore a backup, and say what it held."""
    needed("wattbay backup")
    with _progress("checking") as told:
        manifest = backups.restore(backup, folder, told)
    print(_words(manifest))
    print(f"restored to {folder}, for the settings that it was served by:")
    print(f"  wattbay serve --config FILE --folder {folder}   (a made-up street: without --config)")


def _words(manifest: Manifest) -> str:
    size_mb = sum(one.size_bytes for one in manifest.files) / 1_000_000
    return (
        f"{manifest.community}, as of {to_text(manifest.made_at)}: {manifest.entries:,} entries,"
        f" {len(manifest.files)} files, {size_mb:,.1f} MB; every hash and decision holds"
    )


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda seq: bar.update(task, description=f"{what}: entry {seq:,}")

"""Backups are made while the exchange runs, whole or not at all, and checked before their use."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from tests.builders import MIDNIGHT, a_kernel, a_town, an_order
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.assembly import backup, stores
from wattbay.errors import AdapterError, JournalError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import Instant

READING = Reading(
    CommunityId("town"), MeterId("m1"), 1, 1, Instant(MIDNIGHT), 7, 0, 0, None, None, b"signed"
)


class Lived:
    """A folder in which a service is at work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.journal = SqliteJournal(folder / stores.JOURNAL)
        self.kernel: Kernel = a_kernel(*a_town(2), journal=self.journal)
        self.readings = SqliteReadingStore(folder / stores.READINGS)
        self.readings.add([READING])
        (folder / stores.SECRETS).write_text("{}")
        (folder / stores.HISTORY).write_text("follows from the journal")

    def back_up(self, out: Path) -> Path:
        made, _ = asyncio.run(backup.back_up(self.folder, out, self.journal, "town", MIDNIGHT))
        return made

    def close(self) -> None:
        self.journal.close()
        self.readings.close()


@pytest.fixture
def lived(tmp_path: Path) -> Lived:
    return Lived(tmp_path / "data")


def test_backup_of_a_running_service_is_whole_and_restores(lived: Lived, tmp_path: Path) -> None:
    made = lived.back_up(tmp_path / "out")
    lived.kernel.submit(an_order())
    manifest = backup.check(made)
    assert manifest.entries == len(a_town(2))
    folder = tmp_path / "restored"
    backup.restore(made, folder)
    lived.close()
    journal = SqliteJournal(folder / stores.JOURNAL)
    assert journal.head.hex() == manifest.head
    journal.close()
    readings = SqliteReadingStore(folder / stores.READINGS)
    assert list(readings.at(READING.community, READING.measured_at)) == [READING]
    readings.close()
    assert not (folder / stores.HISTORY).exists()
    assert (folder / stores.SECRETS).exists()


def test_entries_that_come_meanwhile_are_not_in_it_and_do_no_harm(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "ENTRIES_AT_ONCE", 2)

    async def story() -> Path:
        work = backup.back_up(lived.folder, tmp_path / "out", lived.journal, "town", MIDNIGHT)
        task = asyncio.create_task(work)
        for _ in range(5):
            await asyncio.sleep(0)
            lived.kernel.submit(an_order())
        return (await task)[0]

    made = asyncio.run(story())
    lived.close()
    assert backup.check(made).entries == len(a_town(2))


def test_altered_and_missing_files_are_found(lived: Lived, tmp_path: Path) -> None:
    made = lived.back_up(tmp_path / "out")
    lived.close()
    (made / stores.SECRETS).write_text("{...}")
    with pytest.raises(AdapterError, match="not what the manifest says"):
        backup.check(made)
    (made / stores.SECRETS).unlink()
    with pytest.raises(AdapterError, match="is missing"):
        backup.restore(made, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_journal_that_was_cut_short_is_found_though_the_manifest_was_made_anew(
    lived: Lived, tmp_path: Path
) -> None:
    lived.kernel.submit(an_order())
    longer = lived.back_up(tmp_path / "out")
    lived.close()
    shorter = Lived(tmp_path / "other")
    made = shorter.back_up(tmp_path / "elsewhere")
    shorter.close()
    told = (longer / backup.MANIFEST).read_text()
    head = backup.check(longer).head
    here = (made / backup.MANIFEST).read_text()
    (made / backup.MANIFEST).write_text(here.replace(backup.check(made).head, head))
    assert told
    with pytest.raises(JournalError, match="the last hash is"):
        backup.check(made)


def test_backup_that_cannot_be_written_leaves_nothing_behind(lived: Lived, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("no folder")
    with pytest.raises(AdapterError, match="no backup could be made"):
        lived.back_up(out)
    lived.close()


def test_folder_that_holds_something_is_not_restored_to(lived: Lived, tmp_path: Path) -> None:
    made = lived.back_up(tmp_path / "out")
    lived.close()
    with pytest.raises(AdapterError, match="holds something already"):
        backup.restore(made, lived.folder)
    with pytest.raises(AdapterError, match="is no backup"):
        backup.check(tmp_path)


def test_the_oldest_are_forgotten(lived: Lived, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = []
    for _ in range(3):
        made.append(lived.back_up(out))
        lived.kernel.submit(an_order())
    lived.close()
    assert backup.forget(out, 2) == made[:1]
    assert backup.backups(out) == made[1:]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "journal.sqlite/../x"])  # noqa: S108 - of a test
def test_backup_that_names_a_file_elsewhere_is_none(
    lived: Lived, tmp_path: Path, name: str
) -> None:
    made = lived.back_up(tmp_path / "out")
    lived.close()
    (made.parent / "outside").write_text("{}")
    manifest = msgspec.json.decode((made / backup.MANIFEST).read_bytes(), type=backup.Manifest)
    digest = sha256(b"{}").hexdigest()
    crafted = backup.Copied(name=name, size_bytes=2, sha256=digest)
    told = msgspec.structs.replace(manifest, files=[*manifest.files, crafted])
    (made / backup.MANIFEST).write_bytes(msgspec.json.encode(told))
    with pytest.raises(AdapterError, match="no file of a service"):
        backup.restore(made, tmp_path / "into" / "restored")
    assert not (tmp_path / "into").exists()


def test_what_a_kill_left_of_a_backup_goes_with_the_oldest(lived: Lived, tmp_path: Path) -> None:
    made = lived.back_up(tmp_path / "out")
    lived.close()
    left = tmp_path / "out" / f"20130609T000000Z-000000000001{backup.UNFINISHED}"
    left.mkdir()
    (left / stores.JOURNAL).write_text("half")
    backup.forget(tmp_path / "out", 1)
    assert list((tmp_path / "out").iterdir()) == [made]

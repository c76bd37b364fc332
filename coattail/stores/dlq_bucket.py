"""The dead letter queue in a bucket: the files that a home has in its folder, below a folder of the bucket."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from coattail.service_url import BucketUrl
from coattail.stores.bucket import BucketFolder, ObjectFile
from coattail.stores.dlq import FOLDERS
from coattail.stores.dlq_files import ALL_FOLDERS, LetterFiles, day_of, is_day, oldest_kept

_SETTLED = timedelta(hours=1)
"""A day of a folder that has a later day, and into which nothing came for so long, gets nothing more."""
_BEHIND = "0"
"""Follows the slash: a day and this come after every file of the day."""


class BucketDeadLetters(LetterFiles):
    """Files below a folder of a bucket: one request writes one, one lists a thousand."""

    def __init__(self, at: BucketUrl, *, setting: str = "dlq.url") -> None:
        self._bucket = BucketFolder(at, setting=setting)
        self._settled: dict[str, list[str]] = {}
        """Day -> its files, where nothing more comes."""
        self._purged: date | None = None
        """What is before has been removed."""

    def _put(self, path: str, content: bytes) -> None:
        self._bucket.put(path, content)

    def _listed(self) -> Mapping[str, Collection[str]]:
        """As promised. A day that is settled is passed over as soon as a page ends in it: its files are known."""
        found: dict[str, list[ObjectFile]] = {}
        known: dict[str, list[str]] = {}
        after, more = "", True
        while more:
            files, more = self._bucket.page(after=after)
            for file in files:
                found.setdefault(file.name.rpartition("/")[0], []).append(file)
            if files:
                after = files[-1].name
            if more and (day := after.rpartition("/")[0]) in self._settled:
                known[day] = self._settled[day]
                after = f"{day}{_BEHIND}"
        rows = {day: [f.name.rpartition("/")[2] for f in files] for day, files in found.items() if _is_of_rows(day)}
        self._settled = {day: names for day, names in rows.items() if self._is_over(day, found)} | known
        return {day: [n for n in names if n.endswith(".jsonl")] for day, names in {**rows, **known}.items()}

    @staticmethod
    def _is_over(day: str, found: Mapping[str, Sequence[ObjectFile]]) -> bool:
        folder = day.partition("/")[0]
        later = any(other > day and other.startswith(f"{folder}/") for other in found)
        return later and max(file.put_at for file in found[day]) < datetime.now(UTC) - _SETTLED

    def _paths(self, folders: Collection[str], *, since: date | None, stored_since: datetime | None) -> Iterable[str]:
        whole = since is None and set(folders) == set(FOLDERS)
        for folder in [""] if whole else [f"{name}/" for name in folders]:
            for file in self._bucket.files(beginning=folder, after="" if since is None else f"{folder}dt={since}"):
                day, _, name = file.name.rpartition("/")
                late = stored_since is None or file.put_at >= stored_since.replace(microsecond=0)  # it says whole ones
                wanted = day.partition("/")[0] in folders and _is_of_rows(day) and name.endswith(".jsonl")
                if late and wanted and (since is None or day_of(day) >= since):
                    yield file.name

    def _contents(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        return self._bucket.contents(paths)

    def purge(self, *, keep: timedelta, now: datetime, dry_run: bool = False) -> int:
        """As promised; what was removed up to a day is looked for again on the next."""
        oldest = oldest_kept(keep, now)
        if oldest == self._purged and not dry_run:
            return 0
        removed = super().purge(keep=keep, now=now, dry_run=dry_run)
        if not dry_run:
            self._purged = oldest
        return removed

    def _remove(self, day: str) -> bool:
        names = [file.name for file in self._bucket.files(beginning=f"{day}/")]
        self._settled.pop(day, None)
        return bool(names) and self._bucket.delete(names) == len(names)

    def _place(self, path: str) -> str:
        return f"{self._bucket.place}/{path}"


def _is_of_rows(day: str) -> bool:
    return day.partition("/")[0] in ALL_FOLDERS and day.count("/") == 1 and is_day(day)

"""Which files of a drop folder belong together, and whether it is time to take them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from callveil.pipeline.batch import AUDIO_SUFFIXES
from callveil.vocabulary.drop import DroppedFile

PAGE_FILES = 10_000
"""Files held in memory at a time."""

METADATA_SUFFIXES = (".json", ".xml")

_Place = tuple[str, str]
"""Stem and name: in this order a group stays together, which it would not in the order of names."""

ALLOWED = (
    f"one recording ({', '.join(sorted(AUDIO_SUFFIXES))}) and one metadata file of the same name: .json as in"
    " CALLS.md, or .xml with SIPREC recording metadata (RFC 7865)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Files with one name but for the suffix.

    Attributes:
        stem: The name without suffix; may hold personal data.
        files: Sorted by name; one at least.
    """

    stem: str
    files: tuple[DroppedFile, ...]

    @property
    def audio(self) -> tuple[DroppedFile, ...]:
        """The recordings."""
        return tuple(file for file in self.files if suffix_of(file.name) in AUDIO_SUFFIXES)

    @property
    def metadata(self) -> tuple[DroppedFile, ...]:
        """The metadata files."""
        return tuple(file for file in self.files if suffix_of(file.name) in METADATA_SUFFIXES)

    @property
    def kinds(self) -> str:
        """What is there, for people: known suffixes and numbers, no names."""
        known = AUDIO_SUFFIXES | set(METADATA_SUFFIXES)
        words = [
            suffix if (suffix := suffix_of(file.name)) in known else "another kind" for file in self.files
        ]
        return ", ".join(sorted(words))


class Verdict(StrEnum):
    """What is to be done with a group."""

    WAIT = "wait"
    TAKE = "take"
    ORPHANED = "orphaned"
    """A part has been missing for too long."""
    AMBIGUOUS = "ambiguous"
    """Nobody can tell which metadata belongs to which recording."""
    ODD = "odd"
    """There are links, pipes or files of another kind."""


REASONS = {
    Verdict.ORPHANED: "a recording without metadata, or metadata without a recording, for too long",
    Verdict.AMBIGUOUS: "several recordings or several metadata files of one name",
    Verdict.ODD: "a file of another kind, or what is no file (a link, a pipe)",
}


def suffix_of(name: str) -> str:
    """In small letters, with its dot; "" when there is none."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def stem_of(name: str) -> str:
    """The name without its last suffix."""
    return name[: len(name) - len(suffix_of(name))]


def groups(
    look: Callable[[Callable[[str], bool]], Iterable[DroppedFile]], page_files: int = PAGE_FILES
) -> Iterator[Group]:
    """Every group in order of its stem, with bounded memory: the folder is listed once for every page.

    Args:
        look: Lists the files with wanted names, in any order; see `Drop.files`.
        page_files: Files of a page; a group that is larger shows so many of its files only.
    """
    after: _Place | None = None
    while True:
        page = _page(look, after, page_files)
        found = [Group(stem=stem, files=tuple(files)) for stem, files in groupby(page, _stem)]
        if len(page) < page_files:
            yield from found
            return
        # The last group may go on beyond the page, unless it is the only one.
        whole = found[:-1] or found
        yield from whole
        after = (whole[-1].stem, chr(0x10FFFF))


def _page(
    look: Callable[[Callable[[str], bool]], Iterable[DroppedFile]], after: _Place | None, page_files: int
) -> list[DroppedFile]:
    """The first files after a place; twice as many are held at most."""
    page: list[DroppedFile] = []
    before: _Place | None = None

    def is_wanted(name: str) -> bool:
        place = _place(name)
        return (after is None or place > after) and (before is None or place < before)

    for file in look(is_wanted):
        page.append(file)
        if len(page) == 2 * page_files:
            page = sorted(page, key=_file_place)[:page_files]
            before = _file_place(page[-1])
    return sorted(page, key=_file_place)[:page_files]


def verdict(group: Group, *, settle_s: float, orphan_after_s: float) -> Verdict:
    """Say what is to be done with a group.

    Args:
        group: As it was seen.
        settle_s: Seconds for which a file must not have changed.
        orphan_after_s: Seconds after which a part that is missing does not come any more.
    """
    age_s = min(file.age_s for file in group.files)
    if age_s < settle_s:
        return Verdict.WAIT
    is_known = len(group.audio) + len(group.metadata) == len(group.files)
    if not is_known or not all(file.is_plain for file in group.files):
        problem = Verdict.ODD
    elif len(group.audio) > 1 or len(group.metadata) > 1:
        problem = Verdict.AMBIGUOUS
    elif group.audio and group.metadata:
        return Verdict.TAKE
    else:
        problem = Verdict.ORPHANED
    return problem if age_s >= orphan_after_s else Verdict.WAIT


def _stem(file: DroppedFile) -> str:
    return stem_of(file.name)


def _place(name: str) -> _Place:
    return stem_of(name), name


def _file_place(file: DroppedFile) -> _Place:
    return _place(file.name)

"""The journal of a step: which files it read and wrote, noted where they are read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Journal:
    """What happened to files while the journal was kept.

    Attributes
    ----------
    read
        Inputs, with their hash if it was computed.
    written
        Artifacts.
    parts
        Folders whose content an artifact vouches for (such as the clips of a manifest).
    """

    read: dict[Path, str | None] = field(default_factory=dict)
    written: set[Path] = field(default_factory=set)
    parts: set[Path] = field(default_factory=set)


_kept: list[Journal] = []


@contextmanager
def journal() -> Iterator[Journal]:
    """Keep a journal of the block."""
    _kept.append(Journal())
    try:
        yield _kept[-1]
    finally:
        _kept.pop()


def note_read(path: Path, content_hash: str | None = None) -> None:
    """Note an input."""
    for kept in _kept:
        kept.read[path] = content_hash


def note_written(path: Path) -> None:
    """Note an artifact."""
    for kept in _kept:
        kept.written.add(path)


def note_parts(folders: Iterable[Path]) -> None:
    """Note folders that belong to an artifact."""
    for kept in _kept:
        kept.parts.update(folders)

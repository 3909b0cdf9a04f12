"""Seals: whether a file is still as its step wrote it, and still made from what its inputs now hold.

Snakemake compares times. That misses an artifact that was cut short or altered after it was made, and an input whose content
changed under an unchanged time. So each step leaves a seal for every file that it writes, in ``.snakemake/seals`` beside
Snakemake's own records: the file's state (size, times) and hash, and those of the files from outside that it was made from.
Before the next run, states are compared; only a file whose state changed is read and hashed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from neurons.artifacts import InputError, hash_bytes, hash_file
from neurons.workflow.journal import journal

RECORDS = Path(".snakemake")
SEALS = RECORDS / "seals"
ASIDE = ".changed"
CHECKED_BY_THEMSELVES = "checkpoints"


@dataclass(frozen=True)
class Finding:
    """A file that needs to be made again.

    Attributes
    ----------
    path
        The artifact.
    why
        What is wrong, in words.
    damaged
        True: the file itself is not what its step wrote. False: it is, but one of its inputs has other content now.
    """

    path: Path
    why: str
    damaged: bool


def state(path: Path) -> str:
    """What changes whenever a file is written to: size and both times; of a folder: of all files in it."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return hash_bytes("".join(f"{file}:{state(file)}\n" for file in files).encode())
    facts = path.stat()
    return f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}"


@contextmanager
def sealing() -> Iterator[None]:
    """Seal what a step writes inside the block, if it ends without an error and Snakemake keeps its records here."""
    if not RECORDS.is_dir():
        yield
        return
    with journal() as noted:
        yield
    seal(noted.written, noted.read, noted.parts)


def seal(written: Iterable[Path], read: Mapping[Path, str | None], parts: Iterable[Path] = ()) -> None:
    """Write seals.

    Parameters
    ----------
    written
        Files to seal.
    read
        Files that they were made from, with their hash if it is known. Only those without a seal of their own are noted:
        they come from outside.
    parts
        Folders that belong to the files written.
    """
    made = {_name(path): path for path in written if CHECKED_BY_THEMSELVES not in path.parts}
    if not made:
        return
    SEALS.mkdir(parents=True, exist_ok=True)
    sources = {
        _name(path): {"state": state(path), "hash": content or hash_file(path)}
        for path, content in read.items()
        if _name(path) not in made and path.exists() and not _seal_of(_name(path)).is_file()
    }
    belonging = {_name(path): {"state": state(path), "hash": hash_file(path)} for path in parts}
    for name, path in made.items():
        if path.is_file():
            facts = {"state": state(path), "hash": hash_file(path)}
            _write({"path": name, **facts, "inputs": sources, "parts": belonging})


def examine() -> list[Finding]:
    """Compare every sealed file, and the inputs that it was made from, with its seal.

    A seal whose file is gone is dropped: Snakemake sees by itself that the file is missing. A file that only looks
    different (copied, touched) gets its seal renewed.
    """
    findings = []
    hashed = cache(hash_file)
    stated = cache(state)
    for record in _records():
        path, changed = Path(record["path"]), False
        if not path.is_file():
            _seal_of(record["path"]).unlink(missing_ok=True)
            continue
        if stated(path) != record["state"]:
            if hashed(path) != record["hash"]:
                findings.append(Finding(path, _difference(path, record["state"]), damaged=True))
                continue
            record["state"], changed = stated(path), True
        gone = [name for name in record["parts"] if not Path(name).exists()]
        sources = {**record["inputs"], **record["parts"]}
        present = {name: source for name, source in sources.items() if Path(name).exists()}
        other = {name: source for name, source in present.items() if stated(Path(name)) != source["state"]}
        altered = [name for name, source in other.items() if hashed(Path(name)) != source["hash"]]
        for name in set(other) - set(altered):
            other[name]["state"], changed = stated(Path(name)), True
        if altered or gone:
            what = [f"made from another content of {', '.join(altered)}"] if altered else []
            what += [f"without a part of it, {', '.join(gone)}"] if gone else []
            findings.append(Finding(path, "; ".join(what), damaged=False))
        if changed:
            _write(record)
    return findings


def act_on(findings: Iterable[Finding]) -> None:
    """Make Snakemake see what was found: a damaged file is renamed, a stale one is dated before all of its inputs.

    Raises
    ------
    InputError
        If that is not possible on this disk.
    """
    for finding in findings:
        try:
            if finding.damaged:
                finding.path.rename(finding.path.with_name(finding.path.name + ASIDE))
                _seal_of(str(finding.path)).unlink(missing_ok=True)
            else:
                os.utime(finding.path, (0, 0))
        except OSError as error:
            raise InputError(
                f"{finding.path} is {finding.why}, and cannot be marked so that it is made again ({error}). Make the folder "
                "writable, or free space on its disk, and run the command again."
            ) from error


def is_locked() -> bool:
    """Whether a Snakemake works in this folder (or was killed here, and the folder is not unlocked yet)."""
    return any((RECORDS / "locks").glob("*"))


def guard() -> list[str]:
    """Examine and act, unless another Snakemake works here; one sentence per finding."""
    if not SEALS.is_dir() or is_locked():
        return []
    findings = examine()
    if not findings or is_locked():
        return []
    act_on(findings)
    return [
        f"{finding.path} is {finding.why}. "
        + (f"It is set aside as {finding.path.name}{ASIDE}" if finding.damaged else "It is out of date")
        + " and is made again as soon as it is needed."
        for finding in findings
    ]


def _difference(path: Path, sealed: str) -> str:
    before, now = int(sealed.partition(":")[0]), path.stat().st_size
    if now < before:
        return f"not as its step wrote it: {now} of {before} bytes are left"
    return f"not as its step wrote it: its content changed ({now} bytes, {before} then)"


def _name(path: Path) -> str:
    return os.path.relpath(path)


def _seal_of(name: str) -> Path:
    return SEALS / f"{hash_bytes(name.encode())}.json"


def _records() -> Iterator[dict[str, Any]]:
    for path in sorted(SEALS.glob("*.json")):
        yield json.loads(path.read_text())


def _write(record: dict[str, Any]) -> None:
    target = _seal_of(record["path"])
    temporary = target.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(record, sort_keys=True))
    temporary.replace(target)

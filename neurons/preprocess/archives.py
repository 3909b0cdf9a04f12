"""The published archives of cc2017: a zip file that holds, beside metadata, a zip file with the data.

The inner file is read where it lies in the outer one; only a compressed inner file is unpacked first. Every file is
written beside its place, its checksum compared, and renamed.
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from neurons.artifacts import CHUNK_BYTES, InputError, atomic

INNER = "bundle.zip"
WANTED = re.compile(
    r"(?:^|/)(stimuli/(?:seg|test)\d+\.mp4|subject\d/fmri/(?:seg|test)\d+/cifti/[A-Za-z0-9_.]+\.dtseries\.nii)$"
)
"""What is unpacked, and where it goes: movies and CIFTI runs (raw and MNI volumes stay in the archive)."""
LOCAL_HEADER = struct.Struct("<26xHH")
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class Window(io.RawIOBase):
    """A part of a file, read as a file of its own."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place in the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the present place, up to the part's end."""
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._stream.seek(self._start + self._at)
        data = self._stream.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive that holds the data: the inner zip file if there is one, else the file itself.

    Raises
    ------
    InputError
        If it is no zip file, or breaks off.
    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as outer:
            inner = [info for info in outer.infolist() if Path(info.filename).name == INNER]
            if not inner:
                yield outer
            elif inner[0].compress_type == zipfile.ZIP_STORED:
                stream.seek(inner[0].header_offset)
                name, extra = LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))
                start = inner[0].header_offset + LOCAL_HEADER.size + name + extra
                window = io.BufferedReader(Window(stream, start, inner[0].file_size), CHUNK_BYTES)
                with zipfile.ZipFile(window) as archive:
                    yield archive
            else:
                with tempfile.TemporaryFile(dir=path.parent) as unpacked:
                    with outer.open(inner[0]) as compressed:
                        shutil.copyfileobj(compressed, unpacked, CHUNK_BYTES)
                    with zipfile.ZipFile(unpacked) as archive:
                        yield archive
    except BROKEN as error:
        raise InputError(
            f"{path} cannot be read as a zip file ({type(error).__name__}: {error}). It has {path.stat().st_size} bytes: "
            "compare with the size on the download page and fetch it again."
        ) from error


def members(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """Files to unpack, each with its place below the folder of the data set."""
    found = ((info, WANTED.search(info.filename)) for info in archive.infolist())
    return [(info, match[1]) for info, match in found if match]


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> bool:
    """Unpack one file, unless it is there with its size and checksum.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    zipfile.BadZipFile
        If the content does not have the archive's checksum (nothing is written then).
    """
    if target.is_file() and target.stat().st_size == info.file_size and _checksum(target) == info.CRC:
        return False
    with atomic(target) as temporary, archive.open(info) as source, temporary.open("wb") as sink:
        shutil.copyfileobj(source, sink, CHUNK_BYTES)
    return True


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def total_bytes(infos: Sequence[zipfile.ZipInfo]) -> int:
    """Size of files when unpacked."""
    return sum(info.file_size for info in infos)

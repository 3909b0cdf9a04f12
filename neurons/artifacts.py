"""Artifacts: the files that stages hand to each other.

One way to write each kind of file (atomically, with provenance) and one way to read it (checked, by clip id).

- tensors: safetensors, memory-mapped, with clip ids and provenance in the header;
- tables: Parquet (provenance in the schema) or TSV (provenance in a first ``#`` line);
- scores and settings: JSON (provenance under the key ``provenance``).

Nothing here stores a time stamp or a machine path: the same inputs give the same bytes.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import importlib.metadata
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import save_file

from neurons.workflow.journal import note_read, note_written

PACKAGES = ("numpy", "torch", "transformers", "diffusers", "nibabel", "nilearn")
CHUNK_BYTES = 1 << 22
HEADER_KEY = "neurons"
SAFETENSORS_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}

Provenance = dict[str, Any]


class InputError(Exception):
    """A problem in what the user gave (file, run, clip, key): the message says what, where, expected, what to do."""


def clip_id(movie: str, index: int) -> str:
    """Identity of a clip: ``<movie>:<index>``, the index counted from 0 within its movie."""
    return f"{movie}:{index}"


def split_clip_id(identity: str) -> tuple[str, int]:
    """Movie and index of a clip id.

    Raises
    ------
    InputError
        If the id is not ``<movie>:<index>``.
    """
    movie, separator, index = identity.rpartition(":")
    if not separator or not movie or not index.isdigit():
        raise InputError(f"clip id {identity!r} is not of the form <movie>:<index>, for example seg1:0")
    return movie, int(index)


def locate(wanted: Sequence[str], available: Sequence[str], where: str) -> np.ndarray:
    """Positions of `wanted` clip ids in `available`: the one way in which tensors and tables are joined.

    Parameters
    ----------
    wanted, available
        Clip ids.
    where
        What `available` belongs to, for the message (a file name).

    Returns
    -------
    numpy.ndarray
        int64, shape (len(wanted),).

    Raises
    ------
    InputError
        If an id is missing, or occurs twice in either list.
    """
    for name, ids in (("asked for", wanted), (f"in {where}", available)):
        duplicates = pd.Series(list(ids)).value_counts()
        duplicates = duplicates[duplicates > 1]
        if len(duplicates):
            raise InputError(f"clip ids occur more than once {name}: {_some(list(duplicates.index))}")
    position = {identity: i for i, identity in enumerate(available)}
    missing = [identity for identity in wanted if identity not in position]
    if missing:
        raise InputError(
            f"{where} lacks {len(missing)} of {len(wanted)} clips: {_some(missing)}. "
            f"It holds {len(available)} clips: {_some(list(available))}. Rerun the stage that made it."
        )
    return np.array([position[identity] for identity in wanted], dtype=np.int64)


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def seed_for(*parts: object) -> int:
    """A seed (63 bit) that depends on every part, such as ``seed_for(run_seed, "reconstruct", clip, sample)``."""
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def hash_bytes(*buffers: bytes | memoryview) -> str:
    """Hexadecimal BLAKE2b-128 of the buffers, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for buffer in buffers:
        digest.update(buffer)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Hexadecimal BLAKE2b-128 of a file's bytes; of a folder: of its files' relative names and bytes, sorted."""
    digest = hashlib.blake2b(digest_size=16)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def hash_vertices(vertices: np.ndarray) -> str:
    """Hash of an ordered list of grayordinate indices: equal lists, equal hash."""
    return hash_bytes(np.ascontiguousarray(vertices, dtype="<i8").tobytes())


def provenance(
    step: str,
    inputs: Mapping[str, Path | Sequence[Path]],
    parameters: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Provenance:
    """What made an artifact: step, parameters, hashes of the inputs, package versions, seed.

    Parameters
    ----------
    step
        ``<stage> <step>``, as on the command line.
    inputs
        Files read, by role; named from the folder that those of a role have in common. A tensor artifact of ours is
        identified by the content hash in its header (no second read of gigabytes), any other file by its bytes.
    parameters
        Values that decide the result; anything that `json` can write.
    """
    hashes: dict[str, Any] = {}
    for role, paths in inputs.items():
        files = [paths] if isinstance(paths, Path) else list(paths)
        folder = os.path.commonpath([file.absolute().parent for file in files]) if files else ""
        hashes[role] = {file.absolute().relative_to(folder).as_posix(): _identity(file) for file in files}
    return {
        "step": step,
        "parameters": dict(parameters or {}),
        "inputs": hashes,
        "packages": {name: _version(name) for name in ("neurons", *PACKAGES)},
        "seed": seed,
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _identity(file: Path) -> str:
    if file.suffix == ".safetensors":
        content = TensorFile(file).metadata.get("content_hash")
        if content:
            note_read(file)
            return content
    content = hash_file(file)
    note_read(file, content)
    return content


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` only if the block ends without an error.

    What a killed process left beside `path` is removed first: a path has one writer at a time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.stem)}.????????{glob.escape(path.suffix)}"):
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        note_written(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_tensors(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    made_by: Provenance,
    clip_ids: Sequence[str] | None = None,
    **metadata: Any,
) -> None:
    """Write named arrays to a safetensors file.

    Parameters
    ----------
    tensors
        Arrays by name; those that are per clip have the clips on their first axis, in the order of `clip_ids`.
    made_by
        From `provenance`.
    clip_ids
        Identity of the clips along first axes.
    metadata
        Further facts (JSON values), read back from `TensorFile.metadata`.

    Raises
    ------
    ValueError
        If clip ids are not unique, or an array is not finite (floating types).
    """
    if clip_ids is not None and len(set(clip_ids)) != len(clip_ids):
        raise ValueError(f"clip ids given for {path.name} are not unique")
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"tensor {name!r} for {path.name} holds NaN or infinite values")
    content = hash_bytes(
        *(
            part
            for name in sorted(arrays)
            for part in (
                f"{name}{arrays[name].dtype}{arrays[name].shape}".encode(),
                arrays[name].data.cast("B") if arrays[name].size else b"",
            )
        ),
        json.dumps([list(clip_ids or []), metadata], sort_keys=True).encode(),
    )
    facts = {
        "content_hash": content,
        "clip_ids": None if clip_ids is None else list(clip_ids),
        "provenance": made_by,
        "metadata": metadata,
    }
    with atomic(path) as temporary:
        # One key only: safetensors writes several in random order, and the same content must give the same bytes.
        try:
            save_file(arrays, temporary, metadata={HEADER_KEY: json.dumps(facts, sort_keys=True)})
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error), str(path)) from error


@dataclass(frozen=True)
class TensorFile:
    """A safetensors artifact, opened for reading; arrays are memory-mapped (nothing is read until it is used).

    Examples
    --------
    >>> frames = TensorFile(path)["frames"]        # doctest: +SKIP
    >>> TensorFile(path).rows("frames", ["seg1:0", "seg1:5"])        # doctest: +SKIP
    """

    path: Path

    def _facts(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._header()[0].get("__metadata__", {}).get(HEADER_KEY, "{}")))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"the facts in the header of {self.path} cannot be read ({error}). Delete it and rerun the workflow."
            ) from error

    def _header(self) -> tuple[dict[str, Any], int]:
        try:
            with Path(self.path).open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                return dict(json.loads(stream.read(length))), 8 + length
        except (OSError, ValueError, TypeError, MemoryError, OverflowError) as error:
            raise InputError(
                f"{self.path} cannot be read as safetensors ({error}). Delete it and rerun the workflow."
            ) from error

    @property
    def names(self) -> list[str]:
        """Names of the tensors."""
        return [name for name in self._header()[0] if name != "__metadata__"]

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts stored beside the tensors, with ``content_hash`` and ``provenance``."""
        facts = self._facts()
        named = {key: facts[key] for key in ("content_hash", "provenance") if key in facts}
        return {**facts.get("metadata", {}), **named}

    @property
    def clip_ids(self) -> list[str]:
        """Clip ids along the first axis.

        Raises
        ------
        InputError
            If the file has none.
        """
        ids = self._facts().get("clip_ids")
        if ids is None:
            raise InputError(f"{self.path} carries no clip ids, so nothing can be joined to it")
        return ids

    def __getitem__(self, name: str) -> np.ndarray:
        header, start = self._header()
        if name not in header or name == "__metadata__":
            raise InputError(f"{self.path} has no tensor {name!r}; it has: {', '.join(self.names)}")
        dtype, shape, first, last = self._layout(name, header[name])
        if Path(self.path).stat().st_size < start + last:
            raise InputError(f"{self.path} is truncated (tensor {name!r}). Delete it and rerun the workflow.")
        if first == last:
            return np.empty(shape, dtype)
        return np.memmap(self.path, dtype, "r", start + first, shape)

    def _layout(self, name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
        try:
            dtype = np.dtype(SAFETENSORS_DTYPES[entry["dtype"]])
            shape = tuple(int(length) for length in entry["shape"])
            first, last = (int(offset) for offset in entry["data_offsets"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the header of {self.path} does not describe tensor {name!r} ({error}). Delete it and rerun the workflow."
            ) from error
        if min((*shape, first), default=0) < 0 or math.prod(shape) * dtype.itemsize != last - first:
            raise InputError(
                f"the header of {self.path} contradicts itself (tensor {name!r}). Delete it and rerun the workflow."
            )
        return dtype, shape, first, last

    def rows(self, name: str, clip_ids: Sequence[str]) -> np.ndarray:
        """Rows of a per-clip tensor for the given clips, in the given order (a copy)."""
        return np.asarray(self[name][locate(clip_ids, self.clip_ids, str(self.path))])


def gather(
    paths: Sequence[Path], name: str, clip_ids: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Rows of the same tensor over several files (one per movie), concatenated, joined by clip id.

    Parameters
    ----------
    clip_ids
        Wanted clips in the wanted order; all clips in file order if None.

    Returns
    -------
    tuple
        Array (clips, ...) and its clip ids.
    """
    files = [TensorFile(path) for path in paths]
    available = [identity for file in files for identity in file.clip_ids]
    wanted = list(available if clip_ids is None else clip_ids)
    positions = locate(wanted, available, f"{len(paths)} files of {name!r}, such as {paths[0]}")
    return np.concatenate([np.asarray(file[name]) for file in files])[positions], wanted


def write_table(path: Path, table: pd.DataFrame, made_by: Provenance) -> None:
    """Write a table as Parquet or TSV, by the path's suffix; no index is stored."""
    with atomic(path) as temporary:
        if path.suffix == ".parquet":
            arrow = pa.Table.from_pandas(table, preserve_index=False)
            facts = {
                **(arrow.schema.metadata or {}),
                b"provenance": json.dumps(made_by, sort_keys=True).encode(),
            }
            pq.write_table(arrow.replace_schema_metadata(facts), temporary)
        elif path.suffix == ".tsv":
            with temporary.open("w") as stream:
                stream.write(f"# {json.dumps(made_by, sort_keys=True)}\n")
                table.to_csv(stream, sep="\t", index=False, lineterminator="\n")
        else:
            raise ValueError(f"{path}: tables are written as .parquet or .tsv")


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table (Parquet or TSV) and check that it has `columns`.

    Raises
    ------
    InputError
        If it cannot be read or a column is missing.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            with path.open() as stream:
                comments = 1 if stream.read(1) == "#" else 0
            table = pd.read_csv(path, sep="\t", skiprows=comments, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the columns {missing}; it has {list(table.columns)}")
    return table


def write_json(path: Path, content: Mapping[str, Any], made_by: Provenance) -> None:
    """Write a JSON object with its provenance; NaN is refused (use null for undefined)."""
    with atomic(path) as temporary:
        text = json.dumps({**content, "provenance": made_by}, indent=1, allow_nan=False, sort_keys=False)
        temporary.write_text(text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error

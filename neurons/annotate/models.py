"""Which model it was: the identity of a folder or hub id, without reading hundreds of gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurons.artifacts import hash_bytes, hash_file
from neurons.sections import Model

LARGEST_HASHED = 1 << 25


def model_identity(model: Model) -> dict[str, Any]:
    """Name and revision of a model; for a folder also a hash of its files."""
    named: dict[str, Any] = {"model": model.path, "revision": model.revision}
    return {**named, "files": files_identity(Path(model.path))} if Path(model.path).exists() else named


def files_identity(path: Path) -> str:
    """Hash of the names, sizes and bytes of a file or of a folder's files; of those above 32 MB, of name, size and time."""
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    parts = []
    for file in files:
        facts = file.stat()
        small = facts.st_size <= LARGEST_HASHED
        content = hash_file(file) if small else str(facts.st_mtime_ns)
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        parts.append(f"{name}\n{facts.st_size}\n{content}\n".encode())
    return hash_bytes(*parts)

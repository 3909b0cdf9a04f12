"""Results kept one by one as they come, so that a killed step goes on at the next frame."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

from neurons.artifacts import InputError


class Kept:
    """JSON values by key, in a file that grows by a line for each; the last line of a key counts.

    Use as a context manager. A line that a crash cut short is dropped. The file is beside the artifact that the step makes,
    and `discard` removes it once that exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, Any] = {}
        self._stream: TextIO | None = None

    def __enter__(self) -> Kept:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self._read()
        self._stream = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole, newline, rest = content.rpartition(b"\n")
        for number, line in enumerate(whole.splitlines() if newline else [], start=1):
            try:
                entry = json.loads(line)
                self._values[entry["key"]] = entry["value"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{self.path}, line {number}, is not a kept result ({error}). "
                    "Delete the file to start this movie anew."
                ) from error
        if rest:
            os.truncate(self.path, len(content) - len(rest))

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Any:
        """The value of a key; None if it has none."""
        return self._values.get(key)

    def keep(self, key: str, value: Any) -> None:
        """Store a value, on disk when this returns."""
        if self._stream is None:
            raise ValueError("open it with `with` first")
        self._stream.write(json.dumps({"key": key, "value": value}) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._values[key] = value

    def discard(self) -> None:
        """Remove the file, once an artifact holds what it held."""
        self.path.unlink(missing_ok=True)

"""The configuration from files, merged as the workflow merges them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from neurons.artifacts import InputError
from neurons.config import Config, load, merged

DEFAULT = Path("config/config.yaml")


def load_files(paths: Sequence[Path]) -> Config:
    """The configuration of files that are merged, in order, into ``config/config.yaml``.

    Raises
    ------
    InputError
        If a file cannot be read, or listing every problem of their content.
    """
    values: dict[str, Any] = {}
    for path in (DEFAULT, *paths):
        try:
            content = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path} cannot be read as a configuration: {error}") from error
        values = merged(values, content or {})
    return load(values)

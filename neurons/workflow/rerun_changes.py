"""The changes that ``docs/reruns.md`` is about: one key of the configuration at a time, or the study itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd
from pydantic import BaseModel

from neurons.artifacts import InputError
from neurons.config import Config, fields, load

ROOT = Path(__file__).parents[2]
RUNS, OTHER_RUNS, ELSEWHERE = "config/runs/small.tsv", "config/runs/copy.tsv", "elsewhere"
TRAIN, TEST = ("seg1", "seg2", "seg3"), ("test1",)
SOMEWHERE_ELSE = "resources/miniatures/gpt2"
ANNOTATION_FILES = ("captions.tsv", "instances.tsv", "masks.safetensors")


@dataclass(frozen=True)
class Change:
    """A name for the reader, whole configurations that make it (the best first), and the run table if it changes."""

    name: str
    candidates: tuple[dict[str, Any], ...]
    runs: pd.DataFrame | None = None


def run_table(
    subjects: tuple[str, ...] = ("subject1", "subject2"),
    train: tuple[str, ...] = TRAIN,
    test: tuple[str, ...] = TEST,
    repeats: int = 2,
) -> pd.DataFrame:
    """A run table in the layout of the simulated study."""
    return pd.DataFrame(
        {
            "subject": subject,
            "split": "train" if movie in train else "test",
            "movie": movie,
            "repeat": repeat,
            "bold": f"{subject}/fmri/{movie}/cifti/{movie}_{repeat}_Atlas.dtseries.nii",
            "stimulus": f"stimuli/{movie}.mp4",
            "onset_s": 2.0,
        }
        for subject in subjects
        for movie in (*train, *test)
        for repeat in range(1, repeats + 1)
    )


def small_study(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Put the workflow and a small study into `folder`; the whole configuration of the study."""
    for name in ("workflow", "rules", "envs", "neurons", "resources"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config/runs").mkdir(parents=True)
    (folder / ELSEWHERE).mkdir()
    # The Snakefile reads this file first; what is planned is given as a whole.
    (folder / "config/config.yaml").write_text("{}\n")
    for path in (RUNS, OTHER_RUNS):
        write_runs(folder / path, run_table())
    for movie in (*TRAIN, *TEST):
        for name in ANNOTATION_FILES:
            (folder / ELSEWHERE / f"{movie}_{name}").touch()
    base = load(config).model_dump(mode="json")
    base["study"] |= {"runs": RUNS, "validation_movies": ["seg3"]}
    return base


def write_runs(path: Path, table: pd.DataFrame) -> None:
    """Write a run table."""
    table.to_csv(path, sep="\t", index=False)


def key_changes(base: dict[str, Any]) -> Iterator[Change]:
    """One change per key of the configuration, in the order of the reference."""
    for name, section in Config.model_fields.items():
        kind = section.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            continue
        for key, field in fields(kind, f"{name}."):
            now = _get(base, key)
            values = [value for value in _others(key, now, field.annotation) if value != now]
            configurations = (_with(base, key, value) for value in values)
            yield Change(key, tuple(config for config in configurations if _is_valid(config)))


def study_changes(base: dict[str, Any]) -> Iterator[Change]:
    """Additions to the study and to its variants."""
    yield Change("one more subject", (base,), run_table(subjects=("subject1", "subject2", "subject3")))
    yield Change("one more repeat of every movie", (base,), run_table(repeats=3))
    yield Change("one more training movie", (base,), run_table(train=(*TRAIN, "seg4")))
    yield Change("one more test movie", (base,), run_table(test=(*TEST, "test2")))
    variants = {**base["variants"], "another": {"pretrain": {"blocks": 1}}}
    yield Change("one more variant", ({**base, "variants": variants},))


def _others(key: str, now: Any, annotation: Any) -> list[Any]:
    special: dict[str, list[Any]] = {
        "study.runs": [OTHER_RUNS],
        "study.validation_movies": [["seg2"]],
        "study.name": ["another"],
        "study.root": ["results/elsewhere"],
        "annotate.folder": [ELSEWHERE],
        "simulate.subjects": [{**now, "subject1": {"signal": 0.5}}] if isinstance(now, dict) else [],
        "compute.device": ["cuda"],
        "compute.memory_mb": [{"pretrain_fit": 48000}],
        "embed.clip_sizes": [{"tokens": 256, "channels": 1664, "joint": 1280, "text": 1280}],
    }
    if key in special:
        return special[key]
    options = [value for part in (annotation, *get_args(annotation)) for value in _literals(part)]
    if options:
        return options + [[value] for value in options]
    if isinstance(now, bool):
        return [not now]
    if isinstance(now, int | float):
        return [now + 1, now - 1, now * 0.9, now / 2, 0.5]
    if isinstance(now, list):
        return [now[:-1], [*now, *now[:1]], ["something"], [3]]
    if key.endswith(".path"):
        return [SOMEWHERE_ELSE, "resources/miniatures/clip"]
    if isinstance(now, str):
        return [f"{now}x"]
    return ["something", {"path": SOMEWHERE_ELSE}, 64, 0.5]


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_valid(config: dict[str, Any]) -> bool:
    try:
        load(config)
    except InputError:
        return False
    return True


def _get(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


def _with(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *sections, name = key.split(".")
    _get(changed, ".".join(sections))[name] = value
    return changed

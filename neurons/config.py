"""The configuration: one typed tree, a section per stage.

The JSON schema that Snakemake validates against and the reference table in ``config/README.md`` are generated
from these classes. A step receives only the section (or part) that it uses, as JSON, so that an edit reruns what
depends on it and nothing else.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from neurons.annotate.settings import Annotate
from neurons.artifacts import InputError
from neurons.cut.settings import Cut
from neurons.decouple.settings import Decouple
from neurons.embed.settings import Embed
from neurons.evaluate.settings import Evaluate
from neurons.interpret.settings import Interpret
from neurons.preprocess.settings import Preprocess
from neurons.pretrain.settings import Pretrain
from neurons.reconstruct.settings import Reconstruct
from neurons.report.settings import Report
from neurons.sections import Count, Natural, Positive, Section
from neurons.simulate.settings import Simulate


class Study(Section):
    """What was measured, and where it lies."""

    name: str = Field("simulated", pattern=r"^[A-Za-z0-9_-]+$", description="results go to results/<name>/")
    source: Literal["simulated", "files", "released"] = Field(
        "simulated",
        description="simulated: the workflow makes the study; files: movies and runs exist under `root`; released: the "
        "arrays that NeuroClips published exist under `root`",
    )
    root: str = Field(
        "results/simulated/simulate/video_fmri_dataset",
        description="folder that the run table's paths start from",
    )
    runs: str = Field("config/runs/simulated.tsv", description="run table (TSV)")
    validation_movies: list[str] = Field(
        ["seg17", "seg18"],
        min_length=1,
        description="training movies held out to choose models; never test movies",
    )
    repetition_time_s: Positive = Field(2.0, description="time between volumes, in s")
    clip_s: Positive = Field(2.0, description="length of a clip, in s")
    tail_s: Annotated[float, Field(ge=0)] | None = Field(
        12.0,
        description="scanning goes on this long after a movie, in s, which decides the number of volumes that a run must "
        "have (cc2017: 12); null: any number that covers the clips",
    )
    exclude: dict[
        Annotated[str, Field(pattern=r"^[^/]+/[^/]+/\d+$")], Annotated[str, Field(min_length=1)]
    ] = Field({}, description="runs to leave out, `<subject>/<movie>/<repeat>`, each with the reason")


class Compute(Section):
    """Where and how models run."""

    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto: cuda if there is one, else cpu"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on cuda, fp32 on cpu")
    threads: Count = Field(
        1, description="CPU threads per job; results on a CPU are equal only for an equal number"
    )
    processes: Count = Field(
        1,
        description="processes that train one model together, each with a GPU of its own (with device cpu: with none) and "
        "its share of every batch; the same result to rounding, apart from dropout masks",
    )
    low_memory: bool = Field(
        False,
        description="training keeps fewer activations and computes them again (a fifth slower, same results)",
    )
    memory_mb: dict[str, Count] = Field(
        {},
        description="main memory that each job of a rule asks for, in MB, where what the rule says (for the miniatures) is"
        " too little, such as {pretrain_fit: 48000}",
    )


class Variant(Section):
    """A named set of overrides of the model stages."""

    pretrain: dict[str, Any] = Field({}, description="overrides of section `pretrain`")
    decouple: dict[str, Any] = Field({}, description="overrides of section `decouple`")
    reconstruct: dict[str, Any] = Field({}, description="overrides of section `reconstruct`")


class AblationRow(Variant):
    """A row of the ablation table."""

    change: str = Field(min_length=1, description="what the row changes, in a few words")


RowName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Ablations(Section):
    """The table of ablations (target `ablations`): rows trained with several seeds, each compared with the first."""

    rows: dict[RowName, AblationRow] = Field(
        {}, description="overrides by row name; the first row is the base"
    )
    common: Variant = Field(Variant(), description="overrides of all rows, such as shorter training")
    seeds: Annotated[list[Natural], Field(min_length=1)] = Field(
        [0, 1, 2], description="each row is trained once with each"
    )
    subjects: list[str] = Field([], description="subjects of the table; an empty list: all")
    videos: bool = Field(
        False,
        description="sample videos of the test clips for every row and seed as well, and make the same table of them",
    )
    permutations: Count = Field(
        20000, description="sign flips of blocks of clips for p, enough for a correction over all comparisons"
    )


class LearningCurves(Section):
    """Scores against minutes of training data (target `learning_curves`), from nothing and from others' backbone."""

    clips: list[Count] = Field(
        [], description="numbers of training clips, at least two movies' (30 clips of 2 s are a minute)"
    )
    starts: list[Literal["own", "others"]] = Field(
        ["own", "others"], min_length=1, description="what models start from (see `pretrain.start`)"
    )
    common: Variant = Field(Variant(), description="overrides of all models")
    seeds: Annotated[list[Natural], Field(min_length=1)] = Field(
        [0, 1, 2], description="each point is trained once with each"
    )
    subjects: list[str] = Field([], description="subjects of the curves; an empty list: all")


class Config(Section):
    """The whole configuration."""

    study: Study = Study()
    simulate: Simulate = Simulate()
    cut: Cut = Cut()
    preprocess: Preprocess = Preprocess()
    annotate: Annotate = Annotate()
    embed: Embed = Embed()
    pretrain: Pretrain = Pretrain()
    decouple: Decouple = Decouple()
    reconstruct: Reconstruct = Reconstruct()
    evaluate: Evaluate = Evaluate()
    interpret: Interpret = Interpret()
    report: Report = Report()
    compute: Compute = Compute()
    variants: dict[RowName, Variant] = Field(
        {"ours": Variant()}, min_length=1, description="overrides by variant name"
    )
    ablations: Ablations = Ablations()
    learning_curves: LearningCurves = LearningCurves()

    @model_validator(mode="after")
    def _variants_are_valid(self) -> Config:
        derived = self.derived
        if both := sorted({*self.variants} & {*derived}):
            raise ValueError(f"{', '.join(both)} is a variant already; rename the row of the ablation table")
        for name in (*self.variants, *(self.interpret.variants or []), *derived):
            self.variant(name)
        return self

    @cached_property
    def derived(self) -> dict[str, Variant]:
        """Variants that the ablation table and the learning curves are made of."""
        return {**self._ablated(), **self._points()}

    def _ablated(self) -> dict[str, Variant]:
        return {
            ablation_name(row, seed): _overriding(
                self.ablations.common, values.model_dump(exclude={"change"}), _seeded(seed)
            )
            for row, values in self.ablations.rows.items()
            for seed in self.ablations.seeds
        }

    def _points(self) -> dict[str, Variant]:
        curves = self.learning_curves
        points = {}
        for start, clips, seed in product(curves.starts, curves.clips, curves.seeds):
            pretrain: dict[str, Any] = {"training_clips": clips, "start": start}
            if start == "own":  # so few clips span fewer principal components
                width = curves.common.pretrain.get("hidden_width", self.pretrain.hidden_width)
                pretrain["hidden_width"] = min(width, clips // 2)
            name = point_name(start, clips, seed)
            points[name] = _overriding(curves.common, {"pretrain": pretrain}, _seeded(seed))
        return points

    def sharing(self, name: str, sections: tuple[str, ...], apart_from: frozenset[str] = frozenset()) -> str:
        """The first derived variant with equal settings in these sections: it is trained once for all of them.

        Variants of the main table are trained each by itself.

        Parameters
        ----------
        apart_from
            Keys of the sections that may differ.
        """
        derived = self.derived
        if name not in derived:
            return name

        def of(variant: str) -> list[Any]:
            merged = self.variant(variant)
            return [getattr(merged, section).model_dump(exclude=set(apart_from)) for section in sections]

        wanted = of(name)
        return next(other for other in derived if of(other) == wanted)

    def seeds(self) -> dict[str, list[str]]:
        """Variants that differ in their seeds only, by the name of the first; variants without such another are left out."""
        groups: dict[str, list[str]] = {}
        for name in self.variants:
            whole = self.variant(name)
            settings = [
                _without_seeds(getattr(whole, section).model_dump(mode="json"))
                for section in ("pretrain", "decouple", "reconstruct")
            ]
            groups.setdefault(json.dumps(settings, sort_keys=True), []).append(name)
        return {names[0]: names for names in groups.values() if len(names) > 1}

    def variant(self, name: str) -> Config:
        """The configuration with the overrides of variant `name` applied."""
        known = {**self.variants, **self.derived}
        if name not in known:
            raise InputError(f"unknown variant {name!r}; the configuration has: {', '.join(known)}")
        changed = {
            section: merged(getattr(self, section).model_dump(), overrides)
            for section, overrides in known[name].model_dump().items()
        }
        return Config.model_construct(
            **{
                **{key: getattr(self, key) for key in Config.model_fields},
                "pretrain": _checked(Pretrain, changed["pretrain"], f"variants.{name}.pretrain"),
                "decouple": _checked(Decouple, changed["decouple"], f"variants.{name}.decouple"),
                "reconstruct": _checked(Reconstruct, changed["reconstruct"], f"variants.{name}.reconstruct"),
            }
        )


def ablation_name(row: str, seed: int) -> str:
    """Name of the variant that a row of the ablation table is with one seed."""
    return f"{row}_seed{seed}"


def point_name(start: str, clips: int, seed: int) -> str:
    """Name of the variant that a point of a learning curve is with one seed."""
    return f"curve_{start}_{clips}_seed{seed}"


def _seeded(seed: int) -> dict[str, Any]:
    return {"pretrain": {"seed": seed}, "decouple": {"seed": seed}}


def _overriding(common: Variant, *overrides: dict[str, Any]) -> Variant:
    together = common.model_dump()
    for values in overrides:
        together = merged(together, values)
    return Variant.model_validate(together)


def _without_seeds(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {key: _without_seeds(value) for key, value in values.items() if key != "seed"}


def merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `overrides`, sections within sections merged."""
    result = dict(base)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else value
    return result


def _checked(section: type[Section], values: dict[str, Any], where: str) -> Any:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ValueError("; ".join(problems(error, section, where))) from error


def load(values: dict[str, Any]) -> Config:
    """Check a configuration given as nested dictionaries.

    Raises
    ------
    InputError
        Listing every problem: key, what is wrong, and for an unknown key the nearest valid one.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        listed = "\n".join(f"- {problem}" for problem in problems(error, Config))
        raise InputError(f"the configuration has these problems:\n{listed}") from error


def problems(error: ValidationError, section: type[BaseModel], where: str = "") -> Iterator[str]:
    """One sentence per problem of a validation error."""
    valid = [".".join(filter(None, (where, key))) for key, _ in fields(section)]
    for problem in error.errors():
        key = ".".join(filter(None, (where, *(str(part) for part in problem["loc"]))))
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{key}: unknown key{hint}"
        else:
            given = (
                f" (given: {problem['input']!r})" if problem["type"] != "missing" and problem["loc"] else ""
            )
            yield f"{key or 'configuration'}: {problem['msg']}{given}"


def fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All (dotted key, pydantic field) pairs of a section, sections within it included."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from fields(annotation, f"{key}.")
        else:
            yield key, field

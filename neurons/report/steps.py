"""Step of the report."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from neurons.artifacts import InputError, TensorFile, atomic, gather, locate, provenance, read_json, read_table
from neurons.config import Report
from neurons.console import logger, track
from neurons.report.curves import training_curves
from neurons.report.gallery import Reconstruction, choose_highlights, clip_record, video_uri
from neurons.report.pipeline import pipeline_svg
from neurons.report.scoreboard import COLUMNS, HEADLINES, full_rows, headline_rows, shown_metrics

RANKED_BY = "clip_truth"
REFERENCES = ("chance", "mean", "retrieval", "oracle")


def page(
    *,
    scores: Path,
    clip_scores: list[Path],
    videos: list[Path],
    decoded: list[Path],
    tables: list[Path],
    controls: list[Path],
    playback: list[Path],
    annotation: list[Path],
    labels: list[Path],
    clips: list[Path],
    pretraining: list[Path],
    decoupling: list[Path],
    early_looks: list[Path],
    quality: list[Path],
    quality_tables: list[Path],
    quality_pictures: list[Path],
    study: str,
    settings: Report,
    page: Path,
) -> None:
    """Write the report: one HTML page that holds everything it shows.

    Parameters
    ----------
    scores
        Table of all scores.
    clip_scores
        Per-clip scores, in folders ``<variant>/<subject>/``, like the four next ones.
    videos, decoded, tables, controls
        Reconstructed videos, task outputs, their texts, and control images; in the same order.
    playback, annotation, labels, clips
        True frames, annotation, labels and clip table of each test movie.
    pretraining, decoupling, early_looks
        Training tables and pictures, in folders ``<variant>/<subject>/``.
    quality, quality_tables, quality_pictures
        Quality of the brain data of each subject, in folders ``<subject>/``.
    study
        JSON object with the ``name`` and ``source`` of the study.
    page
        The HTML file to write.

    Raises
    ------
    InputError
        If inputs disagree about which clips there are.
    """
    facts = json.loads(study)
    truth, clip_ids = gather(playback, "frames")
    clip_s = _clip_length(clips)
    notes = _concatenate(annotation, ("clip", "caption", "concepts")).set_index("clip")
    cuts = _concatenate(clips, ("clip", "scene_cuts")).set_index("clip")["scene_cuts"]
    made = [_reconstruction(*files) for files in zip(videos, decoded, tables, controls, strict=True)]
    shown = [item for item in made if item.variant != "oracle"]
    oracle = next((item for item in made if item.variant == "oracle"), None)
    clip_ids = clip_ids[: settings.gallery_clips]
    ranks = {_labels(path): read_table(path, ("clip", RANKED_BY)).set_index("clip")[RANKED_BY] for path in clip_scores}

    records = []
    for position, clip in enumerate(track(clip_ids, "clips of the gallery")):
        if clip not in notes.index:
            raise InputError(f"clip {clip} has frames to play but no annotation in {[str(path) for path in annotation]}")
        record: dict[str, Any] = {
            "id": clip,
            "truth": video_uri(truth[position], clip_s),
            "caption": str(notes.loc[clip, "caption"]),
            "concepts": [str(name) for name in notes.loc[clip, "concepts"]],
            "cuts": int(cuts.loc[clip]),
        }
        if oracle is not None:
            record["oracle"] = video_uri(oracle.videos[_position(videos, oracle, clip)], clip_s)
        records.append(record)

    gallery = {}
    for item in shown:
        rank = ranks[(item.variant, item.subject)]
        marks = choose_highlights({clip: float(rank[clip]) for clip in clip_ids})
        entries = {}
        for clip in track(clip_ids, f"clips of {item.variant}, {item.subject}"):
            entry = clip_record(item, _position(videos, item, clip), clip_s)
            entries[clip] = {**entry, "score": float(rank[clip]), "rank": marks.get(clip)}
        gallery[f"{item.variant}/{item.subject}"] = entries

    table = read_table(scores, COLUMNS)
    inputs = {"scores": scores, "videos": videos, "decoded": decoded}
    html = _template().render(
        title=settings.title,
        simulated=facts["source"] == "simulated",
        variants=list(dict.fromkeys(item.variant for item in shown)),
        subjects=list(dict.fromkeys(item.subject for item in shown)),
        clips=records,
        clip_s=clip_s,
        pipeline=Markup(pipeline_svg()),
        metrics=shown_metrics(table),
        headlines=HEADLINES,
        definitions=dict(zip(table["metric"], table["definition"], strict=True)),
        rows=headline_rows(table),
        references=REFERENCES,
        full=full_rows(table),
        bar=lambda value, top: round(100 * min(max(value / top, 0.0), 1.0), 1),
        number=lambda value: "" if value is None else f"{value:.4g}",
        pretraining=Markup(training_curves(_named(pretraining), "pretrain")),
        decoupling=Markup(training_curves(_named(decoupling), "decouple")),
        looks=[{"label": ", ".join(_labels(path)), "source": _png(path)} for path in early_looks],
        brain=[_brain(path, picture) for path, picture in zip(quality, quality_pictures, strict=True)],
        provenance=[_made(path) for path in (*videos, *decoded)],
        packages=provenance("report page", inputs)["packages"],
        style=Markup(_resource("page.css")),
        script=Markup(_resource("page.js")),
        data=Markup(_embedded({"clips": records, "made": gallery})),
    )
    with atomic(page) as temporary:
        temporary.write_text(html)
    logger.info("the report has %.1f MB: %s", len(html) / 1e6, page)


def _labels(path: Path) -> tuple[str, str]:
    return path.parent.parent.name, path.parent.name


def _reconstruction(videos: Path, decoded: Path, table: Path, control: Path) -> Reconstruction:
    variant, subject = _labels(videos)
    file = TensorFile(videos)
    ids = file.clip_ids
    texts = read_table(table, ("clip", "caption", "concepts"))
    rows = texts.iloc[locate(ids, list(texts["clip"]), str(table))]
    return Reconstruction(
        variant=variant,
        subject=subject,
        videos=file["frames"],
        blurry=file["blurry"],
        masks=TensorFile(decoded).rows("mask", ids),
        controls=TensorFile(control).rows("images", ids),
        captions=["" if pd.isna(text) else str(text) for text in rows["caption"]],
        concepts=["" if pd.isna(text) else str(text) for text in rows["concepts"]],
    )


def _position(videos: Sequence[Path], item: Reconstruction, clip: str) -> int:
    path = next(path for path in videos if _labels(path) == (item.variant, item.subject))
    return int(locate([clip], TensorFile(path).clip_ids, str(path))[0])


def _clip_length(clips: Sequence[Path]) -> float:
    table = _concatenate(clips, ("start_s", "end_s"))
    lengths = np.unique((table["end_s"] - table["start_s"]).round(6))
    if len(lengths) != 1:
        raise InputError(f"the clips of {[str(path) for path in clips]} have several lengths: {lengths.tolist()} s")
    return float(lengths[0])


def _concatenate(paths: Sequence[Path], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat([read_table(path, columns) for path in paths], ignore_index=True)


def _named(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    columns = ("epoch", "train_loss", "validation_loss")
    return {", ".join(_labels(path)): read_table(path, columns) for path in paths}


def _brain(summary: Path, picture: Path) -> dict[str, Any]:
    facts = [
        (name.replace("_", " "), f"{value:.3g}" if isinstance(value, float) else str(value))
        for name, value in read_json(summary).items()
        if isinstance(value, int | float | str)
    ]
    return {"subject": summary.parent.name, "source": _png(picture), "facts": facts}


def _made(path: Path) -> dict[str, Any]:
    metadata = TensorFile(path).metadata
    by = metadata["provenance"] or {}
    artifact = "/".join((*_labels(path), path.name))
    return {
        "artifact": artifact,
        "step": by.get("step", ""),
        "seed": by.get("seed"),
        "content": metadata.get("content_hash", ""),
    }


def _png(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _embedded(content: dict[str, Any]) -> str:
    # Nothing in the data can end the script element that holds it.
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _resource(name: str) -> str:
    return resources.files("neurons.report").joinpath(name).read_text()


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_resource("page.html.j2"))


STEPS = [page]

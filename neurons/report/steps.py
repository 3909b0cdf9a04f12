"""Step of the report."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from neurons.artifacts import atomic, provenance, read_table
from neurons.console import logger
from neurons.report import meaning
from neurons.report.content import (
    brain_quality,
    jpeg_uri,
    labels,
    made_by,
    png_uri,
    read_reconstruction,
    read_test_clips,
    reconstructed,
    similarities,
    training_tables,
    watched,
)
from neurons.report.cortex import on_cortex
from neurons.report.curves import training_curves
from neurons.report.pipeline import pipeline_svg
from neurons.report.scoreboard import COLUMNS, HEADLINES, full_rows, headline_rows, shown_metrics
from neurons.report.settings import Report

REFERENCES = ("chance", "mean", "retrieval", "oracle")


def page(
    *,
    scores: Path,
    clip_scores: list[Path],
    alarms: Path,
    comparisons: Path,
    kinds: list[Path],
    paper_tables: list[Path],
    figures: list[Path],
    videos: list[Path],
    decoded: list[Path],
    tables: list[Path],
    controls: list[Path],
    samples: list[Path],
    playback: list[Path],
    annotation: list[Path],
    sheets: list[Path],
    clips: list[Path],
    pretraining: list[Path],
    decoupling: list[Path],
    early_looks: list[Path],
    quality: list[Path],
    quality_pictures: list[Path],
    cortex_summaries: list[Path] | None = None,
    cortex_tables: list[Path] | None = None,
    cortex_agreements: list[Path] | None = None,
    cortex_pictures: list[Path] | None = None,
    cortex_views: list[Path] | None = None,
    ablations: Path | None = None,
    learning_curves: Path | None = None,
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
        Per-clip scores, in folders ``<variant>/<subject>/``, like the files of the stage `reconstruct`.
    alarms, comparisons
        Alarms, and paired comparisons of variants.
    kinds
        Scores by kind of clip, in folders ``<variant>/<subject>/``.
    paper_tables
        Tables of the paper (TSV).
    figures
        Pictures of the stage `evaluate`, ``<subject>_<what>.png``.
    videos, decoded, tables, controls, samples
        Reconstructed videos, task outputs, their texts, control images, and tables of samples; in the same order.
    playback, annotation, clips
        True frames, annotation and clip table of each test movie.
    pretraining, decoupling, early_looks
        Training tables and pictures, in folders ``<variant>/<subject>/``.
    sheets
        Contact sheets of the key objects of test movies, in folders ``<movie>/``.
    quality, quality_pictures
        Quality of the brain data of each subject, in folders ``<subject>/``.
    cortex_summaries, cortex_tables, cortex_agreements, cortex_pictures, cortex_views
        Files and folders of the stage `interpret`, in folders ``<variant>/<subject>/``; none if it did not run.
    ablations, learning_curves
        The ablation table of held-out clips (TSV), and the picture of the learning curves; none if none are configured.
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
    shown = read_test_clips(playback, annotation, clips, settings.gallery_clips)
    made = [
        read_reconstruction(*files, shown.ids)
        for files in zip(videos, decoded, tables, controls, samples, strict=True)
    ]
    brains = [item for item in made if item.variant != "oracle"]
    similarity = similarities(clip_scores)
    data = {
        "clips": watched(shown, next((item for item in made if item.variant == "oracle"), None)),
        "made": {
            f"{item.variant}/{item.subject}": reconstructed(
                shown, item, similarity[(item.variant, item.subject)]
            )
            for item in brains
        },
    }
    table = read_table(scores, COLUMNS)
    by_row = {labels(path): path for path in clip_scores}
    brains_named = {item.variant for item in brains}
    html = _template().render(
        title=settings.title,
        simulated=facts["source"] == "simulated",
        variants=list(dict.fromkeys(item.variant for item in brains)),
        subjects=list(dict.fromkeys(item.subject for item in brains)),
        clips=shown.ids,
        clip_s=shown.clip_s,
        pipeline=Markup(pipeline_svg()),
        metrics=shown_metrics(table),
        headlines=HEADLINES,
        definitions=dict(zip(table["metric"], table["definition"], strict=True)),
        rows=headline_rows(table),
        references=REFERENCES,
        full=full_rows(table),
        alarms=meaning.alarms(alarms),
        comparisons=[
            {**picture, "svg": Markup(picture["svg"])} for picture in meaning.comparison_pictures(comparisons)
        ],
        failures=[
            {
                "label": ", ".join(labels(path)),
                "svg": Markup(meaning.failure_picture(path, by_row[labels(path)])),
            }
            for path in kinds
            if labels(path)[0] in brains_named
        ],
        paper_tables=meaning.paper_tables(paper_tables),
        figures=[{"label": path.stem.replace("_", ": "), "source": png_uri(path)} for path in figures],
        bar=lambda value, top: round(100 * min(max(value / top, 0.0), 1.0), 1),
        number=lambda value: "" if value is None else f"{value:.4g}",
        sheets=[{"movie": path.parent.name, "source": jpeg_uri(path)} for path in sheets],
        pretraining=Markup(training_curves(training_tables(pretraining), "pretrain")),
        decoupling=Markup(training_curves(training_tables(decoupling), "decouple")),
        looks=[{"label": ", ".join(labels(path)), "source": png_uri(path)} for path in early_looks],
        brain=[brain_quality(path, picture) for path, picture in zip(quality, quality_pictures, strict=True)],
        cortex=on_cortex(
            cortex_summaries or [],
            cortex_tables or [],
            cortex_agreements or [],
            cortex_pictures or [],
            cortex_views or [],
            page,
        ),
        ablations=meaning.cells(ablations, ("row", "change")) if ablations else None,
        learning_curves=png_uri(learning_curves) if learning_curves else None,
        provenance=[made_by(path) for path in (*videos, *decoded)],
        packages=provenance("report page", {"scores": scores})["packages"],
        style=Markup(_resource("page.css")),
        script=Markup(_resource("page.js")),
        data=Markup(_embedded(data)),
    )
    with atomic(page) as temporary:
        temporary.write_text(html)
    logger.info("the report has %.1f MB: %s", len(html) / 1e6, page)


def _embedded(content: dict[str, Any]) -> str:
    # Nothing in the data can end the script element that holds it.
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _resource(name: str) -> str:
    return resources.files("neurons.report").joinpath(name).read_text()


def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_resource("page.html.j2"))

"""A small report made of artifacts with known content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import write_json, write_table, write_tensors
from neurons.report.settings import Report
from neurons.report.steps import page

MADE_BY = {"step": "test", "parameters": {}, "inputs": {}, "packages": {}, "seed": 0}
CLIPS = [f"test1:{i}" for i in range(12)]
CAPTIONS = [f"a {'red' if i % 2 else 'blue'} car drives <left> on a road" for i in range(12)]
ROWS = [("ours", "subject1"), ("paper", "subject1"), ("oracle", "truth")]


def moving_square(clips: int, frames: int, size: int = 32) -> np.ndarray:
    """Frames of a square that moves right; every clip has its own colour."""
    made = np.full((clips, frames, size, size, 3), 40, np.uint8)
    for clip in range(clips):
        for frame in range(frames):
            left = frame * (size - 8) // frames
            made[clip, frame, 12:20, left : left + 8] = (20 * clip, 200, 255 - 20 * clip)
    return made


def write_analysis(folder: Path, put: Callable[[str, Path], Path]) -> None:
    """Alarms, comparisons, tables and figures of the stage `evaluate`."""
    found = {"alarm": ["identical predictions", "prediction equals truth"], "variant": ["paper", "ours"]}
    found |= {"subject": "subject1", "raised": [True, False], "count": [9, 0], "of": 12}
    found |= {"what": ["clips share <one> prediction", "clips equal the truth"], "clips": ["test1:0", ""]}
    write_table(put("alarms", folder / "evaluate/alarms.tsv"), pd.DataFrame(found), MADE_BY)
    compared = {"subject": "subject1", "variant": "ours", "other": "paper", "metric": ["dice", "psnr"]}
    compared |= {"difference": [0.1, -0.2], "low": [0.05, -0.5], "high": [0.15, 0.1]}
    compared |= {"p_holm": [0.01, 0.4], "n": 12}
    write_table(put("comparisons", folder / "evaluate/comparisons.tsv"), pd.DataFrame(compared), MADE_BY)
    cells = {
        "variant": ["chance", "ours"],
        "subject": ["any", "subject1"],
        "2-way": ["0.500", "0.910 [0.8, 1.0]"],
    }
    write_table(put("paper_tables", folder / "evaluate/tables/videos.tsv"), pd.DataFrame(cells), MADE_BY)
    figure = put("figures", folder / "evaluate/figures/subject1_strips.png")
    figure.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(figure), moving_square(1, 1)[0, 0])


def write_cortex(folder: Path) -> dict[str, list[Path]]:
    """Files of the stage `interpret` of one subject and variant."""
    where = folder / "interpret/ours/subject1"
    facts = {"vertices": 6302, "held_out_clips": 96, "areas": 2}
    write_json(where / "summary.json", facts, MADE_BY)
    methods, tasks = (
        ("integrated", "haufe", "permutation", "encoding", "unique"),
        ("concepts", "blurry_video"),
    )
    index = pd.MultiIndex.from_product([methods, tasks, ["V1", "<FFC>"]], names=["method", "task", "region"])
    table = index.to_frame(index=False).assign(level="area", vertices=50, value=0.25, low=0.1, high=0.4)
    table["value"] = np.where(table["region"] == "V1", 0.25, 0.75)
    table["normalised"] = np.where(table["method"] == "encoding", 0.875, np.nan)
    table["p_corrected"] = np.where(table["region"] == "V1", 0.5, 0.001)
    write_table(where / "areas.tsv", table, MADE_BY)
    agreement = {"task": "concepts", "level": ["vertex", "area"], "method": "integrated", "other": "haufe"}
    write_table(where / "agreement.tsv", pd.DataFrame({**agreement, "rho": [0.625, np.nan]}), MADE_BY)
    pictures = [where / f"{name}.png" for name in ("importance", "shape", "encoding", "areas")]
    for picture in pictures:
        cv2.imwrite(str(picture), moving_square(1, 1)[0, 0])
    (where / "views").mkdir()
    for task in tasks:
        (where / "views" / f"{task}.html").write_text("<html></html>")
    return {
        "cortex_summaries": [where / "summary.json"],
        "cortex_tables": [where / "areas.tsv"],
        "cortex_agreements": [where / "agreement.tsv"],
        "cortex_pictures": pictures,
        "cortex_views": [where / "views"],
    }


def make_report(folder: Path, cortex: bool = False, derived: bool = False) -> Path:
    """Write all inputs, those of `interpret` and of ablations if asked for, and the page; the page's path."""
    n = len(CLIPS)
    paths: dict[str, list[Path]] = {}

    def put(kind: str, path: Path) -> Path:
        paths.setdefault(kind, []).append(path)
        return path

    write_tensors(
        put("playback", folder / "cut/test1/playback.safetensors"),
        {"frames": moving_square(n, 16)},
        MADE_BY,
        CLIPS,
    )
    start = 2.0 * np.arange(n)
    clips = pd.DataFrame(
        {"clip": CLIPS, "start_s": start, "end_s": start + 2, "scene_cuts": [0, 1] * (n // 2)}
    )
    write_table(put("clips", folder / "cut/test1/clips.tsv"), clips, MADE_BY)
    notes = pd.DataFrame({"clip": CLIPS, "caption": CAPTIONS, "concepts": [["vehicle", "roadway"]] * n})
    write_table(put("annotation", folder / "annotate/test1/annotation.parquet"), notes, MADE_BY)
    sheet = put("sheets", folder / "annotate/test1/sheet.png")
    cv2.imwrite(str(sheet), moving_square(1, 1)[0, 0])
    scores = []
    for variant, subject in ROWS:
        where = folder / "reconstruct" / variant / subject
        videos = {"frames": moving_square(n, 16), "blurry": moving_square(n, 6)}
        write_tensors(put("videos", where / "videos.safetensors"), videos, MADE_BY, CLIPS)
        masks = (moving_square(n, 6)[..., 1] > 100).astype(np.float16)
        write_tensors(put("decoded", where / "decoded.safetensors"), {"mask": masks}, MADE_BY, CLIPS)
        texts = pd.DataFrame({"clip": CLIPS, "caption": CAPTIONS[::-1], "concepts": "vehicle|plant"})
        write_table(put("tables", where / "decoded.tsv"), texts, MADE_BY)
        write_tensors(
            put("controls", where / "control.safetensors"),
            {"images": moving_square(n, 1)[:, 0]},
            MADE_BY,
            CLIPS,
        )
        number = 3 if (variant, subject) == ROWS[0] else 1
        drawn = pd.DataFrame({"clip": np.repeat(CLIPS, number), "sample": list(range(number)) * n})
        drawn["spread"] = np.repeat(np.arange(n) / 8, number) if number > 1 else np.nan
        write_table(put("samples", where / "samples.tsv"), drawn, MADE_BY)
        falling = np.linspace(0.9, 0.1, n)
        by_clip = pd.DataFrame({"clip": CLIPS, "clip_truth": falling, "video_50way_gt1": falling})
        write_table(
            put("clip_scores", folder / "evaluate" / variant / subject / "clips.parquet"), by_clip, MADE_BY
        )
        for metric, value, chance in (
            ("video_2way_gt1", 0.91, 0.5),
            ("psnr", 14.2, np.nan),
            ("dice", np.nan, np.nan),
        ):
            known = value == value
            scores.append(
                {
                    "variant": variant, "subject": subject, "metric": metric,
                    "protocol": "strict", "definition": f"what {metric} means",
                    "value": value, "low": value - 0.02 if known else np.nan, "high": value + 0.02 if known else np.nan,
                    "chance": chance, "permutation_mean": chance, "p": 0.001 if known else np.nan, "n": n,
                    "higher_is_better": True,
                }
            )  # fmt: skip
        kinds = {"factor": "concept", "level": ["vehicle", "plant"], "metric": "video_50way_gt1", "n": [7, 2]}
        kinds |= {"value": [0.4, 0.1], "low": [0.2, 0.0], "high": [0.6, 0.2], "p_holm": [0.01, 0.5]}
        write_table(
            put("kinds", folder / "evaluate" / variant / subject / "kinds.tsv"), pd.DataFrame(kinds), MADE_BY
        )
    write_analysis(folder, put)
    for variant, subject in ROWS[:2]:
        training = pd.DataFrame(
            {"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.5], "validation_score": [3.1, 2.5, 2.4]}
        )
        write_table(
            put("pretraining", folder / "pretrain" / variant / subject / "training.tsv"), training, MADE_BY
        )
        write_table(
            put("decoupling", folder / "decouple" / variant / subject / "training.tsv"), training, MADE_BY
        )
        look = put("early_looks", folder / "decouple" / variant / subject / "early_look.png")
        cv2.imwrite(str(look), moving_square(1, 1)[0, 0])
    write_json(
        put("quality", folder / "preprocess/subject1/quality.json"),
        {"selected_vertices": 6000, "share": 0.101},
        MADE_BY,
    )
    picture = put("quality_pictures", folder / "preprocess/subject1/quality.png")
    cv2.imwrite(str(picture), moving_square(1, 1)[0, 0])
    write_table(folder / "evaluate/scores.tsv", pd.DataFrame(scores), MADE_BY)
    if cortex:
        paths |= write_cortex(folder)
    if derived:
        single_files = {
            "ablations": folder / "evaluate/ablations/held_out.tsv",
            "learning_curves": folder / "evaluate/learning_curves.png",
        }
        rows = {
            "row": ["base", "b"],
            "change": ["all", "without <b>"],
            "Dice": [".50 [.4, .6]", ".30 [.2, .4] -"],
        }
        write_table(single_files["ablations"], pd.DataFrame(rows), MADE_BY)
        cv2.imwrite(str(single_files["learning_curves"]), moving_square(1, 1)[0, 0])
        paths |= {name: [path] for name, path in single_files.items()}
    output = folder / "report/index.html"
    study = '{"name": "tiny", "source": "simulated"}'
    alone = ("alarms", "comparisons", "ablations", "learning_curves")
    single = {name: paths.pop(name)[0] for name in alone if name in paths}
    page(
        scores=folder / "evaluate/scores.tsv", **single, **paths, study=study, settings=Report(), page=output
    )
    return output


@pytest.fixture(scope="session")
def report_page(tmp_path_factory) -> Path:
    """The page of the small report."""
    return make_report(tmp_path_factory.mktemp("report"))

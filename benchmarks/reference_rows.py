"""What each metric says of reference rows and of submissions that decode nothing.

    python benchmarks/reference_rows.py --subject subject1 --other subject2

Needs the results of `evaluate`. Besides the rows of the score table (the average training video, retrieval, `ours`, the
oracle) it scores three submissions nobody should be proud of, through the same stand-alone evaluator: `ours` frozen at
its middle frame; grey pictures; the videos that `ours` made of another subject's brain. Prints a table with a row per
metric of videos: value, and in brackets how it stands to a prediction that knows nothing: ``*`` p < .01, ``-`` no null
distribution.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from cyclopts import run

from neurons.artifacts import gather
from neurons.config import load
from neurons.evaluate.inputs import predicted_frames, wanted_times
from neurons.evaluate.standalone import score_videos
from neurons.study import read_runs

GREY = 127


def submissions(
    results: Path, subject: str, other: str, ids: list[str], times: np.ndarray
) -> dict[str, np.ndarray]:
    """Videos by name, each uint8 (clips, frames, height, width, 3), references first."""
    references, reconstructed = results / "evaluate" / "references", results / "reconstruct"
    files = {
        "mean": references / "mean" / "truth",
        "retrieval": references / "retrieval" / subject,
        "ours": reconstructed / "ours" / subject,
        "oracle": reconstructed / "oracle" / "truth",
        "other subject": reconstructed / "ours" / other,
    }
    videos = {
        name: predicted_frames(folder / "videos.safetensors", ids, times)[0] for name, folder in files.items()
    }
    frozen = videos["ours"][:, [videos["ours"].shape[1] // 2]]
    videos["frozen"] = np.repeat(frozen, videos["ours"].shape[1], axis=1)
    videos["grey"] = np.full_like(videos["ours"], GREY)
    return videos


def cell(facts: pd.Series) -> str:
    """A value with a mark."""
    if pd.isna(facts["value"]):
        return "undefined"
    mark = " -" if pd.isna(facts["p"]) else "\\*" if facts["p"] < 0.01 else ""
    return f"{facts['value']:.3f}{mark}"


def main(
    *, subject: str, other: str, config: Path = Path("config/config.yaml"), cache: Path | None = None
) -> None:
    """Print the table.

    Parameters
    ----------
    subject, other
        Whose videos, and whose stand in for them.
    config
        Configuration of the results.
    cache
        Folder that keeps what the networks saw.
    """
    chosen = load(yaml.safe_load(config.read_text()))
    results = Path("results") / chosen.study.name
    runs = read_runs(Path(chosen.study.runs), chosen.study)
    movies = runs.loc[runs["split"] == "test", "movie"].unique()
    frames = [results / "cut" / movie / "frames.safetensors" for movie in movies]
    times, ids = wanted_times(frames)
    truth, _ = gather(frames, "frames", ids)
    columns, scored = {}, None
    for name, videos in submissions(results, subject, other, ids, times).items():
        scored = score_videos(
            truth, videos, chosen.evaluate, clip_ids=ids, device="cpu", precision="fp32", cache=cache
        )["table"].set_index("metric")
        columns[name] = scored.apply(cell, axis=1)
    assert scored is not None
    chance = scored["chance"].map(lambda value: "" if pd.isna(value) else f"{value:.3f}")
    better = scored["higher_is_better"].map(
        lambda value: {True: "higher", False: "lower"}.get(value, "neither")
    )
    table = pd.DataFrame({"protocol": scored["protocol"], "better": better, "chance": chance, **columns})
    print(f"| metric | {' | '.join(table.columns)} |")
    print("|---" * (table.shape[1] + 1) + "|")
    for metric, values in table.iterrows():
        print(f"| `{metric}` | {' | '.join(map(str, values))} |")


if __name__ == "__main__":
    run(main)

"""How much of the key object's mask the simulated responses hold at all: the limit of the segmentation task.

    python benchmarks/mask_readout.py --subject subject1

Needs the results of `preprocess` and `annotate`. A ridge from all selected vertices (mean over repeats, the delays of
`pretrain.window_tr`) to the pixels of the mask, fitted and scored in four folds of whole training movies, no test
movie: it sees every vertex and has no bottleneck. Prints mean Dice over clips beside that of the best constant mask,
for all clips and for those whose key object is the subject of the caption, and the share of those.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from cyclopts import run
from sklearn.linear_model import Ridge

from neurons.artifacts import gather, locate, read_table, split_clip_id
from neurons.config import load
from neurons.evaluate.masks import best_constant_mask, overlap
from neurons.evaluate.words import first_named
from neurons.pretrain.data import read_responses

FOLDS = 4
PENALTIES = (3e3, 1e4, 3e4)
CUTS = (0.2, 0.25, 0.3, 0.35)


def dice(truth: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Dice of each clip's own mask, (clips,)."""
    return np.array([overlap(a[None], b[None])[0][0, 0] for a, b in zip(truth, masks, strict=True)])


def main(*, subject: str, config: Path = Path("config/config.yaml"), results: Path | None = None) -> None:
    """Print the Dice of a linear readout and of a constant mask.

    Parameters
    ----------
    subject
        Whose responses.
    config
        Configuration of the results.
    results
        Folder of the results; that of the configuration by default.
    """
    chosen = load(yaml.safe_load(config.read_text()))
    folder = results or Path("results") / chosen.study.name
    window = chosen.variant("ours").pretrain.window_tr
    data = read_responses(folder / "preprocess" / subject / "train.safetensors", window)
    movies = np.array([split_clip_id(clip)[0] for clip in data.clip_ids])
    names = list(dict.fromkeys(movies.tolist()))
    labels = [folder / "annotate" / movie / "labels.safetensors" for movie in names]
    masks = gather(labels, "key_mask", data.clip_ids)[0].astype(bool)
    table = pd.concat([read_table(folder / "annotate" / movie / "annotation.parquet") for movie in names])
    table = table.iloc[locate(data.clip_ids, list(table["clip"]), "the annotation")]
    subjects = [first_named(*pair) for pair in zip(table["caption"], table["tags"], strict=True)]
    stars = np.array(subjects) == table["key_tag"].to_numpy()
    responses = data.mean_windows(torch.arange(len(movies))).flatten(1).numpy()
    fold = np.array([names.index(movie) % FOLDS for movie in movies])
    constant = np.zeros(len(movies))
    readout = np.zeros((len(PENALTIES), len(CUTS), len(movies)))
    for held_out in range(FOLDS):
        rows, others = fold == held_out, fold != held_out
        mask = best_constant_mask(masks[others])
        constant[rows] = dice(masks[rows], np.broadcast_to(mask, masks[rows].shape))
        for i, penalty in enumerate(PENALTIES):
            ridge = Ridge(penalty).fit(responses[others], masks[others].reshape(others.sum(), -1))
            share = ridge.predict(responses[rows]).reshape(masks[rows].shape)
            for j, cut in enumerate(CUTS):
                readout[i, j, rows] = dice(masks[rows], share >= cut)
    for what, clips in (("all clips", np.full(len(stars), True)), ("key object = subject", stars)):
        best = readout[:, :, clips].mean(axis=2)
        i, j = np.unravel_index(best.argmax(), best.shape)
        print(
            f"{subject}, {what} ({clips.mean():.0%} of {len(clips)}): constant mask {constant[clips].mean():.3f}, "
            f"linear readout of {responses.shape[1]} responses {best.max():.3f} "
            f"(best of {best.size}: penalty {PENALTIES[i]:g}, cut {CUTS[j]:g})"
        )


if __name__ == "__main__":
    run(main)

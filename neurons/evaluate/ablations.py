"""The ablation table: rows trained with several seeds, each compared with the base row on the same clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, locate, seed_for
from neurons.evaluate.comparisons import holm, paired_difference
from neurons.evaluate.measures import interval
from neurons.evaluate.resampling import block_bootstrap, block_numbers

COLUMNS = [
    "row", "subject", "metric", "seeds", "mean", "low", "high", "sd_seeds", "difference", "difference_low",
    "difference_high", "p", "p_holm", "seeds_agree", "verdict", "n",
]  # fmt: skip
BETTER, WORSE, OPEN, UNDEFINED = "better", "worse", "open", "undefined"

DEFINITIONS = {
    "dice": ("Dice", "Dice coefficient of masks, clips with a key object"),
    "concept_ranking": ("concepts", "average precision of ranking the 51 concepts of a clip"),
    "caption_cider": ("CIDEr-D", "of descriptions, document frequencies from the scored clips, in [0, 10]"),
    "caption_subject": (
        "subject",
        "share of clips whose description names what the true caption names first",
    ),
    "latents_correlation": (
        "blurry r",
        "correlation of blurry and true latents without the mean training clip",
    ),
    "text_2way": (
        "text 2-way",
        "share of other clips whose caption is farther from the text embedding; chance .5",
    ),
    "tokens_2way": (
        "tokens 2-way",
        "share of other clips whose image tokens are farther from the brain model's video embedding; chance .5",
    ),
    "video_2way_gt1": ("video 2-way", "2-way identification by a video classifier, chance .5"),
    "video_50way_gt1": ("video 50-way", "50-way identification by a video classifier, chance .02"),
    "frame_2way_gt1": ("frame 2-way", "2-way identification by a frame classifier, chance .5"),
    "frame_50way_gt1": ("frame 50-way", "50-way identification by a frame classifier, chance .02"),
    "clip_truth": ("CLIP to truth", "CLIP cosine of decoded and true frames"),
    "ssim_gray2d": ("SSIM 2-D", "structural similarity of grey frames"),
}
"""Title and meaning of metrics: means over clips, higher is better."""
METRICS = tuple(DEFINITIONS)


def ablation_scores(
    by_seed: Mapping[str, Sequence[pd.DataFrame]],
    subject: str,
    metrics: Sequence[str],
    *,
    block_clips: int,
    bootstrap: int,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Score rows, and compare each with the first.

    Parameters
    ----------
    by_seed
        For each row a table per training seed, in the order of the seeds: the column `clip` and columns of metrics. The
        first row is the base.
    subject
        Written into the table.
    metrics
        Means over clips, higher is better.
    block_clips, bootstrap, permutations, seed
        As in `comparisons.compare`.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. ``mean``: over clips and seeds, with a 95 % block bootstrap interval over clips; ``sd_seeds``: of
        the means of single seeds. ``difference``: to the base, clip by clip after averaging over seeds; ``p``: by exchanging
        row and base within blocks of clips; ``p_holm``: corrected for all comparisons of this table. ``seeds_agree``: of how
        many seeds the own difference has the sign of the whole. ``verdict``: better or worse than the base if
        ``p_holm`` < .05 and every seed agrees, else open; a row that is the base model itself is ``same``,
        a metric that no clip defines ``undefined``.

    Raises
    ------
    InputError
        If rows have different numbers of seeds, or were scored on different clips.
    """
    names = list(by_seed)
    ids = list(by_seed[names[0]][0]["clip"])
    blocks = block_numbers(ids, block_clips)
    drawn = block_bootstrap(ids, block_clips, bootstrap, seed_for(seed, "bootstrap"))
    values = {name: _by_clip(tables, ids, metrics, name) for name, tables in by_seed.items()}
    counts = {len(tables) for tables in by_seed.values()}
    if len(counts) != 1:
        raise InputError(f"rows of the ablation table have different numbers of seeds: {sorted(counts)}")
    base = values[names[0]]
    rows: list[dict[str, Any]] = []
    for name in names:
        for number, metric in enumerate(metrics):
            own, reference = values[name][:, :, number], base[:, :, number]
            facts = {"row": name, "subject": subject, "metric": metric, "seeds": len(own)}
            facts |= _score(own, drawn, blocks)
            if name != names[0]:
                signs = seed_for(seed, "signs", subject, name, metric)
                facts |= _difference(own, reference, blocks, drawn, permutations, signs)
            rows.append(facts)
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("p_holm", "verdict")])
    table["p_holm"] = holm(table["p"].to_numpy(float))
    table["verdict"] = [_verdict(row, names[0]) for row in table.to_dict("records")]
    return table[COLUMNS]


def _by_clip(
    tables: Sequence[pd.DataFrame], ids: Sequence[str], metrics: Sequence[str], name: str
) -> np.ndarray:
    """(seeds, clips, metrics), clips in the order of `ids`."""
    stacked = []
    for table in tables:
        theirs = list(table["clip"])
        locate(theirs, ids, "the scores of the base row")
        stacked.append(table.iloc[locate(ids, theirs, f"the scores of {name}")][list(metrics)])
    return np.stack([table.to_numpy(float) for table in stacked])


def _score(own: np.ndarray, drawn: np.ndarray, blocks: np.ndarray) -> dict[str, float]:
    defined = np.isfinite(own).all(0)
    if not defined.any():
        return {"n": 0}
    mean = np.where(defined, own.mean(0), 0.0)
    count = defined[drawn].sum(1)
    low, high = interval(mean[drawn].sum(1)[count > 0] / count[count > 0], len(np.unique(blocks[defined])))
    by_seed = own[:, defined].mean(1)
    spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else float("nan")
    return {
        "mean": float(by_seed.mean()),
        "low": low,
        "high": high,
        "sd_seeds": spread,
        "n": int(defined.sum()),
    }


def _difference(
    own: np.ndarray, base: np.ndarray, blocks: np.ndarray, drawn: np.ndarray, permutations: int, seed: int
) -> dict[str, float]:
    by_seed = own - base
    defined = np.isfinite(by_seed).all(0)
    if not defined.any():
        return {}
    found = paired_difference(by_seed.mean(0), blocks, drawn, permutations, seed)
    sign = np.sign(found["difference"])
    agree = int((np.sign(by_seed[:, defined].mean(1)) == sign).sum())
    return {
        "difference": found["difference"], "difference_low": found["low"], "difference_high": found["high"],
        "p": found["p"] if (by_seed[:, defined] != 0).any() else float("nan"), "seeds_agree": agree,
    }  # fmt: skip


def _verdict(row: Mapping[Any, Any], base: str) -> str:
    if row["row"] == base:
        return "base"
    if pd.isna(row["difference"]):
        return UNDEFINED
    if pd.isna(row["p"]):
        return "same"
    if row["p_holm"] >= 0.05 or row["seeds_agree"] < row["seeds"]:
        return OPEN
    return BETTER if row["difference"] > 0 else WORSE


def definitions(metrics: Sequence[str]) -> dict[str, str]:
    """What each column means, by its title, and the marks."""
    meanings = {DEFINITIONS[metric][0]: DEFINITIONS[metric][1] for metric in metrics}
    return meanings | {
        "+, -": "better, worse than the base (first row): every seed agrees and p < .05 after correction for all cells"
    }


def lay_out(scores: pd.DataFrame, changes: Mapping[str, str]) -> pd.DataFrame:
    """The table for people: a line per row, a column per metric; ``+`` better than the base, ``-`` worse.

    Parameters
    ----------
    scores
        From `ablation_scores`, of one subject.
    changes
        What each row changes, in words.
    """
    lines = []
    for name, group in scores.groupby("row", sort=False):
        cells = {DEFINITIONS[str(row["metric"])][0]: _cell(row) for row in group.to_dict("records")}
        lines.append({"row": name, "change": changes[str(name)], **cells})
    return pd.DataFrame(lines)


def _cell(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["mean"]):
        return ""
    mark = {BETTER: " +", WORSE: " -"}.get(row["verdict"], "")
    return f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]{mark}"

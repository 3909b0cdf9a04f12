"""The tables of the paper: ours measured, others quoted and marked, as TSV, Markdown and LaTeX.

`strict` and `released` stand in columns of their own. Every cell of ours has its interval, every column its chance level and
its definition; quoted figures have neither and say where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

FIRST = ("variant", "subject")


@dataclass(frozen=True)
class Layout:
    """A table of the paper.

    Attributes
    ----------
    title
        What it shows, and which table of the paper it is.
    columns
        Title of each column by metric.
    everything
        Whether the references stand in it beside the variants.
    """

    title: str
    columns: Mapping[str, str]
    everything: bool = True


LAYOUTS = {
    "videos": Layout(
        "Videos (Table 1 of the paper)",
        {
            "video_2way_gt1": "2-way",
            "video_50way_gt1": "50-way",
            "clip_truth": "CLIP to truth",
            "clip_2way": "CLIP 2-way",
            "flow_epe": "flow EPE",
            "video_2way_gt3": "2-way (released)",
            "video_50way_gt3": "50-way (released)",
            "clip_allpairs": "CLIP-pcc (released)",
            "clip_adjacent_gated": "gated CLIP (released)",
        },
    ),
    "frames": Layout(
        "Frames (Table 1 of the paper, frame-based)",
        {
            "frame_2way_gt1": "2-way",
            "frame_50way_gt1": "50-way",
            "ssim_gray2d": "SSIM 2-D",
            "psnr": "PSNR",
            "hue_circular": "hue",
            "frame_2way_gt3": "2-way (released)",
            "frame_50way_gt3": "50-way (released)",
            "ssim_columns": "SSIM columns (released)",
            "ssim_rgb7": "SSIM RGB (released)",
            "hue_cosine": "hue cosine (released)",
        },
    ),
    "ablations": Layout(
        "Variants (Table 2 of the paper)",
        {
            "video_2way_gt1": "2-way",
            "video_50way_gt1": "50-way",
            "clip_truth": "CLIP to truth",
            "dice": "Dice",
            "concept_map": "concept mAP",
            "caption_cider": "CIDEr-D",
            "video_2way_gt3": "2-way (released)",
            "video_50way_gt3": "50-way (released)",
            "clip_allpairs": "CLIP-pcc (released)",
        },
        everything=False,
    ),
    "tasks": Layout(
        "Decoded tasks (Table 3 of the paper)",
        {
            "dice": "Dice",
            "iou": "IoU",
            "concept_map": "concept mAP",
            "concept_f1_micro": "concept F1",
            "caption_bleu1": "BLEU-1",
            "caption_bleu2": "BLEU-2",
            "caption_bleu3": "BLEU-3",
            "caption_bleu4": "BLEU-4",
            "caption_cider": "CIDEr-D",
            "caption_verb": "verb",
            "caption_subject": "subject",
            "dice_double_sigmoid": "Dice (released)",
            "concept_recall_classes": "concept recall (released)",
        },
    ),
}
"""Tables by name."""


def lay_out(
    scores: pd.DataFrame, quoted: pd.DataFrame, layout: Layout, variants: Sequence[str]
) -> pd.DataFrame:
    """One table of texts: a row of chance, a row per prediction and subject, quoted rows.

    Parameters
    ----------
    scores
        All scores, columns as written by the step `table`.
    quoted
        Published figures of this table: `row`, `subject`, `metric`, `value`, `note`.
    variants
        Names of the variants; the references are all others.

    Returns
    -------
    pandas.DataFrame
        Columns variant, subject, one per metric that somebody has, and note.
    """
    metrics = [metric for metric in layout.columns if metric in set(scores["metric"]) | set(quoted["metric"])]
    wanted = scores[scores["metric"].isin(metrics)]
    if not layout.everything:
        wanted = wanted[wanted["variant"].isin([*variants, "chance"])]
    rows = []
    for (variant, subject), group in wanted.groupby(list(FIRST), sort=False):
        figures = zip(group["metric"], group["value"], group["low"], group["high"], strict=True)
        cells = {str(metric): _cell(*found) for metric, *found in figures}
        note = "level of a prediction without information" if variant == "chance" else ""
        rows.append({"variant": variant, "subject": subject, **cells, "note": note})
    for (source, subject, origin), group in quoted.groupby(["row", "subject", "note"], sort=False):
        published = zip(group["metric"], group["value"], strict=True)
        cells = {str(metric): _number(value) for metric, value in published}
        rows.append({"variant": source, "subject": subject, **cells, "note": f"quoted, {origin}"})
    table = pd.DataFrame(rows, columns=[*FIRST, *metrics, "note"]).fillna("")
    return table.rename(columns=layout.columns)


def over_seeds(scores: pd.DataFrame, seeds: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Mean and spread over training seeds.

    Parameters
    ----------
    scores
        All scores.
    seeds
        The variants that differ in their seed only, by the name of the first.

    Returns
    -------
    pandas.DataFrame
        Columns variant, subject, metric, seeds, mean, sd (of a seed, n - 1), lowest, highest.
    """
    rows = []
    for first, names in seeds.items():
        chosen = scores[scores["variant"].isin(names) & scores["value"].notna()]
        for (subject, metric), group in chosen.groupby(["subject", "metric"], sort=False):
            values = group["value"].astype(float)
            facts = {"variant": first, "subject": subject, "metric": metric, "seeds": len(values)}
            facts |= {"mean": values.mean(), "sd": values.std(ddof=1)}
            rows.append({**facts, "lowest": values.min(), "highest": values.max()})
    columns = ["variant", "subject", "metric", "seeds", "mean", "sd", "lowest", "highest"]
    return pd.DataFrame(rows, columns=columns)


def definitions(scores: pd.DataFrame, layout: Layout) -> dict[str, str]:
    """What each column means, by its title."""
    known = scores[scores["variant"] != "chance"].drop_duplicates("metric").set_index("metric")["definition"]
    return {title: str(known[metric]) for metric, title in layout.columns.items() if metric in known}


def markdown(table: pd.DataFrame, title: str, meanings: Mapping[str, str]) -> str:
    """A table in Markdown with its title above and the definitions below."""
    lines = [
        f"## {title}",
        "",
        *_markdown_rows(table),
        "",
        "Brackets: 95 % interval over blocks of clips.",
        "",
    ]
    lines += [f"- **{name}**: {text}" for name, text in meanings.items()]
    return "\n".join(lines) + "\n"


def _markdown_rows(table: pd.DataFrame) -> list[str]:
    cells = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in cells]


def latex(table: pd.DataFrame, title: str, meanings: Mapping[str, str]) -> str:
    """A table in LaTeX (package `booktabs`) with its title and the definitions in the caption."""
    said = " ".join(f"{name}: {text}" for name, text in meanings.items())
    rows = [r" & ".join(_escaped(cell) for cell in row) + r" \\" for row in table.astype(str).to_numpy()]
    lines = [
        r"\begin{table*}",
        rf"\caption{{{_escaped(title)}. Brackets: 95 \% interval over blocks of clips. {_escaped(said)}}}",
        rf"\begin{{tabular}}{{ll{'r' * (table.shape[1] - 3)}l}}",
        r"\toprule",
        r" & ".join(_escaped(str(name)) for name in table.columns) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "$": r"\$",
        "|": r"$|$",
    }
    special |= {"^": r"\^{}", "~": r"\~{}", "{": r"\{", "}": r"\}", "<": r"$<$", ">": r"$>$"}
    return "".join(special.get(character, character) for character in text)


def _cell(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return ""
    interval = "" if pd.isna(low) else f" [{_number(low)}, {_number(high)}]"
    return f"{_number(value)}{interval}"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"

"""Protocol `strict`, part two: the measures of the decoded tasks (masks, concepts, captions)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from neurons.evaluate.concepts import average_precision_statistic, counts_statistic, macro_f1_statistic
from neurons.evaluate.masks import best_constant_mask, overlap
from neurons.evaluate.measures import Measure, Statistic, mean_of_clips, mean_of_pairs
from neurons.evaluate.ngrams import LONGEST, bleu_statistic, cider, words
from neurons.evaluate.words import names_object, shares_verb


def mask_measures(
    truth: np.ndarray, probability: np.ndarray, training: np.ndarray, threshold: float
) -> Iterator[Measure]:
    """Measures of masks, with the same for masks that need no brain.

    Parameters
    ----------
    truth
        0 or 1, shape (clips, frames, height, width).
    probability
        Of the same shape.
    training
        True masks of the training clips, shape (training clips, frames, height, width).
    threshold
        Probability from which on a pixel is in the mask.
    """
    wanted, predicted = truth.astype(bool), probability >= threshold
    applies = np.asarray(wanted.any((1, 2, 3)))
    constant = {
        "empty": np.zeros(wanted.shape[1:], dtype=bool),
        "ones": np.ones(wanted.shape[1:], dtype=bool),
        "mean_mask": best_constant_mask(training),
    }
    trivial = overlap(wanted, np.stack(list(constant.values())))
    said = {"dice": "Dice coefficient", "iou": "Intersection over union"}
    for figure, pairs, values in zip(said, overlap(wanted, predicted), trivial, strict=True):
        values = np.where(applies[:, None], values, np.nan)
        best = float(np.nanmean(values, 0).max()) if applies.any() else None
        definition = (
            f"{said[figure]} of masks (probability >= {threshold:g}) pooled over a clip's frames, clips with a key object;"
            " chance: the best constant mask."
        )
        yield mean_of_pairs(figure, "masks", definition, pairs, applies, chance=best)
        for (name, _), value in zip(constant.items(), values.T, strict=True):
            definition = f"{figure} of the constant mask {name.replace('_', ' ')}{_level(name)}."
            yield mean_of_clips(f"{figure}_{name}", "masks", definition, value, higher_is_better=None)
    definition = "Share of pixels left out of the mask, clips without a key object."
    outside = np.where(applies, np.nan, 1 - predicted.mean((1, 2, 3)))
    yield mean_of_clips("mask_specificity", "masks", definition, outside)


def _level(name: str) -> str:
    return " (training masks, at the level best for them)" if name == "mean_mask" else ""


def concept_measures(
    truth: np.ndarray, probability: np.ndarray, training: np.ndarray, threshold: float
) -> Iterator[Measure]:
    """Measures of recognised concepts.

    Parameters
    ----------
    truth
        0 or 1, shape (clips, concepts).
    probability
        Of the same shape.
    training
        Labels of the training clips, shape (training clips, concepts).
    threshold
        Probability from which on a concept is recognised.
    """
    clips = len(truth)
    support = truth.sum(0, dtype=int)
    prevalence = support / clips
    definition = (
        "Mean average precision over concepts that occur; chance: their prevalence (a constant score)."
    )
    mean_prevalence = float(prevalence[support > 0].mean()) if support.any() else None
    statistic = average_precision_statistic(truth, probability)
    yield Measure("concept_map", "concepts", definition, statistic, clips, mean_prevalence)
    recognised = probability >= threshold
    usual = np.broadcast_to(training.mean(0) >= threshold, truth.shape)
    for figure in ("f1", "precision", "recall"):
        definition = (
            f"Micro-averaged {figure} of concepts with probability >= {threshold:g}; chance: the concepts that as"
            " large a share of training clips has."
        )
        chance = _own_value(counts_statistic(truth, usual, figure), clips)
        statistic = counts_statistic(truth, recognised, figure)
        yield Measure(f"concept_{figure}_micro", "concepts", definition, statistic, clips, chance)
    definition = f"F1 of concepts with probability >= {threshold:g}, mean over concepts that occur; chance as for micro."
    chance = _own_value(macro_f1_statistic(truth, usual), clips)
    yield Measure(
        "concept_f1_macro", "concepts", definition, macro_f1_statistic(truth, recognised), clips, chance
    )


def _own_value(statistic: Statistic, clips: int) -> float | None:
    value = float(statistic(np.arange(clips), np.arange(clips)))
    return value if np.isfinite(value) else None


def caption_measures(
    references: Sequence[str],
    nouns: Sequence[str | None],
    subjects: Sequence[str | None],
    hypotheses: Sequence[str],
) -> Iterator[Measure]:
    """Measures of captions.

    Parameters
    ----------
    references
        True captions.
    nouns
        Key objects; None for clips without one.
    subjects
        What the true captions name first; None for captions that name no tag.
    hypotheses
        Decoded captions.
    """
    clips = len(references)
    wanted, said = [words(text) for text in references], [words(text) for text in hypotheses]
    for order in range(1, LONGEST + 1):
        definition = f"Corpus BLEU-{order}, unsmoothed, one reference per clip, lower case without punctuation, in [0, 1]."
        yield Measure(
            f"caption_bleu{order}", "captions", definition, bleu_statistic(wanted, said, order), clips
        )
    definition = "CIDEr-D, document frequencies from the test captions, in [0, 10]."
    yield mean_of_pairs("caption_cider", "captions", definition, cider(wanted, said))
    definition = "Share of clips, of those whose caption has a listed verb, whose decoded caption shares a verb (lemmas)."
    yield mean_of_pairs("caption_verb", "captions", definition, *shares_verb(references, hypotheses))
    definition = "Share of clips whose decoded caption names the key object, by its tag, in the singular."
    yield mean_of_pairs("caption_object", "captions", definition, *names_object(nouns, hypotheses))
    definition = (
        "Share of clips whose decoded caption names the tag that the true caption names first, its subject."
    )
    yield mean_of_pairs("caption_subject", "captions", definition, *names_object(subjects, hypotheses))
    empty = np.array([not text or text == ["none"] for text in said], dtype=float)
    definition = "Number of decoded captions that are empty or 'None'."
    yield Measure(
        "caption_empty", "captions", definition, lambda _, j: empty[j].sum(-1), clips,
        higher_is_better=None, uses_truth=False, per_clip=empty,
    )  # fmt: skip

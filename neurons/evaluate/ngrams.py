"""Captions compared by their n-grams: corpus BLEU (Papineni et al. 2002) and CIDEr-D (Vedantam et al. 2015).

Both need, for each pair of caption and hypothesis, sums over the n-grams that they share. Counts are split into layers
(occurs at least once, twice, ...), for which such sums are products of sparse matrices.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from neurons.evaluate.measures import Statistic

LONGEST = 4
CIDER_SIGMA = 6.0
PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation.replace("-", ""), " "))


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation other than hyphens."""
    return text.lower().translate(PUNCTUATION).split()


def count_ngrams(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], length: int
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Counts of n-grams of one length in references and hypotheses, each (texts, n-grams), with the same columns."""
    counted = [
        Counter(zip(*(text[k:] for k in range(length)), strict=False)) for text in (*references, *hypotheses)
    ]
    column = {gram: i for i, gram in enumerate(dict.fromkeys(gram for counts in counted for gram in counts))}
    pointers = np.cumsum([0] + [len(counts) for counts in counted])
    indices = [column[gram] for counts in counted for gram in counts]
    values = [float(value) for counts in counted for value in counts.values()]
    table = sparse.csr_array((values, indices, pointers), shape=(len(counted), len(column)))
    return table[: len(references)], table[len(references) :]


def shared(
    references: sparse.csr_array, hypotheses: sparse.csr_array, weights: sparse.csr_array
) -> np.ndarray:
    """``sum over n-grams of min(count in reference, count in hypothesis) * weight in reference`` for all pairs."""
    total = np.zeros((references.shape[0], hypotheses.shape[0]))
    most = int(min(references.max(), hypotheses.max())) if references.nnz and hypotheses.nnz else 0
    for level in range(1, most + 1):
        total += ((references >= level).multiply(weights) @ (hypotheses >= level).astype(float).T).toarray()
    return total


def bleu_statistic(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], order: int
) -> Statistic:
    """Corpus BLEU with n-grams up to `order`, unsmoothed, one reference per clip, as a statistic of pairings; in [0, 1]."""
    lengths = [np.array([len(text) for text in texts], dtype=float) for texts in (references, hypotheses)]
    matches = []
    for n in range(1, order + 1):
        x, y = count_ngrams(references, hypotheses, n)
        matches.append(shared(x, y, (x > 0).astype(float)))

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        wanted, said = lengths[0][truth].sum(-1), lengths[1][prediction].sum(-1)
        logs = np.zeros(np.shape(said))
        with np.errstate(divide="ignore", invalid="ignore"):
            for n, match in enumerate(matches, start=1):
                possible = np.maximum(lengths[1][prediction] - n + 1, 0).sum(-1)
                logs = logs + np.log(np.where(possible > 0, match[truth, prediction].sum(-1) / possible, 0.0))
            brevity = np.minimum(0.0, 1 - np.where(said > 0, wanted / said, np.inf))
        return np.exp(logs / order + brevity)

    return statistic


def cider(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> np.ndarray:
    """CIDEr-D of all pairs, document frequencies from the references.

    Returns
    -------
    numpy.ndarray
        float64, shape (references, hypotheses), in [0, 10]; the corpus value is the mean over clips. With fewer than
        two references every n-gram has weight 0.
    """
    lengths = [np.array([max(len(text) - 1, 0) for text in texts]) for texts in (references, hypotheses)]
    penalty = np.exp(-((lengths[0][:, None] - lengths[1]) ** 2) / (2 * CIDER_SIGMA**2))
    total = np.zeros(penalty.shape)
    for n in range(1, LONGEST + 1):
        x, y = count_ngrams(references, hypotheses, n)
        rarity = np.log(len(references)) - np.log(np.maximum((x > 0).sum(0), 1))
        x_norm, y_norm = (np.sqrt(counts.multiply(rarity).power(2).sum(1)) for counts in (x, y))
        product = shared(x, y, x.multiply(rarity**2).tocsr())
        norm = x_norm[:, None] * y_norm
        total += np.divide(product, norm, out=np.zeros_like(product), where=norm > 0)
    return 10 * penalty * total / LONGEST

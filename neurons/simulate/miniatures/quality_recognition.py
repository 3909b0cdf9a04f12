"""How good the shipped recognition miniatures are, measured on scenes that training never saw."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    CLIPModel,
    CLIPTokenizer,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
)

from neurons.simulate.captions import caption, parse_caption, verb_phrase
from neurons.simulate.miniatures.augment import degrade, normalise
from neurons.simulate.miniatures.captioner import encode
from neurons.simulate.miniatures.classifiers import FRAME_ATTRIBUTES, VIDEO_ATTRIBUTES, clip_tensor
from neurons.simulate.miniatures.frames import ATTRIBUTES, NO_COLOUR, NO_KIND, ClipPool, partial_caption
from neurons.simulate.vocabulary import OBJECTS, PLACE_PHRASES

Scores = dict[str, float]
BATCH = 64
GALLERY = 100
MID_FRAME = 3
RIDGE = 1e-3


def _batches(count: int) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(count), -(-count // BATCH))


@torch.no_grad()
def image_features(model: CLIPModel, pool: ClipPool) -> tuple[Tensor, Tensor]:
    """Unit image embeddings (clips, width) of the mid frames, and their normed tokens (clips, 64, width)."""
    embeddings, tokens = [], []
    for chosen in _batches(len(pool)):
        vision = model.vision_model(pixel_values=normalise(clip_tensor(pool, chosen)[:, MID_FRAME]))
        embeddings.append(F.normalize(model.visual_projection(vision.pooler_output), dim=-1))
        tokens.append(model.vision_model.post_layernorm(vision.last_hidden_state[:, 1:]))
    return torch.cat(embeddings), torch.cat(tokens)


@torch.no_grad()
def text_features(model: CLIPModel, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Unit text embeddings, (texts, width)."""
    batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    return F.normalize(model.get_text_features(**batch).pooler_output, dim=-1)


def galleries(pool: ClipPool, count: int, seed: int) -> list[NDArray[np.int64]]:
    """Sets of 100 clips in which no two share kind, colour and place."""
    rng = np.random.default_rng(seed)
    content = pool.labels[:, :3] @ np.array([10_000, 100, 1])
    sets = []
    for _ in range(count):
        order = rng.permutation(len(pool))
        _, first = np.unique(content[order], return_index=True)
        sets.append(rng.permutation(order[first])[:GALLERY])
    return sets


def clip_quality(
    model: CLIPModel, tokenizer: CLIPTokenizer, pool: ClipPool, probes: ClipPool, seed: int
) -> Scores:
    """Retrieval among 100, and linear probes of text embeddings and patch tokens.

    Parameters
    ----------
    model, tokenizer
        The shipped CLIP, float32.
    pool
        New scenes with held-out combinations: everything is judged on these.
    probes
        New scenes with training combinations: linear probes and word centroids are fitted on these.
    seed
        Of the galleries.
    """
    images, tokens = image_features(model, pool)
    joint = F.normalize(model.visual_projection(tokens.mean(1)).detach(), dim=-1)
    texts = {
        "static_caption": [partial_caption(scene, True, False, True, False) for scene in pool.scenes],
        "static_caption_with_others": [
            partial_caption(scene, True, False, True, True) for scene in pool.scenes
        ],
        "full_caption": [caption(scene) for scene in pool.scenes],
    }
    sets = galleries(pool, 10, seed)
    scores: Scores = {}
    for name, written in texts.items():
        embedded = text_features(model, tokenizer, written)
        scores[f"top1_of_100_{name}"] = float(np.mean([_top1(images[s] @ embedded[s].T) for s in sets]))
        if name == "full_caption":
            scores["top1_of_100_image_from_full_caption"] = float(
                np.mean([_top1(embedded[s] @ images[s].T) for s in sets])
            )
            scores["top1_of_100_full_caption_from_token_mean"] = float(
                np.mean([_top1(joint[s] @ embedded[s].T) for s in sets])
            )
    return scores | words_in_text(model, tokenizer, pool, probes) | probe_tokens(model, tokens, pool, probes)


def _top1(similarity: Tensor) -> float:
    return float((similarity.argmax(1) == torch.arange(len(similarity))).float().mean())


def words_in_text(model: CLIPModel, tokenizer: CLIPTokenizer, pool: ClipPool, probes: ClipPool) -> Scores:
    """Attributes told by linear probes of text embeddings; cosine of captions that differ in one attribute only."""
    fitted = text_features(model, tokenizer, [caption(scene) for scene in probes.scenes])
    judged = text_features(model, tokenizer, [caption(scene) for scene in pool.scenes])
    scores: Scores = {}
    for column, (name, words) in enumerate(ATTRIBUTES.items()):
        targets = torch.eye(len(words))[torch.from_numpy(probes.labels[:, column])]
        found = ridge_probe(fitted, targets, judged).argmax(1).numpy()
        scores[f"text_probe_{name}"] = float((found == pool.labels[:, column]).mean())
    product = itertools.product(*(range(len(words)) for words in ATTRIBUTES.values()))
    grid = [[words[i] for words, i in zip(ATTRIBUTES.values(), index, strict=True)] for index in product]
    written = [f"a {c} {k} {verb_phrase(k, m)} {PLACE_PHRASES[p]}" for k, c, p, m in grid]
    embedded = text_features(model, tokenizer, written).view(*(len(w) for w in ATTRIBUTES.values()), -1)
    for axis, name in enumerate(ATTRIBUTES):
        groups = embedded.movedim(axis, -2)
        different = ~torch.eye(groups.shape[-2], dtype=torch.bool)
        scores[f"cosine_of_texts_differing_in_{name}_only"] = float(
            (groups @ groups.mT)[..., different].mean()
        )
    return scores


def ridge_probe(fitted: Tensor, targets: Tensor, judged: Tensor) -> Tensor:
    """Linear prediction of targets (n, words) from features (n, width), with a constant, for (..., width)."""
    features = torch.cat([fitted, torch.ones(len(fitted), 1)], dim=1).double()
    spread = float(fitted.var(0).mean())
    gram = features.T @ features / len(features) + RIDGE * spread * torch.eye(features.shape[1]).double()
    weights = torch.linalg.solve(gram, features.T @ targets.double() / len(features)).float()
    return judged @ weights[:-1] + weights[-1]


def probe_tokens(model: CLIPModel, tokens: Tensor, pool: ClipPool, probes: ClipPool) -> Scores:
    """Ridge probes of single patch tokens: kind and colour of covered patches, mask of the main item."""
    _, fitted = image_features(model, probes)

    def accuracy(codes: NDArray[np.uint8], true: NDArray[np.uint8], none: int) -> float:
        covered = torch.from_numpy(codes != none)
        targets = torch.eye(none)[torch.from_numpy(codes).long()[covered]]
        found = ridge_probe(fitted[covered], targets, tokens).argmax(-1).numpy()
        return float((found == true)[true != none].mean())

    coverage = torch.from_numpy(probes.token_coverage[:, MID_FRAME]).flatten()[:, None]
    mask = ridge_probe(fitted.flatten(0, 1), coverage, tokens)[..., 0].numpy() > 0.5
    true_mask = pool.token_coverage[:, MID_FRAME] > 0.5
    kinds, true_kinds = probes.token_kind[:, MID_FRAME], pool.token_kind[:, MID_FRAME]
    colours, true_colours = probes.token_colour[:, MID_FRAME], pool.token_colour[:, MID_FRAME]
    return {
        "token_probe_kind": accuracy(kinds, true_kinds, NO_KIND),
        "token_probe_colour": accuracy(colours, true_colours, NO_COLOUR),
        "token_probe_mask_iou": float((mask & true_mask).sum() / (mask | true_mask).sum()),
    }


def _accuracies(predicted: NDArray[np.int64], names: Sequence[str], pool: ClipPool) -> Scores:
    columns = [list(ATTRIBUTES).index(name) for name in names]
    sizes = [len(ATTRIBUTES[name]) for name in names]
    right = np.stack(np.unravel_index(predicted, sizes), axis=1) == pool.labels[:, columns]
    scores = {name: float(right[:, i].mean()) for i, name in enumerate(names)}
    return scores | {"joint": float(right.all(1).mean())}


@torch.no_grad()
def frame_classifier_quality(model: ViTForImageClassification, pool: ClipPool, seed: int | None) -> Scores:
    """Accuracy on the mid frames per attribute and joint; `seed` degrades the frames as training did."""
    frames = clip_tensor(pool, np.arange(len(pool)))[:, MID_FRAME][:, None]
    if seed is not None:
        frames = degrade(frames, torch.Generator().manual_seed(seed))
    pixels = normalise(frames[:, 0])
    predicted = np.concatenate(
        [model(pixels[chosen]).logits.argmax(1).numpy() for chosen in _batches(len(pool))]
    )
    return _accuracies(predicted, FRAME_ATTRIBUTES, pool)


@torch.no_grad()
def video_classifier_quality(
    model: VideoMAEForVideoClassification, pool: ClipPool, seed: int | None
) -> Scores:
    """Accuracy on whole clips per attribute and joint; `seed` degrades the clips as training did."""
    clips = clip_tensor(pool, np.arange(len(pool)))
    if seed is not None:
        clips = degrade(clips, torch.Generator().manual_seed(seed))
    predicted = np.concatenate(
        [model(normalise(clips[chosen])).logits.argmax(1).numpy() for chosen in _batches(len(pool))]
    )
    return _accuracies(predicted, VIDEO_ATTRIBUTES, pool)


@torch.no_grad()
def captioner_quality(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, pool: ClipPool, samples: int, seed: int
) -> Scores:
    """Perplexity per token on captions of new scenes; share of sampled texts that the world could caption."""
    ids, mask, labels = encode(tokenizer, [caption(scene) for scene in pool.scenes])
    loss = float(model(input_ids=ids, attention_mask=mask, labels=labels).loss)
    torch.manual_seed(seed)
    start = torch.full((samples, 1), tokenizer.bos_token_id)
    written = model.generate(
        start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0, max_new_tokens=POSSIBLE_TOKENS
    )
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return {
        "perplexity_per_token": math.exp(loss),
        "grammatical_share": float(np.mean([is_caption(text) for text in texts])),
        "distinct_share": len(set(texts)) / len(texts),
    }


POSSIBLE_TOKENS = 30
_NOUN = rf"(?:an apple|a (?:{'|'.join(kind for kind in OBJECTS if kind != 'apple')}))"
_OTHERS = re.compile(rf"^ near ({_NOUN})(?: and ({_NOUN}))?$")


def is_caption(text: str) -> bool:
    """Whether some scene of the world has exactly this caption."""
    said = parse_caption(text)
    kind, colour, place, motion = said["kind"], said["colour"], said["place"], said["motion"]
    if kind is None or colour is None or place is None or motion is None:
        return False
    about_main = f"a {colour} {kind} {verb_phrase(kind, motion)} {PLACE_PHRASES[place]}"
    if not text.startswith(about_main):
        return False
    rest = text.removeprefix(about_main)
    if not rest:
        return True
    match = _OTHERS.match(rest)
    if match is None:
        return False
    nouns = [noun.split()[1] for noun in match.groups() if noun is not None]
    return kind not in nouns and len(set(nouns)) == len(nouns)

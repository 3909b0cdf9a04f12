"""The step that converts published checkpoints; needed once, by hand, not in the workflow."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoTokenizer

from neurons.artifacts import InputError, Provenance, TensorFile, provenance, write_json, write_tensors
from neurons.console import logger
from neurons.loading import load_pretrained
from neurons.published.convert import TEXT_PROJECTION, Converted, convert
from neurons.published.decoupler import CLIP_END
from neurons.published.keys import shown
from neurons.published.store import arrays, read_checkpoint, save_published
from neurons.published.text_projection import text_projection
from neurons.sections import Model

LAST_PROJECTOR = "projector.8.bias"
"""Its length is the number of channels of image tokens."""


def import_checkpoint(
    *,
    checkpoint: Path,
    output: Path,
    responses: Path | None = None,
    tokenizer: Model | None = None,
    projection: Path | None = None,
    mask_size_px: int = 224,
    frame_size_px: int = 224,
) -> None:
    """Convert a released checkpoint of MindEye2 or NEURONS; `import.json` says what became of every key.

    A NEURONS checkpoint (``brain_model_prior_last.pth``) with RESPONSES and TOKENIZER becomes ``brain_model.safetensors``
    and ``decoupler.safetensors``, which `reconstruct decode` reads. Any other (MindEye2's ``last.pth``, NEURONS' first
    stage, or without responses) becomes ``start.safetensors``, which training starts from (`pretrain.released`,
    `decouple.released_prior`).

    Parameters
    ----------
    checkpoint
        The file as published, or its weights as safetensors. Read without running code from it.
    output
        Folder to write to.
    responses
        Responses of the checkpoint's subject on its own voxels (from `preprocess gather-train`, released arrays); the brain
        model is bound to them.
    tokenizer
        CLIP's tokenizer, in whose vocabulary the released describer writes (the folder of `embed.clip`).
    projection
        Released projection of image tokens to text (``coco_tokens_avg_proj.pth``), which MindEye2's checkpoint lacks: it
        becomes part of the start.
    mask_size_px
        Height and width that masks are brought to.
    frame_size_px
        Height and width of the study's frames; latents have an eighth of it.

    Raises
    ------
    InputError
        If the file cannot be read safely, a key is unknown or missing, a shape does not fit, or the responses have another
        number of voxels.
    """
    if frame_size_px % 8:
        raise InputError(f"frames of {frame_size_px} px have no latents of an eighth of their size")
    state = read_checkpoint(checkpoint)
    converted = convert(state, mask_size_px, frame_size_px // 8)
    start, absent = converted.start, converted.absent
    if projection is not None:
        start |= _projection(projection, converted)
        absent = tuple(part for part in absent if part != TEXT_PROJECTION)
    given = {"checkpoint": checkpoint, "responses": responses, "projection": projection}
    inputs = {role: path for role, path in given.items() if path is not None}
    made_by = provenance(
        "pretrain import-checkpoint", inputs, {"mask_size_px": mask_size_px, "frame_size_px": frame_size_px}
    )
    output.mkdir(parents=True, exist_ok=True)
    if responses is None or converted.decoupler is None:
        path = output / "start.safetensors"
        write_tensors(path, arrays(start), made_by, kind=converted.translation.kind)
        files = [path]
    else:
        files = _write_models(output, converted, responses, tokenizer, made_by)
    _report(output / "import.json", converted, absent, len(state), files, made_by)


def _projection(path: Path, converted: Converted) -> dict[str, Tensor]:
    if TEXT_PROJECTION not in converted.absent:
        raise InputError(
            f"the checkpoint ({converted.translation.kind}) has its own text projection; leave out {path}"
        )
    return text_projection(path, len(converted.translation.brain[LAST_PROJECTOR]))


def _write_models(
    output: Path, converted: Converted, responses: Path, tokenizer: Model | None, made_by: Provenance
) -> list[Path]:
    if converted.brain is None or converted.decoupler is None or tokenizer is None:
        raise InputError("the describer writes in CLIP's vocabulary: name the folder of its --tokenizer.path")
    facts = _facts(responses, converted.brain.vertices)
    text = _clip_tokenizer(tokenizer)
    brain_model, decoupler = output / "brain_model.safetensors", output / "decoupler.safetensors"
    sizes = converted.brain
    weights = arrays(converted.translation.brain)
    weights["token_mean"] = np.zeros((sizes.frames, sizes.tokens, sizes.channels), np.float32)
    weights["token_scale"] = np.ones((), np.float32)
    write_tensors(
        brain_model,
        weights,
        made_by,
        sizes=asdict(sizes),
        window_tr=[0],
        target="frame",
        variant="released",
        **facts,
    )
    save_published(
        decoupler,
        converted.translation.decoupler,
        converted.decoupler,
        text,
        made_by,
        brain_model=TensorFile(brain_model).metadata["content_hash"],
        prior_steps=converted.decoupler.prior["levels"],
        variant="released",
        **facts,
    )
    return [brain_model, decoupler]


def _facts(responses: Path, vertices: int) -> dict[str, Any]:
    file = TensorFile(responses)
    found = file["responses"].shape[-1]
    if found != vertices:
        raise InputError(
            f"{responses} has {found} vertices, the checkpoint's ridge reads {vertices}. Its voxels are those of the "
            "arrays released with it (config/released.yaml): of the same subject, all of them (preprocess.selection.by: all)"
        )
    return {key: file.metadata[key] for key in ("subject", "vertex_hash")}


def _clip_tokenizer(reference: Model) -> str:
    tokenizer = load_pretrained(AutoTokenizer, reference, "--tokenizer")
    if not tokenizer.is_fast or tokenizer.eos_token_id != CLIP_END:
        raise InputError(
            f"{reference.path}: the tokenizer ends texts with token {tokenizer.eos_token_id}; the describer writes in the "
            f"vocabulary of OpenAI's CLIP, which ends them with {CLIP_END}"
        )
    return tokenizer.backend_tokenizer.to_str()


def _report(
    path: Path,
    converted: Converted,
    absent: tuple[str, ...],
    count: int,
    files: list[Path],
    made_by: Provenance,
) -> None:
    left_out = converted.translation.left_out
    unused = sum(len(keys) for keys in left_out.values())
    content = {
        "checkpoint": converted.translation.kind,
        "weights": count,
        "mapped": count - unused,
        "left out": {reason: sorted(keys) for reason, keys in left_out.items()},
        "not in this kind of checkpoint": list(absent),
        "written": [file.name for file in files],
    }
    write_json(path, content, made_by)
    logger.info("%s: %d of %d weights mapped", content["checkpoint"], count - unused, count)
    for reason, keys in left_out.items():
        logger.info("left out %d: %s (%s)", len(keys), reason, shown(sorted(keys)))
    if absent:
        logger.info("not in this kind of checkpoint: %s", ", ".join(absent))
    for file in files:
        logger.info("written: %s", file)

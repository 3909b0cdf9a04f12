"""The steps of `reconstruct` that run no model: oracle (the truth as if it had been decoded) and gather."""

from __future__ import annotations

from pathlib import Path

from neurons.artifacts import TensorFile, provenance, write_table, write_tensors
from neurons.reconstruct.collect import collect
from neurons.reconstruct.oracle import true_outputs
from neurons.reconstruct.prompts import decoded_table
from neurons.reconstruct.settings import Reconstruct


def oracle(
    *,
    annotation: list[Path],
    labels: list[Path],
    image_tokens: list[Path],
    latents: list[Path],
    text: list[Path],
    settings: Reconstruct,
    output: Path,
    table: Path,
) -> None:
    """Write the truth in the place of decoded outputs: what perfect decoding would give.

    Parameters
    ----------
    annotation
        Annotation of each test movie (from `annotate clips`).
    labels
        Concepts and masks of each test movie (from `annotate clips`).
    image_tokens
        Image tokens of each test movie (from `embed images`); those of the middle frame are taken.
    latents
        Latents of each test movie (from `embed latents`).
    text
        Caption embeddings of each test movie (from `embed captions`).
    settings
        Section `reconstruct`; this step uses concept_threshold, prompt_caption and prompt_concepts.
    output
        Output: tensors, as `decode` writes them.
    table
        Output: caption, concepts and prompt of each clip, as `decode` writes it.
    """
    made_by = provenance(
        "reconstruct oracle",
        {
            "annotation": annotation,
            "labels": labels,
            "image_tokens": image_tokens,
            "latents": latents,
            "text": text,
        },
        settings.model_dump(mode="json", include={"concept_threshold", "prompt_caption", "prompt_concepts"}),
    )
    truth = true_outputs(annotation, labels, image_tokens, latents, text)
    write_tensors(output, truth.tensors, made_by, truth.clip_ids, subject="truth", variant="oracle")
    rows = decoded_table(
        truth.clip_ids,
        truth.captions,
        truth.tensors["concepts"],
        settings,
        truth.key_concepts,
    )
    write_table(table, rows, made_by)


def gather(*, manifests: list[Path], decoded: Path, clips: Path, output: Path, samples: Path) -> None:
    """Gather the videos of all chunks into one file, in the order of the decoded clips.

    Parameters
    ----------
    manifests
        From `videos`, one per chunk.
    decoded
        From `decode` or `oracle`: which clips there must be.
    clips
        Folder of the clips' folders.
    output
        Output: video and blurry video of every clip, lossless.
    samples
        Output: table of the samples of every clip: seed, score, which one is shown, and how far they lie apart.
    """
    wanted = TensorFile(decoded).clip_ids
    collected = collect(manifests, wanted, clips)
    made_by = provenance("reconstruct gather", {"manifests": manifests, "decoded": decoded})
    tensors = {"frames": collected.frames, "blurry": collected.blurry}
    write_tensors(output, tensors, made_by, wanted, frame_time_s=collected.frame_time_s)
    write_table(samples, collected.samples, made_by)

"""The steps of `reconstruct` that run models: decode, control, videos in chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.artifacts import TensorFile, provenance, write_table, write_tensors
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.embed.settings import Embed
from neurons.pretrain.store import check_vertices
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.controls import control_images
from neurons.reconstruct.decode import Decoder
from neurons.reconstruct.prompts import decoded_table
from neurons.reconstruct.render import DECIDING, Studio, render_chunk
from neurons.reconstruct.settings import Reconstruct
from neurons.sections import Model


def decode(
    *,
    subject: str,
    variant: str,
    responses: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    settings: Reconstruct,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    output: Path,
    table: Path,
) -> None:
    """Decode the test responses of a subject: masks, concepts, descriptions, blurry videos, image tokens, text.

    Parameters
    ----------
    subject
        Subject of the responses.
    variant
        Name of the variant of the models.
    responses
        Test responses of the subject, averaged over repeats (from `preprocess gather-test`).
    brain_model
        Weights from `pretrain fit`.
    decoupler
        Weights from `decouple fit`.
    concepts
        CLIP text features of the concept names (from `embed concepts`).
    settings
        Section `reconstruct`; this step uses seed, concept_threshold, prompt_caption, prompt_concepts and batch_size.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    output
        Output: decoded tensors.
    table
        Output: caption, concepts and prompt of each clip.
    """
    use_threads(threads)
    place = choose_device(device)
    made_by = provenance(
        "reconstruct decode",
        {"responses": responses, "brain_model": brain_model, "decoupler": decoupler, "concepts": concepts},
        {
            "subject": subject,
            "variant": variant,
            **_used(settings, "seed", "concept_threshold", "prompt_caption", "prompt_concepts"),
        },
        settings.seed,
    )
    decoder = Decoder.load(brain_model, decoupler, concepts, place)
    file = TensorFile(responses)
    check_vertices(decoder.facts, file, brain_model)
    clips, dtype = file.clip_ids, choose_dtype(precision, place)
    decoded = decoder.decode(np.array(file["responses"]), clips, clips, settings, dtype, str(responses))
    write_tensors(output, decoded.tensors, made_by, decoded.clip_ids, subject=subject, variant=variant)
    rows = decoded_table(decoded.clip_ids, decoded.captions, decoded.tensors["concepts"], settings)
    write_table(table, rows, made_by)


def control(
    *,
    decoded: Path,
    settings: Reconstruct,
    vae: Model,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Make the control image of each clip from its image tokens (unCLIP), and from the blurry video's middle frame.

    Parameters
    ----------
    decoded
        From `decode` or `oracle`.
    settings
        Section `reconstruct`; this step uses seed, control and batch_size.
    vae
        The study's autoencoder: of the blurry video, and of unCLIP unless `control.vae` names another.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    output
        Output: images.
    """
    use_threads(threads)
    place = choose_device(device)
    file = TensorFile(decoded)
    clips = file.clip_ids
    made_by = provenance(
        "reconstruct control",
        {"decoded": decoded},
        {**_used(settings, "seed", "control"), "vae": vae.model_dump()},
        settings.seed,
    )
    images = control_images(
        file["image_tokens"], file["latents"], clips, settings, vae, place, choose_dtype(precision, place)
    )
    write_tensors(output, {"images": images}, made_by, clips)


def videos(
    *,
    decoded: Path,
    table: Path,
    control: Path,
    chunk: int,
    chunks: int,
    settings: Reconstruct,
    vae: Model,
    embed: Embed,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    clips: Path,
    manifest: Path,
    clip_s: float = 2.0,
    phase: float = 0.5,
) -> None:
    """Make the videos of one chunk of clips; folders that an earlier run finished are kept.

    Parameters
    ----------
    decoded
        From `decode` or `oracle`.
    table
        Captions and prompts, from the same step.
    control
        Control images (from `control`).
    chunk
        Which chunk, counted from 0.
    chunks
        Number of chunks that the clips are divided into.
    settings
        Section `reconstruct`; this step uses seed, mask_space, mask_floor, video, samples_per_clip and batch_size.
    vae
        Autoencoder of the blurry videos and the video model.
    embed
        Section `embed`; this step uses clip and clip_input_range, to choose between several samples of a clip.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    clips
        Folder of the clips' folders.
    manifest
        Output: clip, folder and hash of the chunk's clips.
    clip_s
        Length of a clip, in s.
    phase
        Where in their intervals the cut frames lie (`cut.phase`).
    """
    use_threads(threads)
    place = choose_device(device)
    studio = Studio(settings, vae, embed, ClipTiming(clip_s, phase), place, choose_dtype(precision, place))
    work = ChunkOfClips.read(decoded, table, control, chunk, chunks)
    rows = render_chunk(work, clips, studio)
    parameters = _used(settings, *DECIDING)
    made_by = provenance(
        "reconstruct videos",
        {"decoded": decoded, "table": table, "control": control},
        {**parameters, "chunk": chunk, "chunks": chunks},
        settings.seed,
    )
    write_table(manifest, rows, made_by)


def _used(settings: Reconstruct, *names: str) -> dict[str, object]:
    return settings.model_dump(mode="json", include=set(names))

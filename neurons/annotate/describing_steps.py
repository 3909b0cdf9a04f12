"""Step `describe` of the stage `annotate`: a vision-language model says what frames show."""

from __future__ import annotations

from pathlib import Path

from neurons.annotate.captioner import Captioner, Prompts
from neurons.annotate.concepts import CONCEPTS
from neurons.annotate.describe import describe as describe_frames
from neurons.annotate.describe import table_of
from neurons.annotate.kept import Kept
from neurons.annotate.server import ServerCaptioner, read_address, read_key
from neurons.annotate.settings import Annotate
from neurons.artifacts import InputError, TensorFile, provenance, write_table
from neurons.console import logger
from neurons.devices import choose_device, choose_dtype, use_threads


def describe(
    *,
    frames: Path,
    question: Path,
    repair: Path,
    settings: Annotate,
    clip_s: float,
    kept: Path,
    descriptions: Path,
    failures: Path,
    batch_size: int = 8,
    concurrency: int = 32,
    timeout_s: int = 120,
    attempts: int = 8,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """Ask a vision-language model for caption, nouns and their concepts of each frame or clip of a movie.

    Frames that are equal are asked once. Answers are kept as they come, and a step that was killed goes on after the last.

    Parameters
    ----------
    frames
        Frames of the stage `cut`.
    question, repair
        Prompts: the question, and the reply to a malformed answer.
    settings
        Section `annotate` of the configuration, without what other steps use.
    clip_s
        Length of a clip, in s.
    kept
        File of answers so far; removed once the descriptions are written.
    descriptions
        One row per frame or clip: status, caption, tags, the model's concepts, its answers word for word (written,
        Parquet).
    failures
        The rows whose answers stayed malformed, with the problem (written, TSV; empty if none did).
    batch_size
        Requests at once to a model on this machine.
    concurrency, timeout_s, attempts
        Requests at once to a server, longest wait for an answer, tries of a request.
    device
        Where the model runs: auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.

    Raises
    ------
    InputError
        If the model cannot be loaded or reached, refuses, or lacks memory.
    """
    file = TensorFile(frames)
    pictures = file["frames"]
    prompts = read_prompts(question, repair, pictures.shape[1], clip_s)
    paced = _paced(settings, batch_size, concurrency, timeout_s, attempts)
    captioner = _captioner(paced, device, precision, threads)
    with Kept(kept) as answers:
        said = describe_frames(pictures, settings.per, prompts, captioner, answers)
        table = table_of(said, file.clip_ids)
        failed = table.loc[table["status"] == "failed"]
        if len(failed):
            logger.warning(
                "%d of %d answers stayed malformed (see %s); the first, of %s: %s",
                len(failed), len(table), failures.name, failed["clip"].iloc[0], failed["problem"].iloc[0],
            )  # fmt: skip
        made_by = provenance(
            "annotate describe",
            {"frames": frames, "question": question, "repair": repair},
            {**captioner.identity(), "per": settings.per, "clip_s": clip_s},
        )
        write_table(failures, failed[["clip", "frame", "problem"]], made_by)
        write_table(descriptions, table, made_by)
        answers.discard()


def read_prompts(question: Path, repair: Path, frames_per_clip: int, clip_s: float) -> Prompts:
    """The prompts, with the facts of the study put in.

    Raises
    ------
    InputError
        If a prompt is missing or lacks a placeholder that it needs.
    """
    texts = {}
    for path, needed in ((question, "{concepts}"), (repair, "{problem}")):
        try:
            texts[path] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the prompt {path} (annotate.prompt) cannot be read: {error}") from error
        if needed not in texts[path]:
            raise InputError(f"the prompt {path} lacks the placeholder {needed}")
    facts = {"concepts": ", ".join(CONCEPTS), "frames": str(frames_per_clip), "seconds": f"{clip_s:g}"}
    asked = texts[question]
    for name, value in facts.items():
        asked = asked.replace(f"{{{name}}}", value)
    return Prompts(asked.strip(), texts[repair].strip())


def _paced(settings: Annotate, batch_size: int, concurrency: int, timeout_s: int, attempts: int) -> Annotate:
    pace = {"concurrency": concurrency, "timeout_s": timeout_s, "attempts": attempts}
    return settings.model_copy(
        update={
            "qwen": settings.qwen.model_copy(update={"batch_size": batch_size}),
            "openai": settings.openai.model_copy(update=pace),
        }
    )


def _captioner(settings: Annotate, device: str, precision: str, threads: int) -> Captioner:
    if settings.backend == "openai":
        server = settings.openai
        return ServerCaptioner(server, read_address(server.base_url), read_key(server.key_variable))
    if settings.backend == "qwen":
        from neurons.annotate.qwen import QwenCaptioner

        use_threads(threads)
        place = choose_device(device)
        return QwenCaptioner(settings.qwen, place, choose_dtype(precision, place))
    raise InputError("annotate.backend is `table`: there is no model to ask")

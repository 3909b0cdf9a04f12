"""The steps of `reconstruct` for any run of a subject, called by hand: a clip at a time, or the whole run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from neurons.artifacts import TensorFile, provenance, write_table
from neurons.config import Config
from neurons.console import logger
from neurons.cut.checks import report
from neurons.cut.decode import Sampling, decode
from neurons.cut.sampling import exact
from neurons.reconstruct.any_run import RunClips, clip_at, clips_of_run
from neurons.reconstruct.emphasis import resize
from neurons.reconstruct.render import levels, render_chunk
from neurons.reconstruct.session import Session
from neurons.video import write_mp4

GAP_PX = 4


def clip(
    *,
    model: Path,
    bold: Path,
    at: float,
    output: Path,
    onset_s: float = 0.0,
    repetition_time_s: float | None = None,
    confounds: Path | None = None,
    config: list[Path] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """Make the video of what a person saw at one time of a run.

    The response is read from the selected vertices of the subject, one delay (`preprocess.hemodynamic_delay_s`) later,
    after detrending and standardising over the run as in training.

    Parameters
    ----------
    model
        Folder of the subject's variant in a finished study: ``results/<study>/reconstruct/<variant>/<subject>``.
    bold
        Run of that subject: CIFTI time series, or NIfTI volumes if the study has those.
    at
        When the clip begins, in s after the scan began, or in movie time if `onset_s` is given.
    output
        Folder in which the clip's folder ``<run>_<index>`` is made.
    onset_s
        Movie time at which the scan began, in s.
    repetition_time_s
        Time between volumes, in s; needed if header and study differ.
    confounds
        Confounds table of the run, if the study regresses out confounds.
    config
        Configuration files of the study, merged into config/config.yaml.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    session = Session.open(
        model, bold, onset_s, repetition_time_s, confounds, config or [], (device, precision, threads)
    )
    clips = clips_of_run(session.name, session.reading, session.volumes, at)
    wanted = clip_at(clips, session.reading, session.volumes, at)
    work = session.work(clips, [wanted])
    made = render_chunk(work, output, session.studio())
    logger.info("%s: %s", output / made["folder"].iloc[0] / "video.mp4", work.captions[0])


def run(
    *,
    model: Path,
    bold: Path,
    output: Path,
    movie: Path | None = None,
    onset_s: float = 0.0,
    repetition_time_s: float | None = None,
    confounds: Path | None = None,
    config: list[Path] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """Make one long video of a whole run, with the movie beside it if it is given; finished clips are kept on a rerun.

    Parameters
    ----------
    model
        Folder of the subject's variant in a finished study: ``results/<study>/reconstruct/<variant>/<subject>``.
    bold
        Run of that subject: CIFTI time series, or NIfTI volumes if the study has those.
    output
        Folder of ``video.mp4``, ``beside.mp4`` (the movie left, the reconstruction right), ``clips.tsv`` and ``clips``.
    movie
        What was shown; only its own clips are reconstructed then, and the run is standardised over them, as in training.
    onset_s
        Movie time at which the scan began, in s.
    repetition_time_s
        Time between volumes, in s; needed if header and study differ.
    confounds
        Confounds table of the run, if the study regresses out confounds.
    config
        Configuration files of the study, merged into config/config.yaml.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    session = Session.open(
        model, bold, onset_s, repetition_time_s, confounds, config or [], (device, precision, threads)
    )
    clips = clips_of_run(session.name, session.reading, session.volumes)
    truth = None if movie is None else movie_frames(movie, session.config)
    if truth is not None:
        clips = _within(clips, truth, session)
    work = session.work(clips, clips.clip_ids)
    made = render_chunk(work, output / "clips", session.studio())
    frames = np.concatenate(
        [
            np.array(TensorFile(output / "clips" / folder / "frames.safetensors")["frames"])
            for folder in made["folder"]
        ]
    )
    rate = session.config.reconstruct.video.frames / session.config.study.clip_s
    write_mp4(output / "video.mp4", frames, rate)
    if truth is not None:
        first = round(clips.starts_s[0] / session.config.study.clip_s)
        shown = truth[first : first + len(clips.clip_ids)].reshape(-1, *truth.shape[2:])
        write_mp4(output / "beside.mp4", side_by_side(shown, frames), rate)
    table = made.assign(start_s=clips.starts_s, caption=work.captions)
    inputs = {"bold": bold, "brain_model": session.model.brain_model, "decoupler": session.model.decoupler}
    write_table(output / "clips.tsv", table, provenance("reconstruct run", inputs, {"onset_s": onset_s}))
    logger.info("%s: %d clips", output / "video.mp4", len(table))


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Videos (T, H, W, 3) beside each other with a white gap, the left one at the right one's size."""
    if left.shape[1:3] != right.shape[1:3]:
        pictures = torch.from_numpy(left).movedim(-1, 1).float() / 255
        left = levels(resize(pictures, (right.shape[1], right.shape[2])).clamp(0, 1))
    gap = np.full((*right.shape[:2], GAP_PX, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=2)


def movie_frames(movie: Path, config: Config) -> np.ndarray:
    """Frames of a movie at the times of the video's frames, uint8 (clips, T, H, W, 3)."""
    video = config.reconstruct.video
    size = video.frame_size_px or config.cut.frame_size_px
    sampling = Sampling(exact(config.study.clip_s), video.frames, Fraction(1, 2), size, config.cut.fit)
    decoded = decode(movie, sampling)
    report(movie, decoded.findings)
    return decoded.chosen.frames


def _within(clips: RunClips, truth: np.ndarray, session: Session) -> RunClips:
    """Those clips that the movie has."""
    clip_s = session.config.study.clip_s
    inside = [index for index, start in enumerate(clips.starts_s) if round(start / clip_s) < len(truth)]
    if len(inside) < len(truth):
        logger.warning("the scan holds the responses to %d of the movie's %d clips", len(inside), len(truth))
    return RunClips([clips.clip_ids[index] for index in inside], clips.starts_s[inside])

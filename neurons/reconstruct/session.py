"""A run of a subject, opened for decoding with the models of a finished study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neurons.config import Config
from neurons.config_files import load_files
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.any_run import Reading, RunClips, check_repetition_time, responses_of_run
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.controls import control_images
from neurons.reconstruct.decode import Decoder
from neurons.reconstruct.render import Studio
from neurons.reconstruct.trained_models import VariantFolder, clean_courses, run_name


@dataclass(frozen=True)
class Session:
    """An opened run: its courses, how it is read, and the models."""

    config: Config
    model: VariantFolder
    name: str
    courses: np.ndarray
    reading: Reading
    place: torch.device
    dtype: torch.dtype

    @classmethod
    def open(
        cls,
        model: Path,
        bold: Path,
        onset_s: float,
        repetition_time_s: float | None,
        confounds: Path | None,
        config: list[Path],
        where: tuple[str, str, int],
    ) -> Session:
        """Read the run and check it against the study."""
        device, precision, threads = where
        use_threads(threads)
        place = choose_device(device)
        folder = VariantFolder(model)
        settings = load_files(config).variant(folder.variant)
        run = folder.open(bold, settings)
        step_s = check_repetition_time(
            run.repetition_time_s, settings.study.repetition_time_s, repetition_time_s
        )
        preprocess = settings.preprocess
        reading = Reading(
            settings.study.clip_s, preprocess.hemodynamic_delay_s, step_s, onset_s, preprocess.detrend_order
        )
        courses = clean_courses(run, confounds, settings)
        return cls(settings, folder, run_name(bold), courses, reading, place, choose_dtype(precision, place))

    @property
    def volumes(self) -> int:
        """Number of volumes."""
        return self.courses.shape[1]

    def work(self, clips: RunClips, wanted: list[str]) -> ChunkOfClips:
        """Decode clips, and make their control images."""
        settings = self.config.reconstruct
        decoder = Decoder.load(self.model.brain_model, self.model.decoupler, self.model.concepts, self.place)
        responses = responses_of_run(self.courses, self.model.vertices(decoder), clips, self.reading)
        decoded = decoder.decode(responses, clips.clip_ids, wanted, settings, self.dtype, self.name)
        tensors = decoded.tensors
        controls = control_images(
            tensors["image_tokens"], tensors["latents"], wanted, settings, self.config.embed.vae, self.place, self.dtype
        )  # fmt: skip
        return ChunkOfClips.of(decoded, controls, settings)

    def studio(self) -> Studio:
        """What videos are made with."""
        config = self.config
        timing = ClipTiming(config.study.clip_s, config.cut.phase)
        return Studio(config.reconstruct, config.embed.vae, config.embed, timing, self.place, self.dtype)

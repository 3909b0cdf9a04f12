"""Sound files, small but real, that the cases break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import nibabel
import numpy as np
import pandas as pd
from nibabel.cifti2 import SeriesAxis

from neurons.artifacts import provenance, write_table
from neurons.cut import steps as cut
from neurons.cut.settings import Cut
from neurons.preprocess import atlas, steps
from neurons.preprocess.images import open_volume_run
from neurons.preprocess.locations import cortex_locations, voxel_locations
from neurons.preprocess.settings import Preprocess
from neurons.simulate.cortex import grayordinate_axis

CLIPS = 16
VOLUMES = CLIPS + 5
"""A scan that began 2 s after a movie of 32 s, with 12 s after its end, as in cc2017."""


def bold(folder: Path, seed: int = 0, name: str = "seg1_1_Atlas.dtseries.nii", step_s: float = 2.0) -> Path:
    """A CIFTI run of noise on the 91,282 grayordinates."""
    random = np.random.default_rng(seed)
    data = 10_000 + 100 * random.standard_normal((VOLUMES, atlas.GRAYORDINATES), dtype=np.float32)
    return cifti(folder / name, data, grayordinate_axis(), step_s)


def cifti(path: Path, data: np.ndarray, axis: nibabel.cifti2.BrainModelAxis, step_s: float = 2.0) -> Path:
    """A CIFTI run of given data."""
    series = SeriesAxis(0, step_s, len(data), "SECOND")
    nibabel.save(nibabel.Cifti2Image(data.astype(np.float32), header=(series, axis)), path)
    return path


def change(path: Path, edit: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Change the numbers of a run."""
    image = nibabel.load(path)
    return cifti(path, edit(np.asarray(image.dataobj).copy()), image.header.get_axis(1))


def clip_table(folder: Path, movie: str = "seg1", clips: int = CLIPS) -> Path:
    """The clip table of a movie."""
    path = folder / f"{movie}.tsv"
    write_table(
        path,
        pd.DataFrame({"clip": [f"{movie}:{index}" for index in range(clips)]}),
        provenance("cut clips", {}),
    )
    return path


def preprocess(folder: Path, path: Path, movie: str = "seg1", repeat: int = 1, **changes: object) -> Path:
    """Preprocess a run."""
    where = folder / "locations.parquet"
    if not where.exists():
        write_table(where, cortex_locations(), provenance("preprocess locations", {}))
    output = folder / f"{movie}_{repeat}.safetensors"
    arguments = {
        "bold": path, "subject": "subject1", "movie": movie, "repeat": repeat, "clips": clip_table(folder, movie),
        "locations": where, "onset_s": 2.0, "clip_s": 2.0, "repetition_time_s": 2.0, "tail_s": 12.0,
        "settings": Preprocess(), "responses": output,
    }  # fmt: skip
    steps.run(**{**arguments, **changes})  # type: ignore[arg-type]
    return output


def volume(folder: Path, ending: str = "nii.gz") -> tuple[Path, pd.DataFrame]:
    """A NIfTI run and the voxels of its mask."""
    random = np.random.default_rng(0)
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), folder / "mask.nii")
    run = nibabel.Nifti1Image(random.standard_normal((4, 4, 4, 30)).astype(np.float32), np.eye(4))
    nibabel.save(run, folder / f"run.{ending}")
    return folder / f"run.{ending}", voxel_locations(folder / "mask.nii", None, None)


def read_volume(path: Path, locations: pd.DataFrame) -> None:
    """Read the time courses of a NIfTI run."""
    open_volume_run(path, locations).series()


def halve(path: Path, share: float = 0.5) -> Path:
    """Cut a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def movie(
    folder: Path,
    frames: int = 120,
    rate: Fraction = Fraction(30),
    times: Sequence[Fraction] | None = None,
    aspect: Fraction | None = None,
    pixel_format: str = "yuv420p",
    rotation: int = 0,
    faststart: bool = False,
    still: Sequence[int] = (),
    dark: Sequence[int] = (),
    interlaced: bool = False,
) -> Path:
    """An H.264 file of moving noise; frames of `still` are grey, those of `dark` are black."""
    random = np.random.default_rng(0)
    path = folder / "seg1.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {}) as container:
        options = {"preset": "ultrafast", "crf": "18"} | ({"flags": "+ilme+ildct"} if interlaced else {})
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = Fraction(1, 600) if times else 1 / rate
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        picture = np.zeros((64, 64, 3), np.uint8)
        for number in range(frames):
            if number in dark:
                picture = np.zeros_like(picture)
            elif number in still:
                picture = np.full_like(picture, 120)
            else:
                picture = np.kron(random.integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round((times[number] if times else number / rate) / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def halting(path: Path) -> Path:
    """A copy, as Matroska, in which every tenth frame has the presentation time of the one before."""
    copy = path.with_suffix(".mkv")
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.pts is not None]
        step = sorted(packet.pts for packet in packets)[1]
        for packet in packets:
            packet.stream = stream
            packet.dts -= step  # must rise, and may not be later than what is shown
            if packet.pts // step % 10 == 9:
                packet.pts -= step
            target.mux(packet)
    return copy


def cut_movie(path: Path) -> None:
    """Cut a movie into clips."""
    folder = path.parent
    cut.clips(
        movie="seg1",
        video=path,
        clip_s=2.0,
        settings=Cut(),
        frames=folder / "frames.safetensors",
        clips=folder / "clips.tsv",
        facts=folder / "video.json",
    )

"""Step `segment` of the stage `annotate`: masks of the nouns that clips are described with."""

from __future__ import annotations

from pathlib import Path

from neurons.annotate.grounded_sam import GroundedSamFinder
from neurons.annotate.kept import Kept
from neurons.annotate.segment import segment as segment_frames
from neurons.annotate.settings import Annotate
from neurons.annotate.sources import caption_files, caption_source, tags_or_none
from neurons.annotate.tracked_masks import write_masks
from neurons.annotate.tracking import track
from neurons.annotate.views import clip_views
from neurons.artifacts import TensorFile, provenance
from neurons.devices import choose_device, use_threads


def segment(
    *,
    movie: str,
    clips: Path,
    frames: Path,
    settings: Annotate,
    kept: Path,
    masks: Path,
    folder: Path | None = None,
    descriptions: Path | None = None,
    batch_size: int = 8,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Find the nouns of each clip in its frames: boxes by GroundingDINO, masks by SAM, instances tracked.

    Frames that are equal are done once. Results are kept as they come, and a step that was killed goes on after the last.

    Parameters
    ----------
    movie
        Name of the movie.
    clips
        Clip table of the stage `cut`.
    frames
        Frames of the stage `cut`.
    settings
        Section `annotate` of the configuration, without what other steps use.
    kept
        File of results so far; removed once the masks are written.
    masks
        Masks as bits, with instance, scores and boxes (written, safetensors).
    folder
        Folder of the `table` back end, if captions are from there.
    descriptions
        Descriptions of the step `describe`, if captions are from there.
    batch_size
        Frames at once.
    device
        Where the models run: auto, cpu, cuda or cuda:<index>; always in float32.
    threads
        CPU threads.

    Raises
    ------
    InputError
        If a model cannot be loaded, or memory is short for a single frame.
    """
    use_threads(threads)
    captions = caption_source(movie, folder, descriptions)
    nouns = [tags_or_none(captions, view) for view in clip_views(clips, frames)]
    file = TensorFile(frames)
    finder = GroundedSamFinder(settings.grounded_sam, choose_device(device))
    identity = finder.identity()
    with Kept(kept) as results:
        found = segment_frames(
            file["frames"], nouns, finder, identity, settings.mask_size_px, batch_size, results
        )
        least = settings.grounded_sam.track_similarity
        tracked = [(detections, track(detections, least)) for detections in found]
        inputs: dict[str, Path | list[Path]] = {
            "clips": clips,
            "frames": frames,
            "captions": caption_files(movie, folder, descriptions),
        }
        parameters = {**identity, "track_similarity": least, "mask_size_px": settings.mask_size_px}
        made_by = provenance("annotate segment", inputs, parameters)
        thresholds = settings.grounded_sam.model_dump(
            mode="json", include={"box_threshold", "overlap", "track_similarity"}
        )
        write_masks(masks, file.clip_ids, tracked, settings.mask_size_px, made_by, **thresholds)
        results.discard()

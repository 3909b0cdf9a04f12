"""From a movie file to key objects with models: every back end, crashes, and what is recorded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurons.annotate import describing_steps, masking_steps, steps
from neurons.annotate.backend import ClipView
from neurons.annotate.descriptions import DescribedClips
from neurons.annotate.grounded_sam import GroundedSamFinder
from neurons.annotate.qwen import QwenCaptioner
from neurons.annotate.settings import Annotate
from neurons.annotate.stored_masks import StoredMasks
from neurons.artifacts import InputError, TensorFile, read_table, write_table
from neurons.cut import steps as cutting
from neurons.cut.settings import Cut
from neurons.video import write_mp4
from tests.annotate.conftest import ANSWER, FRAMES, MADE_BY, PROMPTS, SIZE
from tests.annotate.http_server import KEY, Behaviour, completion, fine


def settings(
    backend: str, qwen: Path | None = None, detector: Path | None = None, sam: Path | None = None, **more: Any
):
    return Annotate.model_validate(
        {
            "backend": backend,
            "mask_size_px": 32,
            "qwen": {"model": {"path": str(qwen)}, "answer_tokens": 40},
            "grounded_sam": {
                "detector": {"path": str(detector)}, "sam": str(sam), "box_threshold": 0.0, "boxes_per_frame": 4,
            },
            **more,
        }
    )  # fmt: skip


def describe(place: Path, chosen: Annotate) -> pd.DataFrame:
    describing_steps.describe(
        frames=place / "frames.safetensors",
        question=PROMPTS / f"{chosen.per}.txt",
        repair=PROMPTS / "repair.txt",
        settings=chosen,
        clip_s=2.0,
        kept=place / "descriptions.kept.jsonl",
        descriptions=place / "descriptions.parquet",
        failures=place / "failures.tsv",
        batch_size=4,
        concurrency=1,
        attempts=2,
        device="cpu",
    )
    assert not (place / "descriptions.kept.jsonl").exists()
    return read_table(place / "descriptions.parquet")


def segment(place: Path, chosen: Annotate, **sources: Path) -> TensorFile:
    masking_steps.segment(
        movie="m",
        clips=place / "clips.tsv",
        frames=place / "frames.safetensors",
        settings=chosen,
        kept=place / "masks.kept.jsonl",
        masks=place / "masks.safetensors",
        device="cpu",
        batch_size=4,
        **sources,
    )
    assert not (place / "masks.kept.jsonl").exists()
    return TensorFile(place / "masks.safetensors")


def join(place: Path, chosen: Annotate, **sources: Path) -> pd.DataFrame:
    steps.clips(
        movie="m",
        clips=place / "clips.tsv",
        frames=place / "frames.safetensors",
        settings=chosen,
        annotation=place / "annotation.parquet",
        labels=place / "labels.safetensors",
        tags=place / "tags.tsv",
        sheet=place / "sheet.png",
        **sources,
    )
    return read_table(place / "annotation.parquet")


@pytest.fixture
def cut_movie(tmp_path: Path) -> Path:
    """A movie file of 4 s, cut into two clips; the second is one still picture."""
    pictures = (
        np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    )
    pictures[20:] = pictures[20]
    write_mp4(tmp_path / "m.mp4", pictures, 10)
    cutting.clips(
        movie="m",
        video=tmp_path / "m.mp4",
        clip_s=2.0,
        settings=Cut(frame_size_px=SIZE),
        frames=tmp_path / "frames.safetensors",
        clips=tmp_path / "clips.tsv",
        facts=tmp_path / "video.json",
    )
    return tmp_path


@pytest.mark.parametrize("backend", ["qwen", "openai"])
def test_from_a_movie_file_to_key_objects(
    cut_movie: Path,
    backend: str,
    qwen_folder: Path,
    detector_folder: Path,
    sam_file: Path,
    serve,
    monkeypatch,
) -> None:
    if backend == "openai":
        monkeypatch.setenv("OPENAI_BASE_URL", serve(fine).address)
    chosen = settings(backend, qwen_folder, detector_folder, sam_file)
    table = describe(cut_movie, chosen)
    assert table["status"].tolist() == ["answered"] * 12
    assert [list(tags) for tags in table["tags"]] == [["car", "road"]] * 12
    assert [list(texts) for texts in table["answers"]] == [[ANSWER]] * 12
    masks = segment(cut_movie, chosen, descriptions=cut_movie / "descriptions.parquet")
    assert masks["masks"].shape[1:] == (32, 4)
    assert set(masks.metadata["tags"]) <= {"car", "road"}
    assert masks.metadata["box_threshold"] == 0
    annotation = join(
        cut_movie,
        chosen,
        descriptions=cut_movie / "descriptions.parquet",
        masks=cut_movie / "masks.safetensors",
    )
    assert annotation["clip"].tolist() == ["m:0", "m:1"]
    assert set(annotation["caption"]) == {"a red car drives on a road"}
    assert set(annotation["key_tag"]) <= {"car", "road"}
    assert TensorFile(cut_movie / "labels.safetensors")["key_mask"].shape == (2, FRAMES, 32, 32)
    tags = read_table(cut_movie / "tags.tsv").set_index("tag")
    assert tags["model"].to_dict() == {"car": "vehicle: 12", "road": "roadway: 12"}
    assert set(tags["agreement"]) == {"same"}
    assert (cut_movie / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_masks_of_tables_tags(cut_movie: Path, detector_folder: Path, sam_file: Path) -> None:
    scenes = pd.DataFrame(
        {"start_s": [0.0], "end_s": [4.0], "caption": ["a dog runs"], "tags": ["dog|field"]}
    )
    write_table(cut_movie / "m_captions.tsv", scenes, MADE_BY)
    chosen = settings("table", detector=detector_folder, sam=sam_file)
    masks = segment(cut_movie, chosen, folder=cut_movie)
    assert set(masks.metadata["tags"]) <= {"dog", "field"}
    annotation = join(cut_movie, chosen, folder=cut_movie, masks=cut_movie / "masks.safetensors")
    assert set(annotation["caption"]) == {"a dog runs"}


def test_masks_are_kilobytes_per_clip(
    movie: Path, qwen_folder: Path, detector_folder: Path, sam_file: Path
) -> None:
    chosen = settings("qwen", qwen_folder, detector_folder, sam_file)
    describe(movie, chosen)
    masks = segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    assert len(masks["masks"]) > 3 * FRAMES
    assert (movie / "masks.safetensors").stat().st_size / 3 < 10_000
    assert (np.diff(masks["clip"]) >= 0).all()
    instances = {(c, i) for c, i in zip(masks["clip"].tolist(), masks["instance"].tolist(), strict=True)}
    assert len(instances) == len({i for _, i in instances}), "an instance belongs to one clip"


def view(clip: str) -> ClipView:
    return ClipView(clip, 0, 2, np.arange(FRAMES) / 3, 1 / 30, np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8))


def test_a_still_clip_has_the_same_masks_in_all_frames(
    movie: Path, qwen_folder: Path, detector_folder: Path, sam_file: Path
) -> None:
    chosen = settings("qwen", qwen_folder, detector_folder, sam_file)
    describe(movie, chosen)
    segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    for item in StoredMasks(movie / "masks.safetensors").objects(view("m:2"), 32):
        assert (item.masks == item.masks[0]).all()


def test_a_killed_description_goes_on_at_the_next_frame(movie: Path, qwen_folder: Path, monkeypatch) -> None:
    asked: list[int] = []
    generate = QwenCaptioner._generate

    def dying(self: QwenCaptioner, batch: list[Any]) -> list[str]:
        if sum(asked) >= 8:
            raise KeyboardInterrupt
        asked.append(len(batch))
        return generate(self, batch)

    chosen = settings("qwen", qwen_folder)
    with monkeypatch.context() as patched:
        patched.setattr(QwenCaptioner, "_generate", dying)
        with pytest.raises(KeyboardInterrupt):
            describe(movie, chosen)
    assert not (movie / "descriptions.parquet").exists()
    monkeypatch.setattr(
        QwenCaptioner, "_generate", lambda self, batch: asked.append(len(batch)) or generate(self, batch)
    )
    table = describe(movie, chosen)
    assert sum(asked) == 2 * FRAMES + 1, "the third clip is one picture"
    assert len(table) == 3 * FRAMES and set(table["status"]) == {"answered"}


def test_a_killed_segmentation_goes_on_at_the_next_frame(
    movie: Path, qwen_folder: Path, detector_folder: Path, sam_file: Path, monkeypatch
) -> None:
    chosen = settings("qwen", qwen_folder, detector_folder, sam_file)
    describe(movie, chosen)
    whole = segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    expected = whole.metadata["content_hash"]
    found: list[int] = []
    find = GroundedSamFinder.find

    def dying(self: GroundedSamFinder, items: list[Any]) -> list[Any]:
        if sum(found) >= 8:
            raise KeyboardInterrupt
        found.append(len(items))
        return find(self, items)

    with monkeypatch.context() as patched:
        patched.setattr(GroundedSamFinder, "find", dying)
        with pytest.raises(KeyboardInterrupt):
            segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    monkeypatch.setattr(
        GroundedSamFinder, "find", lambda self, items: found.append(len(items)) or find(self, items)
    )
    again = segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    assert sum(found) == 2 * FRAMES + 1
    assert again.metadata["content_hash"] == expected


def mixed(failing: set[int]) -> Behaviour:
    """A server whose answers for some pictures, by their order of coming, are never valid."""
    order: dict[str, int] = {}

    def behave(server: Any, picture: str, times: int) -> tuple[int, dict[str, str], str]:
        bad = order.setdefault(picture, len(order)) in failing
        return 200, {}, completion("no idea" if bad else ANSWER)

    return behave


def test_failures_are_recorded_and_the_rest_is_used(movie: Path, serve, monkeypatch, caplog) -> None:
    chosen = settings("openai")
    monkeypatch.setenv("OPENAI_BASE_URL", serve(mixed({0, 1, 2})).address)
    table = describe(movie, chosen)
    assert Counter(table["status"]) == {"failed": 3, "answered": 15}
    failed = table[table["status"] == "failed"]
    assert failed["caption"].isna().all() and not any(len(tags) for tags in failed["tags"])
    assert [list(texts) for texts in failed["answers"]] == [["no idea", "no idea"]] * 3
    assert "3 of 18 answers stayed malformed" in caplog.text
    assert read_table(movie / "failures.tsv")["clip"].tolist() == failed["clip"].tolist()
    assert DescribedClips(movie / "descriptions.parquet").describe(view("m:0")).tags == ("car", "road")


def test_clips_without_any_valid_answer_are_all_listed(
    movie: Path,
    serve,
    monkeypatch,
    detector_folder: Path,
    sam_file: Path,
) -> None:
    chosen = settings("openai", detector=detector_folder, sam=sam_file, per="clip")
    monkeypatch.setenv("OPENAI_BASE_URL", serve(mixed({0, 2})).address)
    table = describe(movie, chosen)
    assert table["frame"].tolist() == [-1, -1, -1]
    segment(movie, chosen, descriptions=movie / "descriptions.parquet")
    with pytest.raises(
        InputError, match=r"(?s)2 of 3 clips .*- m:0: no valid answer .*not JSON.*- m:2: no valid answer"
    ):
        join(movie, chosen, descriptions=movie / "descriptions.parquet", masks=movie / "masks.safetensors")


def test_unreadable_frames_are_named(movie: Path, qwen_folder: Path) -> None:
    path = movie / "frames.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"frames\.safetensors is truncated"):
        describe(movie, settings("qwen", qwen_folder))


def test_the_key_is_nowhere_but_in_the_header(movie: Path, serve, monkeypatch, caplog) -> None:
    server = serve(mixed({0}))
    monkeypatch.setenv("OPENAI_BASE_URL", server.address)
    monkeypatch.setenv("CAPTION_KEY", KEY)
    describe(movie, settings("openai", openai={"key_variable": "CAPTION_KEY"}))
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in caplog.text
    assert not [path for path in movie.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_concepts_of_the_model_are_used_where_that_is_chosen(
    movie: Path, serve, monkeypatch, detector_folder: Path, sam_file: Path
) -> None:
    other = json.dumps(
        {"caption": "a bat flies by", "objects": [{"noun": "bat", "concept": "sports equipment"}]}
    )
    monkeypatch.setenv("OPENAI_BASE_URL", serve(lambda *_: (200, {}, completion(other))).address)
    chosen = settings("openai", detector=detector_folder, sam=sam_file, concepts="model")
    sources = {"descriptions": movie / "descriptions.parquet", "masks": movie / "masks.safetensors"}
    describe(movie, chosen)
    segment(movie, chosen, descriptions=sources["descriptions"])
    assert set(join(movie, chosen, **sources)["key_concept"]) == {"sports equipment"}
    tags = read_table(movie / "tags.tsv")
    assert (tags["wordnet"][0], tags["model"][0], tags["agreement"][0]) == (
        "animal|mammal|organism", "sports equipment: 18", "differs",
    )  # fmt: skip
    by_wordnet = chosen.model_copy(update={"concepts": "wordnet"})
    assert set(join(movie, by_wordnet, **sources)["key_concept"]) == {"animal"}


def test_the_order_of_rows_does_not_matter(movie: Path, serve, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", serve(fine).address)
    table = describe(movie, settings("openai"))
    table["caption"] = [
        f"a car drives {'left' if row % 3 else 'right'} {row % 2}" for row in range(len(table))
    ]
    table["tags"] = [["car", "road"] if row % 2 else ["road", "dog", "car"] for row in range(len(table))]
    write_table(movie / "a.parquet", table, MADE_BY)
    write_table(movie / "b.parquet", table.sample(frac=1, random_state=0), MADE_BY)
    for clip in ("m:0", "m:1", "m:2"):
        one, other = (
            DescribedClips(movie / name).describe(view(clip)) for name in ("a.parquet", "b.parquet")
        )
        assert one == other
    with pytest.raises(InputError, match=r"a\.parquet has no description of it"):
        DescribedClips(movie / "a.parquet").describe(view("m:7"))

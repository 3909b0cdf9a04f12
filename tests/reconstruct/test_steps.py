"""The steps on files: control images, chunks, resuming, gathering."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurons.artifacts import (
    InputError,
    TensorFile,
    provenance,
    read_json,
    read_table,
    write_table,
    write_tensors,
)
from neurons.reconstruct import gathering_steps, steps
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.ranking import Viewer
from neurons.reconstruct.video_model import VideoModel

CONTENT = {
    "video.mp4", "blurry.mp4", "frames.safetensors", "mask.png", "control.png", "caption.txt", "concepts.json",
    "samples.json", "identity.json",
}  # fmt: skip


def run_videos(inputs, models, folder, chunk=0, chunks=1, settings=None):
    manifest = folder / "chunks" / f"{chunk}.tsv"
    steps.videos(
        decoded=inputs.decoded, table=inputs.table, control=inputs.control, chunk=chunk, chunks=chunks,
        settings=settings or models.settings, vae=models.vae, embed=models.embed, device="cpu", clips=folder / "clips",
        manifest=manifest,
    )  # fmt: skip
    return manifest


def gather(inputs, manifests, folder):
    output = folder / "videos.safetensors"
    gathering_steps.gather(
        manifests=manifests, decoded=inputs.decoded, clips=folder / "clips", output=output,
        samples=folder / "samples.tsv",
    )  # fmt: skip
    return TensorFile(output)


@pytest.fixture
def quick(models):
    """Settings that sample a single step, for tests of files."""
    return models.changed(steps=1, strength=1.0, guidance=1.0)


@pytest.fixture
def sampled(monkeypatch):
    """Prompts that the video model was run for."""
    prompts: list[str] = []
    original = VideoModel.sample

    def counting(self, *args, **kwargs):
        prompts.extend(args[0])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(VideoModel, "sample", counting)
    return prompts


def test_chunks_and_batches_do_not_change_the_videos(inputs, models, tmp_path):
    whole = gather(inputs, [run_videos(inputs, models, tmp_path / "whole")], tmp_path / "whole")
    settings = models.settings.model_copy(update={"batch_size": 5})
    parts = [run_videos(inputs, models, tmp_path / "parts", chunk, 3, settings) for chunk in (2, 0, 1)]
    divided = gather(inputs, parts, tmp_path / "parts")
    assert divided.clip_ids == whole.clip_ids == TensorFile(inputs.decoded).clip_ids
    np.testing.assert_allclose(whole.metadata["frame_time_s"], (np.arange(16) + 0.5) / 8)
    for name, frames in (("frames", 16), ("blurry", 6)):
        assert whole[name].shape == (5, frames, 16, 16, 3)
        assert np.abs(whole[name].astype(int) - divided[name].astype(int)).max() <= 1, name
        assert whole[name].std() > 1


def test_a_clip_folder_holds_what_people_look_at(inputs, models, quick, tmp_path):
    manifest = read_table(run_videos(inputs, models, tmp_path, settings=quick))
    assert manifest["clip"].tolist() == TensorFile(inputs.decoded).clip_ids
    folder = tmp_path / "clips" / "test2_1"
    assert {path.name for path in folder.iterdir()} == CONTENT
    assert (folder / "caption.txt").read_text() == "a man walks\n"
    assert read_json(folder / "concepts.json")["animal"] == pytest.approx(
        float(TensorFile(inputs.decoded)["concepts"][4, 0]), abs=1e-4
    )
    assert not list((tmp_path / "clips").glob(".*"))


def test_finished_clips_are_kept_and_damaged_ones_are_made_again(inputs, models, quick, tmp_path, sampled):
    # One at a time: in other company a clip's last bits may differ.
    quick = quick.model_copy(update={"batch_size": 1})
    first = run_videos(inputs, models, tmp_path, settings=quick)
    before = first.read_bytes()
    assert len(sampled) == 5
    sampled.clear()
    clips = tmp_path / "clips"
    (clips / "test1_1" / "mask.png").unlink()
    (clips / "test1_2" / "caption.txt").write_text("tampered\n")
    shutil.rmtree(clips / "test2_0")
    (clips / "test2_1" / "identity.json").write_text("{")
    (clips / ".test1_1.killed").mkdir()
    again = run_videos(inputs, models, tmp_path, settings=quick)
    assert len(sampled) == 4
    assert again.read_bytes() == before
    assert not list(clips.glob(".*"))
    sampled.clear()
    run_videos(inputs, models, tmp_path, settings=quick.model_copy(update={"batch_size": 3}))
    assert not sampled


@pytest.mark.parametrize("change", ["prompt", "control", "settings", "seed"])
def test_clips_are_made_again_when_what_decides_them_changes(
    inputs, models, quick, tmp_path, sampled, change
):
    run_videos(inputs, models, tmp_path, settings=quick)
    sampled.clear()
    settings, remade = quick, 5
    if change == "prompt":
        table = read_table(inputs.table).fillna("")
        table.loc[table["clip"] == "test1:1", "prompt"] = "another"
        write_table(inputs.table, table, provenance("test", {}))
        remade = 1
    elif change == "control":
        images = TensorFile(inputs.control)["images"].copy()
        images[2, 0, 0, 0] ^= 1
        write_tensors(
            inputs.control, {"images": images}, provenance("test", {}), TensorFile(inputs.decoded).clip_ids
        )
        remade = 1
    elif change == "settings":
        settings = quick.model_copy(update={"mask_floor": 0.7})
    else:
        settings = quick.model_copy(update={"seed": 1})
    run_videos(inputs, models, tmp_path, settings=settings)
    assert len(sampled) == remade


def test_a_clip_that_fails_is_named_and_the_others_are_finished(inputs, models, quick, tmp_path, monkeypatch):
    original = VideoModel.sample

    def failing(self, prompts, *args, **kwargs):
        latents = original(self, prompts, *args, **kwargs)
        latents[[prompt.startswith("a red car") for prompt in prompts]] = torch.nan
        return latents

    monkeypatch.setattr(VideoModel, "sample", failing)
    with pytest.raises(InputError, match=r"1 clips holds NaN.*test1:1"):
        run_videos(inputs, models, tmp_path, settings=quick)
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "test1_0",
        "test1_2",
        "test2_0",
        "test2_1",
    ]
    assert not (tmp_path / "chunks" / "0.tsv").exists()


def test_gathering_refuses_what_is_missing_double_unknown_or_changed(inputs, models, quick, tmp_path):
    parts = [run_videos(inputs, models, tmp_path, chunk, 2, quick) for chunk in (0, 1)]
    with pytest.raises(InputError, match=r"lacks 2 of 5 clips: test2:0, test2:1"):
        gather(inputs, parts[:1], tmp_path)
    with pytest.raises(InputError, match="more than once"):
        gather(inputs, [*parts, parts[1]], tmp_path)
    with pytest.raises(InputError, match=r"not decoded: other:7"):
        rows = read_table(parts[1])
        rows.loc[len(rows)] = ["other:7", "other_7", ""]
        write_table(tmp_path / "more.tsv", rows, provenance("test", {}))
        gather(inputs, [parts[0], tmp_path / "more.tsv"], tmp_path)
    (tmp_path / "clips" / "test1_2" / "video.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 clip folders.*test1_2"):
        gather(inputs, parts, tmp_path)
    assert not (tmp_path / "videos.safetensors").exists()


def test_chunks_divide_the_clips(inputs):
    clips = TensorFile(inputs.decoded).clip_ids
    divided = [ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, k, 3).clips for k in range(3)]
    assert [clip for part in divided for clip in part] == clips
    assert all(divided)
    with pytest.raises(InputError, match="numbered from 0 to 2"):
        ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, 3, 3)


def test_texts_and_control_images_are_joined_by_clip_id(inputs, tmp_path):
    whole = ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, 0, 1)
    order = [3, 1, 4, 0, 2]
    file = TensorFile(inputs.control)
    shuffled = replace(inputs, table=tmp_path / "shuffled.tsv", control=tmp_path / "shuffled.safetensors")
    write_table(shuffled.table, read_table(inputs.table).iloc[order], provenance("test", {}))
    ids = [file.clip_ids[i] for i in order]
    write_tensors(shuffled.control, {"images": file["images"][order]}, provenance("test", {}), ids)
    joined = ChunkOfClips.read(shuffled.decoded, shuffled.table, shuffled.control, 0, 1)
    assert (
        joined.captions
        == whole.captions
        == ["a dog runs", "a red car drives", "", "a bird flies", "a man walks"]
    )
    np.testing.assert_array_equal(joined.controls, whole.controls)


def test_control_images_do_not_depend_on_the_batch(inputs, models, tmp_path):
    images = []
    for batch_size in (1, 5):
        output = tmp_path / f"{batch_size}.safetensors"
        settings = models.settings.model_copy(update={"batch_size": batch_size})
        steps.control(decoded=inputs.decoded, settings=settings, vae=models.vae, device="cpu", output=output)
        assert TensorFile(output).clip_ids == TensorFile(inputs.decoded).clip_ids
        images.append(TensorFile(output)["images"].astype(int))
    assert images[0].shape == (5, 16, 16, 3)
    assert np.abs(images[0] - images[1]).max() <= 1


@pytest.fixture
def several(quick):
    return quick.model_copy(update={"samples_per_clip": 3})


def test_the_sample_nearest_to_the_decoded_tokens_becomes_the_video(inputs, models, several, tmp_path):
    manifest = run_videos(inputs, models, tmp_path, settings=several)
    gather(inputs, [manifest], tmp_path)
    table = read_table(tmp_path / "samples.tsv")
    ids = TensorFile(inputs.decoded).clip_ids
    assert table["clip"].tolist() == [clip for clip in ids for _ in range(3)]
    assert table["seed"].nunique() == 15
    viewer = Viewer.load(models.embed, torch.device("cpu"), torch.float32)
    tokens = TensorFile(inputs.decoded)["image_tokens"].astype(np.float64).mean(axis=1)
    for clip, decoded in zip(ids, tokens, strict=True):
        rows = table[table["clip"] == clip]
        folder = tmp_path / "clips" / clip.replace(":", "_")
        assert CONTENT | {f"sample_{number}.mp4" for number in range(3)} == {
            path.name for path in folder.iterdir()
        }
        frames = np.array(TensorFile(folder / "frames.safetensors")["frames"])
        view = viewer.view(frames[None, [1, 3, 6, 9, 11, 14]])[0].double().numpy()
        cosine = view @ decoded / np.linalg.norm(view) / np.linalg.norm(decoded)
        assert cosine == pytest.approx(rows["score"].max(), abs=1e-5)
        assert rows.loc[rows["score"].idxmax(), "chosen"]
        assert rows["chosen"].sum() == 1
        assert (rows["spread"] > 0).all() and (rows["pixel_sd"] > 0).all()


def test_a_single_sample_needs_no_criterion(inputs, models, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(Viewer, "load", None)
    gather(inputs, [run_videos(inputs, models, tmp_path, settings=quick)], tmp_path)
    table = read_table(tmp_path / "samples.tsv")
    assert table["chosen"].all() and len(table) == 5
    assert table[["score", "spread", "pixel_sd"]].isna().all(axis=None)


def test_the_first_sample_does_not_depend_on_how_many_there_are(inputs, models, quick, several, tmp_path):
    seeds = {}
    for name, settings in (("one", quick), ("three", several)):
        gather(inputs, [run_videos(inputs, models, tmp_path / name, settings=settings)], tmp_path / name)
        table = read_table(tmp_path / name / "samples.tsv")
        seeds[name] = table.loc[table["sample"] == 0, "seed"].tolist()
    assert seeds["one"] == seeds["three"]

"""What goes wrong while a chunk is made: a kill, a full disk, a damaged input, numbers that are not finite."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from neurons import cli
from neurons.artifacts import InputError, TensorFile, provenance, write_tensors
from neurons.reconstruct import clip_folders
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.clip_folders import is_intact
from neurons.reconstruct.render import Studio, render_chunk

CPU = torch.device("cpu")
NAMES = ["test1_0", "test1_1", "test1_2", "test2_0", "test2_1"]


@pytest.fixture
def quick(models):
    settings = models.changed(steps=1, strength=1.0, guidance=1.0)
    return settings.model_copy(update={"batch_size": 1})


@pytest.fixture
def studio(models, quick):
    return Studio(quick, models.vae, models.embed, ClipTiming(2.0, 0.5), CPU, torch.float32)


@pytest.fixture
def work(inputs):
    return ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, 0, 1)


def command(inputs, models, settings, folder):
    """The words of `neurons reconstruct videos`."""
    return [
        "reconstruct", "videos", "--decoded", inputs.decoded, "--table", inputs.table, "--control", inputs.control,
        "--chunk", 0, "--chunks", 1, "--settings", json.dumps(settings.model_dump(mode="json")),
        "--vae", json.dumps(models.vae.model_dump()), "--embed", json.dumps(models.embed.model_dump(mode="json")),
        "--device", "cpu", "--clips", folder / "clips", "--manifest", folder / "manifest.tsv",
    ]  # fmt: skip


def test_a_killed_chunk_goes_on_where_it_stopped(inputs, models, quick, studio, work, tmp_path):
    words = [str(word) for word in command(inputs, models, quick, tmp_path)]
    clips = tmp_path / "clips"
    process = subprocess.Popen([sys.executable, "-m", "neurons", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (clips / "test1_1").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in clips.iterdir() if not path.name.startswith(".")}
    assert {"test1_0", "test1_1"} <= done.keys()
    assert all(is_intact(clips / name) for name in done)
    table = render_chunk(work, clips, studio)
    assert sorted(path.name for path in clips.iterdir()) == NAMES == table["folder"].tolist()
    assert {name: (clips / name).stat().st_mtime_ns for name in done} == done


def test_a_full_disk_leaves_whole_clips_only(work, studio, tmp_path, monkeypatch):
    written = []
    original = clip_folders.write_mp4

    def filling(path, *rest):
        written.append(path)
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(path, *rest)

    monkeypatch.setattr(clip_folders, "write_mp4", filling)
    with pytest.raises(OSError, match="No space left"):
        render_chunk(work, tmp_path, studio)
    assert sorted(path.name for path in tmp_path.glob("test*")) == NAMES[:2]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".test")]
    monkeypatch.setattr(clip_folders, "write_mp4", original)
    assert render_chunk(work, tmp_path, studio)["folder"].tolist() == NAMES


def test_damaged_control_images_are_refused_before_anything_is_made(inputs):
    content = inputs.control.read_bytes()
    clips = TensorFile(inputs.decoded).clip_ids
    cases = {
        "is truncated": lambda: inputs.control.write_bytes(content[:-100]),
        "cannot be read": lambda: inputs.control.write_bytes(b"12"),
        "expected images": lambda: write_tensors(
            inputs.control, {"images": np.zeros((5, 16, 16), np.uint8)}, provenance("test", {}), clips
        ),
    }
    for message, damage in cases.items():
        damage()
        with pytest.raises(InputError, match=message):
            ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, 0, 1)


def test_latents_that_are_not_finite_fail_their_clip_alone_and_the_exit_code_says_so(
    inputs, models, quick, tmp_path, monkeypatch, caplog
):
    read = ChunkOfClips.read

    def broken(*args):
        chunk = read(*args)
        chunk.latents[1] = np.nan
        return chunk

    monkeypatch.setattr(ChunkOfClips, "read", broken)
    settings = quick.model_copy(
        update={"batch_size": 3, "video": quick.video.model_copy(update={"strength": 0.5})}
    )
    words = [str(word) for word in command(inputs, models, settings, tmp_path)]
    monkeypatch.setattr(sys, "argv", ["neurons", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "the video of 1 clips holds NaN or infinite values: test1:1" in caplog.text
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [NAMES[0], *NAMES[2:]]
    assert not (tmp_path / "manifest.tsv").exists()

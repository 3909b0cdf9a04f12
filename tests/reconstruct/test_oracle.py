"""The oracle: truth in the place of decoded outputs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import TensorFile, provenance, read_table, write_table, write_tensors
from neurons.reconstruct import gathering_steps
from neurons.reconstruct.settings import Reconstruct


def write_movie(folder, movie, start):
    """Files of a movie of three clips whose every value tells clip and frame."""
    made_by = provenance("test", {})
    ids = [f"{movie}:{index}" for index in range(3)]
    clip = np.arange(start, start + 3)
    frame = np.arange(6)
    value = (clip[:, None] + frame / 8).astype(np.float16)
    concepts = np.zeros((3, 51), np.uint8)
    concepts[:, [0, 5]] = 1
    labels = {
        "concepts": concepts,
        "key_concept": np.full(3, 5, np.int64),
        "key_mask": np.broadcast_to((frame % 2)[None, :, None, None], (3, 6, 4, 4)).astype(np.uint8),
    }
    captions = pd.DataFrame({"clip": ids, "caption": [f"caption {number}" for number in clip]})
    write_table(folder / f"{movie}.parquet", captions, made_by)
    tensors = {
        "labels": labels,
        "tokens": {"tokens": np.broadcast_to(value[:, :, None, None], (3, 6, 4, 2))},
        "latents": {"latents": np.broadcast_to(value[:, :, None, None, None], (3, 6, 4, 2, 2))},
        "text": {"caption": np.broadcast_to(clip[:, None].astype(np.float16), (3, 2))},
    }
    for name, arrays in tensors.items():
        write_tensors(folder / f"{movie}_{name}.safetensors", arrays, made_by, ids)


def test_the_oracle_is_the_truth_of_every_clip(tmp_path):
    write_movie(tmp_path, "test1", 0)
    write_movie(tmp_path, "test2", 3)

    def files(name, order=("test1", "test2")):
        return [tmp_path / f"{movie}_{name}.safetensors" for movie in order]

    output, table = tmp_path / "decoded.safetensors", tmp_path / "decoded.tsv"
    gathering_steps.oracle(
        annotation=[tmp_path / "test1.parquet", tmp_path / "test2.parquet"],
        labels=files("labels", ("test2", "test1")),
        image_tokens=files("tokens"),
        latents=files("latents", ("test2", "test1")),
        text=files("text"),
        settings=Reconstruct(prompt_concepts=True),
        output=output,
        table=table,
    )
    decoded, rows = TensorFile(output), read_table(table)
    clips = ["test1:0", "test1:1", "test1:2", "test2:0", "test2:1", "test2:2"]
    assert decoded.clip_ids == rows["clip"].tolist() == clips
    np.testing.assert_array_equal(decoded["image_tokens"][:, 0, 0], np.arange(6) + 3 / 8)
    np.testing.assert_array_equal(decoded["latents"][4, :, 0, 0, 0], 4 + np.arange(6) / 8)
    np.testing.assert_array_equal(decoded["mask"][5, :, 0, 0], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(decoded["text"][:, 0], np.arange(6))
    assert {array.dtype.name for array in map(decoded.__getitem__, decoded.names)} == {"float16"}
    assert rows["caption"].tolist() == [f"caption {number}" for number in range(6)]
    assert set(rows["top_concept"]) == {CONCEPTS[5]}
    assert set(rows["concepts"]) == {f"{CONCEPTS[0]}|{CONCEPTS[5]}"}
    assert rows["prompt"][0] == f"caption 0, {CONCEPTS[0]}, {CONCEPTS[5]}"

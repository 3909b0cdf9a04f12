"""Decoding test responses with models on disk."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.artifacts import InputError, provenance, read_table
from neurons.pretrain.model import BrainModel
from neurons.pretrain.store import save_brain_model
from tests.reconstruct.trained import BRAIN, CLIPS, FACTS, TEXT, TOKENS, WIDTH, write_responses


def test_decoded_outputs_have_the_agreed_names_and_shapes(trained, tmp_path):
    decoded, table = trained.decode(tmp_path, concept_threshold=0.5)
    assert decoded.clip_ids == CLIPS
    shapes = {name: decoded[name].shape for name in decoded.names}
    assert shapes == {
        "mask": (5, 6, 8, 8),
        "concepts": (5, 51),
        "latents": (5, 6, 4, 4, 4),
        "image_tokens": (5, TOKENS, WIDTH),
        "text": (5, TEXT),
    }
    assert {decoded[name].dtype.name for name in decoded.names} == {"float16"}
    rows = read_table(table, ["clip", "caption", "concepts", "top_concept", "prompt"])
    assert rows["clip"].tolist() == CLIPS


def test_decoding_depends_on_neither_batch_nor_order_of_clips(trained, tmp_path):
    first, _ = trained.decode(tmp_path / "first", batch_size=5)
    order = [3, 4, 0, 1, 2]
    write_responses(trained.responses, [CLIPS[i] for i in order])
    second, _ = trained.decode(tmp_path / "second", batch_size=2)
    for name in first.names:
        np.testing.assert_allclose(second.rows(name, CLIPS), first[name], atol=2e-3, rtol=2e-3, err_msg=name)


def test_responses_on_other_vertices_are_refused(trained, tmp_path):
    write_responses(trained.responses, CLIPS, vertex_hash="other")
    with pytest.raises(InputError, match="vertex_hash"):
        trained.decode(tmp_path)


def test_a_decoupler_of_another_brain_model_is_refused(trained, tmp_path):
    brain = BrainModel(BRAIN)
    save_brain_model(
        trained.brain_model, brain, provenance("test", {}), window_tr=[-1, 0, 1], target="video", **FACTS
    )
    with pytest.raises(InputError, match="another brain model"):
        trained.decode(tmp_path)

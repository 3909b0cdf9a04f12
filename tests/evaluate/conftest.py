"""A study of a few clips: random videos, responses and task outputs, and tiny random models."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import clip_id, write_table, write_tensors
from neurons.evaluate.settings import Evaluate
from neurons.sections import Model

FRAMES, SIZE, CLIPS, WIDTH, VERTICES = 6, 32, 10, 12, 40
TRAIN, TEST = ("seg1", "seg2", "seg3"), ("test1", "test2")
CAPTIONS = (
    "a red car drives left on a road",
    "a dog sits in a field near a tree",
    "two birds fly over the sea",
)
TAGS = ("car", "dog", "bird")
WITH_CUT = (2, 7)
"""Clips of each movie that hold a scene cut."""


@dataclass
class Study:
    """Paths of the files that the stage reads."""

    folder: Path
    settings: Evaluate

    def movies(self, stage: str, name: str, movies: tuple[str, ...]) -> list[Path]:
        """The same file of several movies."""
        return [self.folder / stage / movie / name for movie in movies]


def save_models(folder: Path) -> Evaluate:
    """Random models of 60 frame classes and 55 video classes."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        VideoMAEConfig,
        VideoMAEForVideoClassification,
        VideoMAEImageProcessor,
        ViTConfig,
        ViTForImageClassification,
        ViTImageProcessor,
    )

    torch.manual_seed(0)
    body = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    picture = {"image_size": 32, "patch_size": 8}
    crop = {"height": 32, "width": 32}
    vit = ViTForImageClassification(ViTConfig(**body, **picture, num_labels=60))
    vit.save_pretrained(folder / "vit")
    ViTImageProcessor(size=crop).save_pretrained(folder / "vit")
    config = VideoMAEConfig(**body, **picture, num_frames=FRAMES, tubelet_size=2, num_labels=55)
    VideoMAEForVideoClassification(config).save_pretrained(folder / "videomae")
    VideoMAEImageProcessor(size={"shortest_edge": 32}, crop_size=crop).save_pretrained(folder / "videomae")
    vision = {**body, **picture, "projection_dim": 16}
    text = {**body, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "projection_dim": 16}
    CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)).save_pretrained(
        folder / "clip"
    )
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=crop).save_pretrained(folder / "clip")
    return Evaluate(
        frame_classifier=Model(path=str(folder / "vit")),
        video_classifier=Model(path=str(folder / "videomae")),
        clip=Model(path=str(folder / "clip")),
        bootstrap=100,
        permutations=100,
        block_clips=2,
        batch_size=8,
    )


def write_movie(folder: Path, movie: str, generator: np.random.Generator) -> None:
    """Cut, annotated and embedded clips of one movie."""
    ids = [clip_id(movie, index) for index in range(CLIPS)]
    colours = generator.integers(0, 255, (CLIPS, 1, 1, 1, 3))
    noise = generator.integers(-20, 20, (CLIPS, FRAMES, SIZE, SIZE, 3))
    frames = np.clip(colours + noise, 0, 255).astype(np.uint8)
    times = (np.arange(CLIPS * FRAMES).reshape(CLIPS, FRAMES) + 0.5) * 2 / FRAMES
    write_tensors(folder / "cut" / movie / "frames.safetensors", {"frames": frames, "time_s": times}, {}, ids)
    cuts = [int(index in WITH_CUT) for index in range(CLIPS)]
    write_table(folder / "cut" / movie / "clips.tsv", pd.DataFrame({"clip": ids, "scene_cuts": cuts}), {})
    image = generator.normal(size=(CLIPS, FRAMES, WIDTH)).astype(np.float16)
    write_tensors(folder / "embed" / movie / "image_tokens.safetensors", {"image": image}, {}, ids)
    kind = generator.integers(len(TAGS), size=CLIPS)
    concepts = np.zeros((CLIPS, len(CONCEPTS)), np.uint8)
    concepts[np.arange(CLIPS), kind] = 1
    mask = np.zeros((CLIPS, FRAMES, 16, 16), np.uint8)
    for clip, place in enumerate(generator.integers(0, 10, (CLIPS, 2))):
        mask[clip, :, place[0] : place[0] + 6, place[1] : place[1] + 6] = 1
    labels = {"concepts": concepts, "key_mask": mask}
    write_tensors(folder / "annotate" / movie / "labels.safetensors", labels, {}, ids)
    tags = [TAGS[k] for k in kind]
    table = pd.DataFrame(
        {
            "clip": ids,
            "caption": [CAPTIONS[k] for k in kind],
            "key_tag": tags,
            "tags": [[tag] for tag in tags],
        }
    )
    write_table(folder / "annotate" / movie / "annotation.parquet", table, {})


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Files of three training movies and two test movies, and responses to them."""
    folder = tmp_path_factory.mktemp("study")
    generator = np.random.default_rng(0)
    for movie in (*TRAIN, *TEST):
        write_movie(folder, movie, generator)
    for split, movies in (("train", TRAIN), ("test", TEST)):
        ids = [clip_id(movie, index) for movie in movies for index in range(CLIPS)]
        shape = (len(ids), 2, VERTICES) if split == "train" else (len(ids), VERTICES)
        responses = generator.normal(size=shape).astype(np.float32)
        write_tensors(folder / f"{split}.safetensors", {"responses": responses}, {}, ids, vertex_hash="same")
    return Study(folder, save_models(folder))

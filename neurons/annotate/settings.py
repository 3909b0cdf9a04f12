"""Section `annotate` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from neurons.sections import Count, Fraction, Model, Positive, Section


class KeyObject(Section):
    """The paper's rule for the key object of a clip."""

    maximum_area: Fraction = Field(
        0.5, description="objects above this share of the image are not key objects"
    )
    priority_concepts: list[str] = Field(
        ["human", "animal", "mammal", "fish", "reptile", "insect"],
        description="concepts that are chosen first",
    )
    priority_weight: Positive = Field(2.0, description="factor on the displacement of priority objects")
    background_concepts: list[str] = Field(
        [
            "landscape feature", "water body", "roadway", "weather phenomenon", "climate/atmosphere component",
            "soil/substrate", "structure", "sports field",
        ],
        description="concepts that are background",
    )  # fmt: skip
    priority_nouns: list[str] = Field([], description="nouns that have priority whatever their concepts")
    background_nouns: list[str] = Field(
        ["shadow", "reflection", "background", "foreground", "scenery"],
        description="nouns that are background whatever their concepts",
    )


class Qwen(Section):
    """Captions and tags by Qwen2.5-VL on this machine."""

    model: Model = Field(
        Model(path="Qwen/Qwen2.5-VL-72B-Instruct", revision="89c86200743eec961a297729e7990e8f2ddbc4c5"),
        description="Qwen2.5-VL of any size, or quantised (the packages of its quantisation must be installed)",
    )
    device_map: Literal["one", "auto", "balanced", "sequential"] = Field(
        "one", description="one: on `compute.device`; else: spread over all GPUs in this way"
    )
    gpus: Count = Field(1, description="GPUs that a job asks for (a change reruns nothing)")
    answer_tokens: Count = Field(256, description="longest answer, in tokens")
    batch_size: Count = Field(
        8, description="requests at once; halved when memory is short (a change reruns nothing)"
    )


class OpenAI(Section):
    """Captions and tags by a server with OpenAI's chat interface, such as vLLM."""

    base_url: str | None = Field(
        None,
        description="address up to the version (http://localhost:8000/v1); null: what the environment variable "
        "OPENAI_BASE_URL says, so that a server may move without a rerun",
    )
    model: str = Field("Qwen/Qwen2.5-VL-72B-Instruct", description="name under which it serves the model")
    revision: str | None = Field(
        None, description="commit of the model that is served; not sent, but part of the result's identity"
    )
    key_variable: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the server's key; null: it asks for none",
    )
    answer_tokens: Count = Field(256, description="longest answer, in tokens")
    concurrency: Count = Field(32, description="requests at once (a change reruns nothing)")
    timeout_s: Count = Field(120, description="longest wait for an answer, in s (a change reruns nothing)")
    attempts: Count = Field(
        8,
        description="tries of a request, with waits of 1, 2, 4, ... 60 s, before the step stops; the next start goes on "
        "where it stopped (a change reruns nothing)",
    )


class GroundedSam(Section):
    """Boxes of the tags by GroundingDINO, masks in the boxes by SAM, instances tracked through a clip."""

    detector: Model = Field(
        Model(path="IDEA-Research/grounding-dino-base", revision="12bdfa3120f3e7ec7b434d90674b3396eccf88eb"),
        description="GroundingDINO",
    )
    sam: str = Field(
        "models/sam_vit_h_4b8939.pth",
        description="SAM checkpoint (.pth or .safetensors), of any size: its tensors say which",
    )
    box_threshold: Fraction = Field(0.3, description="lowest score of a box")
    overlap: Fraction = Field(0.7, description="of two boxes that overlap more (IoU), the better is kept")
    boxes_per_frame: Count = Field(20, description="most boxes of a frame, the best are kept")
    track_similarity: Fraction = Field(
        0.3, description="least similarity (mean of box IoU and colour overlap) of an instance in two frames"
    )
    batch_size: Count = Field(
        8, description="frames at once; halved when memory is short (a change reruns nothing)"
    )


class Annotate(Section):
    """Clips to captions, tags, concepts, masks and key objects."""

    backend: Literal["table", "qwen", "openai"] = Field(
        "table", description="where captions and tags come from"
    )
    masks: Literal["table", "grounded_sam"] = Field("table", description="where masks come from")
    folder: str = Field(
        "results/simulated/simulate/annotations", description="folder of the `table` back ends"
    )
    per: Literal["frame", "clip"] = Field(
        "frame",
        description="what a vision-language model captions: each frame, or all frames of a clip at once",
    )
    prompt: str = Field(
        "1",
        description="version of the prompts shipped in `neurons/annotate/prompts`, or a folder of your own",
    )
    concepts: Literal["wordnet", "model"] = Field(
        "wordnet", description="whose concepts are used; the other's stand beside them in `tags.tsv`"
    )
    mask_size_px: Count = Field(64, description="width and height of stored masks, in px")
    qwen: Qwen = Qwen()
    openai: OpenAI = OpenAI()
    grounded_sam: GroundedSam = GroundedSam()
    key_object: KeyObject = KeyObject()

"""The configuration: one typed tree, a section per stage.

The JSON schema that Snakemake validates against and the reference table in ``config/README.md`` are generated
from these classes. A step receives only the section (or part) that it uses, as JSON, so that an edit reruns what
depends on it and nothing else.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from neurons.artifacts import InputError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
OneOrMore = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]
"""Names; a single one may be given without a list (as the command line gives it)."""


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """A model in the folder layout that `from_pretrained` reads."""

    path: str = Field(description="folder, or hub id")
    revision: str | None = Field(None, description="commit of a hub id; unused for a folder")


class Study(Section):
    """What was measured, and where it lies."""

    name: str = Field("simulated", pattern=r"^[A-Za-z0-9_-]+$", description="results go to results/<name>/")
    source: Literal["simulated", "files", "released"] = Field(
        "simulated",
        description="simulated: the workflow makes the study; files: movies and runs exist under `root`; released: the "
        "arrays that NeuroClips published exist under `root`",
    )
    root: str = Field(
        "results/simulated/simulate/video_fmri_dataset",
        description="folder that the run table's paths start from",
    )
    runs: str = Field("config/runs/simulated.tsv", description="run table (TSV)")
    validation_movies: list[str] = Field(
        ["seg17", "seg18"],
        min_length=1,
        description="training movies held out to choose models; never test movies",
    )
    repetition_time_s: Positive = Field(2.0, description="time between volumes, in s")
    clip_s: Positive = Field(2.0, description="length of a clip, in s")
    tail_s: Annotated[float, Field(ge=0)] | None = Field(
        12.0,
        description="scanning goes on this long after a movie, in s, which decides the number of volumes that a run must "
        "have (cc2017: 12); null: any number that covers the clips",
    )
    exclude: dict[
        Annotated[str, Field(pattern=r"^[^/]+/[^/]+/\d+$")], Annotated[str, Field(min_length=1)]
    ] = Field({}, description="runs to leave out, `<subject>/<movie>/<repeat>`, each with the reason")


class SimulatedSubject(Section):
    """One simulated person."""

    signal: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="scale of the evoked response: 1 is realistic, 0 is pure noise"
    )


class Simulate(Section):
    """The simulated study: procedural movies and a forward model of the brain."""

    seed: Natural = Field(0, description="seed of movies and brains")
    train_movie_s: Positive = Field(96.0, description="length of a training movie, in s")
    test_movie_s: Positive = Field(60.0, description="length of a test movie, in s")
    frame_size_px: Count = Field(128, ge=64, description="width and height of the movies, in px")
    frame_rate_hz: Positive = Field(30.0, description="frames per second of the movies")
    subjects: dict[str, SimulatedSubject] = Field(
        {"subject1": SimulatedSubject(), "subject2": SimulatedSubject()},
        description="signal of each subject of the run table",
    )
    faults: list[str] = Field(
        [],
        description="faults of real data to write on purpose, `<fault>:<run>` (see `neurons simulate --help`)",
    )


class Cut(Section):
    """Movies to clips."""

    frames_per_clip: Count = Field(6, description="frames taken from each clip")
    phase: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="where in its interval a frame is taken: 0 the start, 0.5 the middle"
    )
    frame_size_px: Count = Field(64, description="width and height of the stored frames, in px")
    fit: Literal["crop", "stretch"] = Field(
        "crop", description="how a movie that is not square becomes square"
    )
    playback_frames: Count = Field(
        16, description="frames per clip of test movies kept for the report's player"
    )
    cut_threshold: Positive = Field(27.0, description="content difference that counts as a scene cut")


class Selection(Section):
    """Which vertices are kept."""

    by: Literal["repeats", "encoding", "areas", "all"] = Field(
        "repeats",
        description="repeats: responses agree between showings of a training movie; encoding: responses are predicted from "
        "luminance, contrast and motion of held-out training movies (works with one showing); areas: named areas; all",
    )
    areas: list[str] = Field(
        [], description="for `areas`: names as in the atlas, with or without the hemisphere (`V1` or `L_V1`)"
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="level of the t-test over training movies"
    )
    correction: Literal["bonferroni", "fdr"] = Field("bonferroni", description="correction over vertices")
    minimum: Count = Field(50, description="fewer selected vertices than this stop the workflow")
    fallback_top: Natural = Field(
        0,
        description="if fewer than `minimum` pass, take this many best vertices instead (0: stop with an error)",
    )


class Volume(Section):
    """Volumetric runs: which voxels there are; paths may hold {subject}."""

    mask: str | None = Field(
        None, description="NIfTI mask of voxels to read; null: wherever the atlas has a label"
    )
    atlas: str | None = Field(None, description="NIfTI image of whole numbers, one per area")
    labels: str | None = Field(
        None, description="TSV that names the numbers of the atlas: columns index, name"
    )


class Alignment(Section):
    """Does each run follow its movie: agreement with the other showings and with the stimulus, by lag."""

    lags: Annotated[int, Field(ge=1, le=20)] = Field(6, description="clips searched each way")
    action: Literal["stop", "warn"] = Field(
        "stop",
        description="what a run that is out of step does to the workflow; the table is written either way",
    )


class Preprocess(Section):
    """Runs to responses."""

    space: Literal["fsLR_91k", "volume"] = Field(
        "fsLR_91k", description="what runs are: CIFTI on 91,282 grayordinates, or NIfTI volumes"
    )
    volume: Volume = Volume()
    confounds: list[str] = Field(
        [],
        description="columns of the confounds table (column `confounds` of the run table) that are regressed out; patterns "
        "such as `trans_*` are allowed",
    )
    alignment: Alignment = Alignment()
    hemodynamic_delay_s: Annotated[float, Field(ge=0, le=20)] = Field(
        4.0, description="delay between a clip and the volume it is paired with, in s"
    )
    detrend_order: Annotated[int, Field(ge=0, le=10)] = Field(
        4, description="order of the polynomial removed per run"
    )
    selection: Selection = Selection()


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


class Embed(Section):
    """Frozen features of frames and texts."""

    clip: Model = Model(path="resources/miniatures/clip")
    clip_input_range: Literal["unit", "mindeye2"] = Field(
        "unit", description="mindeye2: frames as the released features saw them (in [0.5, 1])"
    )
    vae: Model = Model(path="resources/miniatures/vae")
    language_model: Model = Model(path="resources/miniatures/gpt2")
    caption_tokens: Count = Field(
        32, description="longest caption, in tokens of the language model; longer is an error"
    )
    batch_size: Count = Field(64, description="frames or texts per forward pass")
    movies_per_job: Count = Field(
        10, description="movies that one job embeds (1 for full-size models, whose forward passes take long)"
    )


class Optimiser(Section):
    """One training run."""

    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Count = Field(description="(clip, repeat) pairs per step")
    learning_rate: Positive = Field(description="peak of the one-cycle schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW weight decay")
    checkpoint_every: Count = Field(
        5, description="epochs between checkpoints that a killed run resumes from"
    )


class Pretrain(Section):
    """Brain model: ridge, backbone, motion projection, text embedding."""

    seed: Natural = Field(0, description="seed of initialisation and sampling")
    window_tr: list[int] = Field(
        [-1, 0, 1],
        min_length=1,
        description="volumes around the lagged one, one ridge per lag; [0] is the paper",
    )
    target: Literal["video", "frame"] = Field(
        "video", description="CLIP tokens of all frames, or of the middle one"
    )
    standardise_targets: bool = Field(
        True, description="align with the tokens' deviations from the mean training clip; false is the paper"
    )
    ridge: Literal["closed_form", "trained"] = Field(
        "closed_form",
        description="closed_form: cross-validated ridge to principal components of the features, frozen, and a "
        "start of the other layers at the linear decoding; trained: by gradient descent (the paper)",
    )
    hidden_width: Count = Field(128, description="width after the ridge (paper scale: 4096)")
    blocks: Natural = Field(2, description="residual MLP blocks of the backbone (paper scale: 4)")
    dropout: Fraction = Field(0.15, description="dropout of backbone and ridge output")
    ridge_weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="AdamW weight decay of a trained ridge, which has most of the weights"
    )
    repeat_mixing: bool = Field(
        True, description="train on random mixtures of a clip's repeats; false: on single repeats (the paper)"
    )
    mixco_temperature: Positive = Field(0.03, description="temperature of the BiMixCo loss (paper: 0.006)")
    mixco_beta: Positive = Field(0.15, description="parameter of the Beta distribution of mixing weights")
    text_weight: Annotated[float, Field(ge=0)] = Field(
        0.25, description="weight of the contrastive text loss"
    )
    text_temperature: Positive = Field(0.1, description="temperature of the contrastive text loss")
    regression_weight: Annotated[float, Field(ge=0)] = Field(
        3.0, description="weight of a mean squared error on tokens, auxiliary (0 is the paper)"
    )
    optimiser: Optimiser = Optimiser(epochs=6, batch_size=64, learning_rate=5e-4)


class TaskWeights(Section):
    """Factor on each loss of the decoupler, beside the progressive weights of the four tasks."""

    segmentation: Annotated[float, Field(ge=0)] = Field(1.0, description="masks of the key object")
    concepts: Annotated[float, Field(ge=0)] = Field(1.0, description="the 51 concepts")
    description: Annotated[float, Field(ge=0)] = Field(1.0, description="captions")
    blurry_video: Annotated[float, Field(ge=0)] = Field(1.0, description="VAE latents of the frames")
    prior: Annotated[float, Field(ge=0)] = Field(1.0, description="denoising of image tokens (released: 30)")
    text: Annotated[float, Field(ge=0)] = Field(
        1.0, description="contrast of text embedding and captions (released: 1)"
    )
    image: Annotated[float, Field(ge=0)] = Field(
        0.0, description="SoftCLIP contrast of video embedding and image tokens (released: 1)"
    )


class Decouple(Section):
    """Decoupler: segmentation, concepts, description, blurry video, and the prior."""

    seed: Natural = Field(0, description="seed of initialisation and sampling")
    heads_input: Literal["brain", "prior"] = Field("brain", description="which embedding the task heads read")
    repeat_mixing: bool = Field(
        True, description="train on random mixtures of a clip's repeats; false: on single repeats (the paper)"
    )
    progressive: bool = Field(True, description="progressive task weights (1 -> 10 -> 1), or all 1")
    weights: TaskWeights = TaskWeights()
    dice_weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="weight of a per-clip Dice term beside BCE"
    )
    calibrate_masks: bool = Field(
        True,
        description="shift mask probabilities so that 0.5 is where validation clips are cut best; false is the paper",
    )
    dropout: Fraction = Field(0.1, description="dropout of the task heads")
    caption_reading: Fraction = Field(
        0.5,
        description="share of the description loss in which the language model reads the captions' own CLIP embeddings, "
        "with noise, instead of those decoded from the brain (0 is the paper)",
    )
    train_motion: bool = Field(
        False,
        description="train the brain model's motion projection on (the paper); it is kept otherwise, and with it the text "
        "embedding that the language model reads",
    )
    decoder_width: Count = Field(
        32, description="channels of the text-driven video decoder (paper scale: 512)"
    )
    prior_blocks: Count = Field(2, description="transformer blocks of the prior (paper scale: 6)")
    prior_steps: Count = Field(10, description="sampling steps of the prior (released: 100)")
    prefix_tokens: Count = Field(
        2, description="pseudo-tokens that the text embedding becomes for the language model (paper: 1)"
    )
    whiten_text: bool = Field(
        True, description="whiten the text embedding before the language model; false: layer norm (the paper)"
    )
    language_model: Model = Model(path="resources/miniatures/gpt2")
    optimiser: Optimiser = Optimiser(epochs=10, batch_size=32, learning_rate=1e-3)


class ControlImage(Section):
    """unCLIP: CLIP tokens to the control image."""

    unclip: Model = Model(path="resources/miniatures/unclip")
    vae: Model | None = Field(None, description="autoencoder of unCLIP; null: the study's (`embed.vae`)")
    steps: Count = Field(12, description="sampling steps (paper scale: 38)")
    guidance: Positive = Field(2.0, description="classifier-free guidance scale (paper scale: 5)")
    unconditional: Literal["zeros", "noise"] = Field(
        "zeros",
        description="tokens that guidance contrasts the decoded ones with; the release: Gaussian noise, here drawn per clip",
    )
    pixel_range: Literal["standard", "mindeye2"] = Field(
        "standard",
        description="how the autoencoder's output x, -1 to 1, becomes a picture, 0 to 1: (x + 1) / 2, or .8 x + .2 as in"
        " MindEye2, whose CLIP features were made of pictures on that scale",
    )
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of the trajectory that is run from the noised blurry frame; 1 (the paper) ignores it",
    )


class Video(Section):
    """Text-to-video diffusion with sparse control."""

    base: Model = Model(path="resources/miniatures/video")
    text_encoder: Model = Model(path="resources/miniatures/video/text_encoder")
    tokenizer: Model = Model(path="resources/miniatures/video/tokenizer")
    frames: Count = Field(16, description="frames per clip, evenly over its duration")
    frame_size_px: Count | None = Field(
        None,
        description="width and height of the videos, in px; null: the size that the model was trained on",
    )
    scheduler: str | None = Field(
        None,
        description="sampler: a scheduler class of diffusers, such as DPMSolverMultistepScheduler; null: the one that the "
        "model's folder names",
    )
    steps: Count = Field(12, description="sampling steps of a full trajectory (paper scale: 25)")
    guidance: Positive = Field(4.0, description="classifier-free guidance scale (paper scale: 8.5)")
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="share of the trajectory that is run from the noised blurry video; 1 ignores it"
    )
    control_scale: Annotated[float, Field(ge=0)] = Field(0.8, description="weight of the control image")
    control_frame: Literal["middle", "first"] = Field(
        "middle",
        description="frame that the control image guides: the one at its own time in the clip, or the first",
    )
    prompt_suffix: str = Field("", description="appended to every prompt")
    negative_prompt: str = Field("", description="negative prompt")


class Reconstruct(Section):
    """Test responses to task outputs, control images and videos."""

    seed: Natural = Field(
        0, description="seed of diffusion noise; each clip's own seed follows from it and the clip id"
    )
    mask_space: Literal["pixel", "latent"] = Field(
        "pixel", description="where masks emphasise the key object"
    )
    mask_floor: Fraction = Field(
        0.5, description="weight of the background under mask emphasis; 1 is no emphasis"
    )
    prompt_concepts: bool = Field(True, description="append recognised concepts that the description lacks")
    concept_threshold: Fraction = Field(0.5, description="probability above which a concept is recognised")
    control: ControlImage = ControlImage()
    video: Video = Video()
    chunks: Count = Field(2, description="jobs that the clips of one subject and variant are divided into")
    batch_size: Count = Field(8, description="clips sampled at once (does not change results)")


class Evaluate(Section):
    """Scores."""

    seed: Natural = Field(0, description="seed of bootstrap and permutations")
    frame_classifier: Model = Model(path="resources/miniatures/frame_classifier")
    video_classifier: Model = Model(path="resources/miniatures/video_classifier")
    clip: Model = Model(path="resources/miniatures/clip")
    gate: Model | None = Field(
        None,
        description="CLIP model of the gated consistency (released: ViFi-CLIP); none: that metric is left out",
    )
    gate_threshold: float = Field(
        0.6, ge=-1, le=1, description="cosine to the truth that a clip must exceed to pass the gate"
    )
    protocols: list[Literal["strict", "released"]] = Field(
        ["strict", "released"], min_length=1, description="sets of definitions, kept apart in every table"
    )
    ways: list[Annotated[int, Field(ge=2)]] = Field(
        [2, 50], min_length=1, description="classes to choose from in N-way identification"
    )
    top_k: list[Count] = Field([1], min_length=1, description="places that count as success in it")
    retrieval_pool: Annotated[int, Field(ge=2)] = Field(
        300, description="clips among which a clip is identified by CLIP"
    )
    bootstrap: Count = Field(1000, description="bootstrap samples, over blocks of neighbouring clips")
    permutations: Count = Field(1000, description="permutations of clips for the null distribution")
    image_permutations: Count = Field(
        100,
        description="permutations for pixel and flow scores when all would need more than this times the clips in pairs",
    )
    block_clips: Count = Field(
        10,
        description="neighbouring clips that are resampled and permuted together; longer than scenes, and few enough that"
        " there are many blocks (the cube root of the number of clips is a good choice)",
    )
    concept_threshold: Fraction = Field(0.5, description="probability from which on a concept is recognised")
    mask_threshold: Fraction = Field(0.5, description="probability from which on a pixel is in the mask")
    references: list[Literal["mean", "retrieval", "oracle"]] = Field(
        ["mean", "retrieval", "oracle"],
        description="reference rows of the score table (chance is always there)",
    )
    published: bool = Field(
        False, description="put published figures of the data set cc2017 into the tables, marked as quoted"
    )
    batch_size: Count = Field(32, description="frames or clips per forward pass of a frozen model")


class Interpret(Section):
    """Which vertices speak for which task."""

    variants: list[str] | None = Field(
        None, description="variants whose models are interpreted; null: all; an empty list: none"
    )
    seed: Natural = Field(0, description="seed of shuffles, contrasts, bootstrap and permutations")
    baselines: Count = Field(
        6,
        description="other clips from whose responses to the clip's own gradients are integrated, a point on each way",
    )
    contrasts: Count = Field(
        2,
        description="other clips' captions that a clip's own is told from, in the evidence of the description",
    )
    area_shuffles: Count = Field(1, description="shuffles in time of each area (permutation importance)")
    minimum_vertices: Count = Field(10, description="areas with fewer selected vertices are not tested")
    components: Count = Field(
        32,
        description="principal components of each task's output that predict responses (encoding direction)",
    )
    bootstrap: Count = Field(1000, description="bootstrap samples, over blocks of neighbouring clips")
    permutations: Count = Field(5000, description="sign flips of blocks for the null distribution over areas")
    block_clips: Count = Field(
        10, description="neighbouring clips that are resampled and flipped together; longer than scenes"
    )
    groups: dict[str, OneOrMore] = Field(
        {
            "V1": ["V1"],
            "V2": ["V2"],
            "V3": ["V3"],
            "V4": ["V4"],
            "MT": ["MT", "MST"],
            "LOC": ["LO1", "LO2", "LO3", "PIT"],
            "FFA": ["FFC"],
            "PPA": ["PHA1", "PHA2", "PHA3", "VMV1", "VMV2", "VMV3"],
            "EBA": ["TE2p", "PH", "V4t", "FST"],
        },
        description="functional groups as areas of the atlas (HCP-MMP, without hemisphere): proxies, not localisers",
    )
    shown: Literal["gradient", "integrated", "haufe"] = Field(
        "integrated", description="method of the importance maps in pictures and views"
    )
    smoothing_steps: Natural = Field(
        4,
        description="averages over neighbouring vertices before a map of the cortex is drawn (about 2 mm each); 0: none",
    )
    views: bool = Field(True, description="interactive views of the cortex (HTML, about 6 MB each)")
    mask_image: str | None = Field(
        None,
        description="NIfTI mask of a volumetric study, whose voxels the vertex list counts; null: a cortex",
    )
    batch_size: Count = Field(32, description="clips per forward and backward pass (does not change results)")


class Report(Section):
    """The page."""

    title: str = Field("NEURONS: reconstructed videos", description="title of the page")
    gallery_clips: Count = Field(200, description="most clips per subject and variant in the gallery")


class Compute(Section):
    """Where and how models run."""

    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto: cuda if there is one, else cpu"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on cuda, fp32 on cpu")
    threads: Count = Field(
        1, description="CPU threads per job; results on a CPU are equal only for an equal number"
    )


class Variant(Section):
    """A named set of overrides of the model stages."""

    pretrain: dict[str, Any] = {}
    decouple: dict[str, Any] = {}
    reconstruct: dict[str, Any] = {}


class Config(Section):
    """The whole configuration."""

    study: Study = Study()
    simulate: Simulate = Simulate()
    cut: Cut = Cut()
    preprocess: Preprocess = Preprocess()
    annotate: Annotate = Annotate()
    embed: Embed = Embed()
    pretrain: Pretrain = Pretrain()
    decouple: Decouple = Decouple()
    reconstruct: Reconstruct = Reconstruct()
    evaluate: Evaluate = Evaluate()
    interpret: Interpret = Interpret()
    report: Report = Report()
    compute: Compute = Compute()
    variants: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Variant] = Field(
        {"ours": Variant()}, min_length=1, description="overrides by variant name"
    )

    @model_validator(mode="after")
    def _variants_are_valid(self) -> Config:
        for name in (*self.variants, *(self.interpret.variants or [])):
            self.variant(name)
        return self

    def seeds(self) -> dict[str, list[str]]:
        """Variants that differ in their seeds only, by the name of the first; variants without such another are left out."""
        groups: dict[str, list[str]] = {}
        for name in self.variants:
            merged = self.variant(name)
            settings = [
                _without_seeds(getattr(merged, section).model_dump(mode="json"))
                for section in ("pretrain", "decouple", "reconstruct")
            ]
            groups.setdefault(json.dumps(settings, sort_keys=True), []).append(name)
        return {names[0]: names for names in groups.values() if len(names) > 1}

    def variant(self, name: str) -> Config:
        """The configuration with the overrides of variant `name` applied."""
        if name not in self.variants:
            raise InputError(f"unknown variant {name!r}; the configuration has: {', '.join(self.variants)}")
        changed = self.model_dump()
        for section, overrides in self.variants[name].model_dump().items():
            changed[section] = _merged(changed[section], overrides)
        changed["variants"] = {}
        return Config.model_construct(
            **{
                **{key: getattr(self, key) for key in Config.model_fields},
                "pretrain": _checked(Pretrain, changed["pretrain"], f"variants.{name}.pretrain"),
                "decouple": _checked(Decouple, changed["decouple"], f"variants.{name}.decouple"),
                "reconstruct": _checked(Reconstruct, changed["reconstruct"], f"variants.{name}.reconstruct"),
            }
        )


def _without_seeds(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {key: _without_seeds(value) for key, value in values.items() if key != "seed"}


def _merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if nested else value
    return merged


def _checked(section: type[Section], values: dict[str, Any], where: str) -> Any:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ValueError("; ".join(problems(error, section, where))) from error


def load(values: dict[str, Any]) -> Config:
    """Check a configuration given as nested dictionaries.

    Raises
    ------
    InputError
        Listing every problem: key, what is wrong, and for an unknown key the nearest valid one.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        listed = "\n".join(f"- {problem}" for problem in problems(error, Config))
        raise InputError(f"the configuration has these problems:\n{listed}") from error


def problems(error: ValidationError, section: type[BaseModel], where: str = "") -> Iterator[str]:
    """One sentence per problem of a validation error."""
    valid = [".".join(filter(None, (where, key))) for key, _ in fields(section)]
    for problem in error.errors():
        key = ".".join(filter(None, (where, *(str(part) for part in problem["loc"]))))
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{key}: unknown key{hint}"
        else:
            given = (
                f" (given: {problem['input']!r})" if problem["type"] != "missing" and problem["loc"] else ""
            )
            yield f"{key or 'configuration'}: {problem['msg']}{given}"


def fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All (dotted key, pydantic field) pairs of a section, sections within it included."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from fields(annotation, f"{key}.")
        else:
            yield key, field

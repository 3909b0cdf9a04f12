"""The ``neurons`` command: ``neurons <stage> <step> ...``, made from the signatures and docstrings of the steps."""

from __future__ import annotations

import sys

from cyclopts import App, Parameter

from neurons import __version__
from neurons.artifacts import InputError
from neurons.console import logger, start_logging

# The map of the house: stage -> module -> steps. A step's module is imported only when the step is called, since
# the libraries of some stages take seconds to load; a stage's light steps are apart from its heavy ones for that.
STEPS: dict[str, dict[str, tuple[str, ...]]] = {
    "simulate": {
        "neurons.simulate.steps": ("run_table", "brain", "run"),
        "neurons.simulate.movie_steps": ("movie",),
        "neurons.simulate.miniatures.steps_recognition": (
            "train_clip",
            "train_captioner",
            "train_frame_classifier",
            "train_video_classifier",
            "judge_recognition",
        ),
        "neurons.simulate.miniatures.steps_autoencoder": ("train_vae", "refine_vae_decoder"),
        "neurons.simulate.miniatures.steps_video": (
            "train_image",
            "draw_clips",
            "train_video",
            "continue_video",
        ),
        "neurons.simulate.miniatures.steps_pictures": ("train_control", "train_unclip"),
        "neurons.simulate.miniatures.steps_judging": ("judge_diffusion",),
    },
    "cut": {"neurons.cut.steps": ("clips", "playback")},
    "preprocess": {
        "neurons.preprocess.steps": ("run", "gather"),
        "neurons.preprocess.selection_steps": ("select", "quality"),
    },
    "annotate": {"neurons.annotate.steps": ("clips",)},
    "embed": {"neurons.embed.steps": ("images", "latents", "captions", "concepts")},
    "pretrain": {"neurons.pretrain.steps": ("fit",)},
    "decouple": {"neurons.decouple.steps": ("fit",)},
    "reconstruct": {
        "neurons.reconstruct.steps": ("decode", "control", "videos"),
        "neurons.reconstruct.gathering_steps": ("oracle", "gather"),
    },
    "evaluate": {
        "neurons.evaluate.feature_steps": ("truth", "features"),
        "neurons.evaluate.steps": ("scores", "table"),
        "neurons.evaluate.reference_steps": ("mean", "retrieval"),
        "neurons.evaluate.analysis_steps": ("breakdown", "ceiling", "compare", "alarms"),
        "neurons.evaluate.table_steps": ("tables",),
        "neurons.evaluate.figure_steps": ("figures",),
        "neurons.evaluate.standalone_steps": ("videos",),
    },
    "interpret": {
        "neurons.interpret.importance_steps": ("importance",),
        "neurons.interpret.encoding_steps": ("encoding",),
        "neurons.interpret.area_steps": ("areas",),
        "neurons.interpret.map_steps": ("maps",),
    },
    "report": {"neurons.report.steps": ("page",)},
}

STORIES = {
    "simulate": "Make a study on disk, movies and brains, in the file formats of a real one.",
    "cut": "Movies to clips: frames with time stamps, scene cuts, a clip table.",
    "preprocess": "Runs to responses: trim and lag, detrend, z-score, vertex selection.",
    "annotate": "Clips to captions, tags, concepts, masks and key objects.",
    "embed": "Frames and texts to frozen features, computed once.",
    "pretrain": "Train the brain model: responses to video and text embeddings.",
    "decouple": "Train the four task heads and the prior.",
    "reconstruct": "Test responses to task outputs, control images and videos.",
    "evaluate": "Score reconstructions: chance, intervals, reference rows.",
    "interpret": "Which vertices and areas speak for which task, in both directions.",
    "report": "Gather everything in one page.",
}


def build() -> App:
    """The application, with every step as a command of its stage."""
    lists = Parameter(consume_multiple=True, negative=())
    app = App(name="neurons", help=__doc__, version=__version__, default_parameter=lists)
    for stage, modules in STEPS.items():
        group = App(name=stage, help=STORIES[stage])
        for module, steps in modules.items():
            for step in steps:
                group.command(f"{module}:{step}", name=step.replace("_", "-"))
        app.command(group)
    return app


def main() -> None:
    """Run a step; a problem in the input is one message without a traceback, and exit code 1."""
    start_logging()
    try:
        build()()
    except InputError as error:
        logger.error("%s", error)
        sys.exit(1)

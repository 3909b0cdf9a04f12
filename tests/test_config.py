"""The configuration: one tree, clear errors, and generated files that are equal to it."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from neurons import config_reference
from neurons.artifacts import InputError
from neurons.config import Config, fields, load
from neurons.config_files import load_files

ROOT = Path(__file__).parents[1]


def test_shipped_configurations_are_valid():
    for path in sorted((ROOT / "config").glob("*.yaml")):
        load(yaml.safe_load(path.read_text()))


def test_real_data_inherit_no_value_of_the_simulated_study():
    """The default lies under every other configuration, so cc2017.yaml must state each key that the default sets."""

    def leaves(values, path=()):
        if isinstance(values, dict):
            return {key for name, value in values.items() for key in leaves(value, (*path, name))}
        return {".".join(path)}

    default, real = (
        yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "cc2017.yaml")
    )
    shared = {"variants", "simulate"}  # what the variants mean is the same for all; `simulate` does not run
    inherited = {key for key in leaves(default) - leaves(real) if key.split(".")[0] not in shared}
    assert inherited == set()


def test_generated_files_are_up_to_date():
    assert (ROOT / config_reference.SCHEMA).read_text() == config_reference.schema_text()
    readme = (ROOT / config_reference.README).read_text()
    assert config_reference.readme_text(readme) == readme


def test_every_key_is_described():
    undescribed = []
    for name, section in Config.model_fields.items():
        kind = section.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            undescribed += [key for key, field in fields(kind, f"{name}.") if not field.description]
    undescribed = [
        key
        for key in undescribed
        if not key.startswith("decouple.weights.") and not key.endswith((".path", ".revision"))
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"reconstruct": {"video": {"guidence": 3}}},
            "reconstruct.video.guidence: unknown key; did you mean 'reconstruct.video.guidance'",
        ),
        (
            {"preprocess": {"selection": {"alpha": 2}}},
            "preprocess.selection.alpha: Input should be less than 1",
        ),
        (
            {"variants": {"ours": {"pretrain": {"hiden_width": 3}}}},
            "variants.ours.pretrain.hiden_width: unknown key; did you mean",
        ),
        ({"variants": {"Ours!": {}}}, "variants"),
        ({"variants": {}}, "variants"),
        ({"compute": {"device": "gpu"}}, "compute.device"),
    ],
)
def test_problems_name_the_key(values, message):
    with pytest.raises(InputError) as caught:
        load(values)
    assert message in str(caught.value)


def test_all_problems_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        load({"cut": {"phase": 1.5}, "embed": {"batch_size": 0}, "nonsense": 1})
    assert str(caught.value).count("\n- ") == 3


def test_a_variant_overrides_only_what_it_names():
    config = load(
        {
            "variants": {
                "ours": {},
                "other": {"reconstruct": {"video": {"strength": 0.3}}, "pretrain": {"window_tr": [0]}},
            }
        }
    )
    other = config.variant("other")
    assert other.reconstruct.video.strength == 0.3
    assert other.pretrain.window_tr == [0]
    assert (
        other.reconstruct.video.model_copy(update={"strength": config.reconstruct.video.strength})
        == config.reconstruct.video
    )
    assert other.decouple == config.decouple
    assert config.variant("ours").pretrain == config.pretrain
    with pytest.raises(InputError, match="unknown variant 'third'; the configuration has: ours, other"):
        config.variant("third")


ABLATED = {
    "pretrain": {"blocks": 3},
    "ablations": {
        "seeds": [4, 5],
        "common": {"pretrain": {"training_clips": 90}, "decouple": {"optimiser": {"epochs": 2}}},
        "rows": {
            "base": {"change": "nothing"},
            "flat": {"change": "a", "decouple": {"progressive": False, "optimiser": {"epochs": 3}}},
            "video": {"change": "b", "reconstruct": {"mask_floor": 0.7}},
        },
    },
}


def test_rows_and_seeds_of_the_ablation_table_are_variants():
    config = load(ABLATED)
    assert list(config.derived) == [
        f"{row}_seed{seed}" for row in ("base", "flat", "video") for seed in (4, 5)
    ]
    flat = config.variant("flat_seed5")
    assert (flat.pretrain.seed, flat.decouple.seed, flat.reconstruct.seed) == (5, 5, 0)
    assert (flat.pretrain.blocks, flat.pretrain.training_clips) == (3, 90)
    assert (flat.decouple.progressive, flat.decouple.optimiser.epochs) == (False, 3)
    assert config.variant("base_seed4").decouple.optimiser.epochs == 2
    assert config.variant("ours").pretrain.training_clips is None


def test_derived_variants_share_what_is_equal():
    config = load(ABLATED)
    assert config.sharing("flat_seed5", ("pretrain",)) == "base_seed5"
    assert config.sharing("flat_seed5", ("pretrain", "decouple")) == "flat_seed5"
    assert config.sharing("video_seed4", ("pretrain", "decouple")) == "base_seed4"
    assert config.sharing("video_seed4", ("pretrain", "decouple", "reconstruct")) == "video_seed4"
    assert config.sharing("ours", ("pretrain",)) == "ours"


def test_points_of_a_learning_curve_are_variants():
    config = load({"learning_curves": {"clips": [60, 400], "seeds": [1]}})
    few, many = (config.variant(f"curve_own_{clips}_seed1").pretrain for clips in (60, 400))
    assert (few.training_clips, few.hidden_width, few.start) == (60, 30, "own")
    assert many.hidden_width == config.pretrain.hidden_width
    others = config.variant("curve_others_60_seed1").pretrain
    assert (others.start, others.hidden_width) == ("others", config.pretrain.hidden_width)
    apart = frozenset({"training_clips"})
    assert config.sharing("curve_others_400_seed1", ("pretrain",), apart) == "curve_others_60_seed1"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ablations": {"rows": {"base": {"pretrain": {}}}}}, "ablations.rows.base.change"),
        (
            {"ablations": {"rows": {"base": {"change": "a", "decouple": {"dropot": 0.1}}}}},
            "variants.base_seed0.decouple.dropot: unknown key; did you mean",
        ),
        (
            {"variants": {"a_seed0": {}}, "ablations": {"rows": {"a": {"change": "b"}}}},
            "a_seed0 is a variant already",
        ),
        ({"pretrain": {"start": "others", "ridge": "trained"}}, "start others needs ridge closed_form"),
    ],
)
def test_problems_of_derived_variants_name_the_row(values, message):
    with pytest.raises(InputError) as caught:
        load(values)
    assert message in str(caught.value)


def test_files_are_merged_in_order_into_the_default(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("reconstruct: {video: {steps: 3, guidance: 2.0}}")
    second.write_text("reconstruct: {video: {steps: 4}}")
    video = load_files([first, second]).reconstruct.video
    assert (video.steps, video.guidance, video.scheduler) == (4, 2.0, "DPMSolverMultistepScheduler")
    second.write_text("reconstruct: {video: {stops: 4}}")
    with pytest.raises(InputError, match=r"reconstruct\.video\.stops: unknown key; did you mean"):
        load_files([second])
    second.write_text("reconstruct: {")
    with pytest.raises(InputError, match=r"second\.yaml cannot be read"):
        load_files([second])

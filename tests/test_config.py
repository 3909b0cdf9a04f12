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

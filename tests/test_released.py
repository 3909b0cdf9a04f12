"""Released descriptions of clips: what is read, and what is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from neurons.artifacts import InputError
from neurons.released import open_descriptions

ENTRIES = [
    {"idx": 1, "caption": " a dog runs ", "tags": ["dog", "grass "]},
    {"idx": 0, "caption": "a red car", "tags": "car, road"},
    {"idx": 2, "caption": "nothing named", "tags": []},
]


def write(path: Path, content: object) -> Path:
    if path.suffix == ".pt":
        torch.save(content, path)
    else:
        path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("suffix", [".pt", ".json"])
def test_entries_are_put_in_the_order_of_their_clips(tmp_path: Path, suffix: str) -> None:
    table = open_descriptions(write(tmp_path / f"qwen{suffix}", ENTRIES))
    assert table["caption"].tolist() == ["a red car", "a dog runs", "nothing named"]
    assert table["tags"].tolist() == ["car|road", "dog|grass", ""]


def test_captions_alone_have_no_tags(tmp_path: Path) -> None:
    table = open_descriptions(write(tmp_path / "captions.pt", ["one", " two "]))
    assert table.to_dict("list") == {"caption": ["one", "two"], "tags": ["", ""]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"caption": "a"}, "holds a dict of 0 entries; a list of captions"),
        ([], "holds a list of 0 entries"),
        ([{"idx": 0, "caption": "a"}], "idx, caption, tags, is expected"),
        ([ENTRIES[0], ENTRIES[2]], r"idx should be 0 to 1, each once; it is 1, ..., 2"),
        ([ENTRIES[1], ENTRIES[1]], "each once"),
        ([{**ENTRIES[1], "idx": "x"}], "each once"),
        ([{**ENTRIES[1], "caption": "None"}], "1 captions are empty, the first is that of clip 0"),
        ([{**ENTRIES[1], "caption": None}], "1 captions are empty"),
        ([{**ENTRIES[1], "tags": 3}], "entry 0: tags are a int; a list of texts"),
        ([{**ENTRIES[1], "tags": ["a|b"]}], "cannot be told apart"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_descriptions(write(tmp_path / "file.json", content))


def test_files_that_are_missing_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_descriptions(tmp_path / "nothing.json")
    (tmp_path / "broken.json").write_text("[{")
    with pytest.raises(InputError, match="is not JSON"):
        open_descriptions(tmp_path / "broken.json")


def test_arrays_of_texts_as_numpy_saves_them(tmp_path: Path) -> None:
    """So the captions were released."""
    table = open_descriptions(write(tmp_path / "captions.pt", np.array(["one", "a longer two"])))
    assert table["caption"].tolist() == ["one", "a longer two"]


def test_arrays_that_numpy_saved_before_its_second_version(tmp_path: Path) -> None:
    path, old = write(tmp_path / "captions.pt", np.array(["one", "two"])), tmp_path / "old.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for info in source.infolist():
            target.writestr(
                info, source.read(info).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            )
    assert b"numpy.core.multiarray" in old.read_bytes()
    assert open_descriptions(old)["caption"].tolist() == ["one", "two"]


def test_arrays_of_numbers_and_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not opened"):
        open_descriptions(write(tmp_path / "numbers.pt", np.arange(3.0)))
    with pytest.raises(InputError, match="could run code"):
        open_descriptions(write(tmp_path / "code.pt", [Path("a")]))

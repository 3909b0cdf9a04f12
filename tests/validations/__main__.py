"""Write docs/validations.md: what is checked, and the sentence that a user reads.

``python -m tests.validations`` makes every broken file, asks, and writes down the answers.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path

from neurons.artifacts import InputError
from neurons.console import logger
from tests.validations.cases import CASES, Case, Ordered

PAGE = Path(__file__).parents[2] / "docs" / "validations.md"
HEAD = """# What is validated, and what you are told

Each row was made by breaking a real file and asking (`python -m tests.validations` writes this page; a test repeats it).
An *error* stops the workflow; a *warning* is in the log and the results; *note* and *ordered* are handled and recorded.
Numbers of bytes are written as N. Whether a run follows its movie is checked too, see the last section.

| found by | level | what is wrong | what you are told |
|---|---|---|---|
"""
TAIL = """
## Runs that do not follow their movies

Swapped movies, wrong onsets and recordings out of step leave shapes and counts intact. `preprocess alignment` compares each
run with the mean of the other showings of its movie at lags of -6 to +6 clips, and with responses predicted from luminance,
contrast and motion of every movie (training runs with training movies only). `alignment_train.tsv` and `alignment_test.tsv`
have the profiles, `quality.png` draws them; `preprocess gather-train` and `gather-test` stop with one of these sentences per
run (`tests/preprocess/test_alignment.py` provokes each):

- *agrees best with the other repeats +5 clips (+10 s) away (r .., in step ..): wrong onset_s, or the recording is out of
  step with its movie* (of two showings the one that the stimulus contradicts; if it cannot be told, both)
- *follows the movie seg4 (r ..) rather than seg1 (r ..): files or movies are swapped*
- *follows the stimulus best +4 clips (+8 s) late (r .., in step ..): wrong onset_s, or all showings run out of step with
  the movie*
- *all runs together follow the stimulus best +3 clips (+6 s) after the configured delay ..: wrong
  preprocess.hemodynamic_delay_s, or every onset_s is* (a lag of one clip is a warning: people differ)
- *hardly agrees with the other repeats: a bad recording, or wrong in a way that no lag or other movie explains* (a warning)

A run is left out by one line of the configuration, with the reason, which is recorded:

```
study:
  exclude:
    subject3/test2/9: recorded about 10 s behind its movie
```
"""


def told(case: Case, folder: Path) -> str:
    """What a user is told: the error, else the last message of the case's level."""
    messages: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = messages.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        case.act(folder)
    except (InputError, Ordered) as answer:
        return plain(str(answer), folder)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    wanted = logging.WARNING if case.level == "warning" else logging.INFO
    answers = [record.getMessage() for record in messages if record.levelno == wanted]
    return plain(answers[0] if answers else "", folder)


def plain(text: str, folder: Path) -> str:
    """One line without the temporary folder and numbers of bytes."""
    text = text.replace(f"{folder}/", "").replace(str(folder), "study")
    text = re.sub(r"\d+ bytes", "N bytes", text)
    text = re.sub(r"describes \d+", "describes N", text)
    text = re.sub(r"\s*\n(- )?", lambda match: " / " if match[1] else " ", text)
    return text.replace("|", "\\|")


def page() -> str:
    """The whole page."""
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(f"| `{case.stage}` | {case.level} | {case.wrong} | {told(case, Path(folder))} |\n")
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    PAGE.write_text(page())

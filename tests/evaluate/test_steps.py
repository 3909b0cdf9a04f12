"""The steps, from files to the table of all scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import InputError, TensorFile, gather, read_table, write_table, write_tensors
from neurons.evaluate import steps
from tests.evaluate.conftest import TEST, TRAIN, Study

TIMES = [(i + 0.5) / 8 for i in range(16)]


def test_x(study, tmp_path):
    pass

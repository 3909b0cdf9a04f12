"""A dozen injected faults; the long run is a benchmark."""

import pytest

from tests.workflow.conftest import benchmark


@pytest.mark.slow
def test_a_dozen_faults_lose_nothing(tmp_path):
    score = benchmark("faults").torture(tmp_path / "study", faults=12, seed=1)
    assert score.injected.total() >= 12
    assert score.lost.total() == 0, "\n".join(score.problems)
    assert score.silent.total() == 0, f"faults without a message: {score.silent}"


def test_a_large_study_is_planned(tmp_path):
    scale = benchmark("scale")
    table = scale.run_table(subjects=4, train=3, test=2)
    config = scale.prepare(tmp_path, table, variants=3)
    config.write_text(config.read_text().replace("- seg17\n  - seg18", "- seg3"))
    _, memory_mb, summary = scale.measure(tmp_path, config)
    made = [line.split("\t")[2] for line in summary.splitlines() if line.startswith("results/")]
    assert made.count("preprocess_run") == len(table) == 4 * (3 * 2 + 2 * 10)
    assert made.count("pretrain_fit") == 3 * 4 * 3
    assert memory_mb < 2000

"""The table of a run's figures and the picture of it."""

import numpy as np
import pytest
from PIL import Image

from stemforge.train.running.curves import LearningCurves, run_table
from stemforge.train.task import F1, RMS_ERROR


def write_epochs(run, epochs, offset=0.0):
    """Log epochs as Lightning does: what was validated first, then what was trained."""
    logger = run_table(run)
    for epoch in epochs:
        for part in ("validation", "train"):
            figures = {"epoch": epoch, f"{part}_loss": 1 / (epoch + 1) + offset, f"{part}_f1": epoch / 10}
            logger.log_metrics(figures, epoch)
            logger.save()


def test_a_run_that_goes_on_adds_to_its_table(tmp_path):
    write_epochs(tmp_path, [0, 1])
    write_epochs(tmp_path, [2, 3])
    curves = LearningCurves.read(tmp_path)
    np.testing.assert_array_equal(curves.epochs, [1, 2, 3, 4])
    np.testing.assert_allclose(curves.values["train_loss"], [1, 1 / 2, 1 / 3, 1 / 4])
    assert curves.best == 4


def test_an_epoch_that_was_begun_twice_counts_as_it_was_the_second_time(tmp_path):
    write_epochs(tmp_path, [0, 1])
    write_epochs(tmp_path, [1], offset=5)
    curves = LearningCurves.read(tmp_path)
    np.testing.assert_allclose(curves.values["validation_loss"], [1, 5.5])
    assert curves.best == 1


def test_a_line_that_was_cut_spoils_none_after_it(tmp_path):
    write_epochs(tmp_path, [0, 1])
    table = tmp_path / "logs" / "csv" / "metrics.csv"
    table.write_bytes(table.read_bytes()[:-6])
    write_epochs(tmp_path, [2])
    curves = LearningCurves.read(tmp_path)
    np.testing.assert_array_equal(curves.epochs, [1, 2, 3])
    assert curves.values["validation_loss"][2] == pytest.approx(1 / 3)


def test_new_figures_leave_the_old_ones(tmp_path):
    write_epochs(tmp_path, [0])
    logger = run_table(tmp_path)
    logger.log_metrics({"epoch": 1, "validation_loss": 0.1, "validation_recall": 0.5}, 1)
    logger.save()
    values = LearningCurves.read(tmp_path).values
    np.testing.assert_allclose(values["validation_loss"], [1, 0.1])
    np.testing.assert_allclose(values["validation_recall"], [np.nan, 0.5])


def test_nothing_is_drawn_before_the_first_epoch_has_ended(tmp_path):
    curves = LearningCurves.read(tmp_path)
    assert curves.best is None
    curves.write(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("merit", "label", "panels"), [(F1, "F1", 2), (None, "Loss", 1)])
def test_the_picture_shows_both_parts_and_the_epoch_that_is_kept(tmp_path, merit, label, panels):
    values = {"train_loss": np.array([9.0, 4, 1]), "validation_loss": np.array([8.0, 3, 5])}
    values |= {"validation_f1": np.array([0.1, 0.5, 0.4])}
    curves = LearningCurves(np.array([1, 2, 3]), values, merit=merit)
    figure = curves.figure("atom-net")
    assert len(figure.axes) == panels
    left, right = figure.axes[0], figure.axes[-1]
    assert right.get_ylabel() == label
    assert left.get_legend_handles_labels()[1] == ["training", "validation", "epoch 2, kept"]
    styles = {(line.get_color(), line.get_marker()) for line in left.lines[:2]}
    assert len(styles) == 2
    curves.write(tmp_path, "atom-net")
    assert Image.open(tmp_path / "learning_curves.png").size[0] > 500


def test_the_error_of_a_restorer_is_shown_in_grey_levels():
    curves = LearningCurves(np.array([1]), {"validation_mse": np.array([144.0])}, "validation_mse", RMS_ERROR)
    axes = curves.figure().axes[1]
    assert axes.get_ylabel() == "RMS error [grey levels]"
    assert axes.lines[0].get_ydata()[0] == 12

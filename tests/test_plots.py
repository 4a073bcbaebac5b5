"""Figures: what they draw, and what they refuse."""

import io

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from common import plots


@pytest.fixture(autouse=True)
def close_figures():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def test_grid_has_one_value_range():
    images = np.stack([np.zeros((4, 4)), np.full((4, 4), 3.0)])
    figure = plots.image_grid(images, ["a", "b"], columns=3)
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == ["a", "b"]
    assert {axis.images[0].get_clim() for axis in drawn} == {(0.0, 3.0)}


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4, 2)])
def test_grid_refuses_what_is_no_image(shape):
    with pytest.raises(ValueError, match="images must be"):
        plots.image_grid(np.zeros(shape))
    with pytest.raises(ValueError, match="Expected 2 titles"):
        plots.image_grid(np.zeros((2, 4, 4)), ["one"])


def test_curves_show_training_and_validation():
    figure = plots.learning_curves({"loss": [2, 1], "validation_loss": [3, 2], "accuracy": [0, 1]})
    loss, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[2, 1], [3, 2]] and len(accuracy.lines) == 1
    assert loss.get_xlabel() == "epoch" and accuracy.get_ylabel() == "akurasi"
    with pytest.raises(ValueError, match="history has no"):
        plots.learning_curves({"loss": [1]}, names=("los",))


def test_confusion_matrix_writes_every_count():
    figure = plots.confusion_matrix([[3, 1], [0, 2]], ("a", "b"))
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1", "0", "2"]
    with pytest.raises(ValueError, match=r"Expected a \(3, 3\) matrix"):
        plots.confusion_matrix([[1]], ("a", "b", "c"))


def test_boundary_colours_the_predicted_half():
    points, labels = np.array([[-1.0, 0], [1, 0]]), np.array([0, 1])
    axis = plots.decision_boundary(lambda p: np.stack([-p[:, 0], p[:, 0]], axis=1), points, labels, cells=10)
    regions = axis.images[0].get_array()
    assert (regions[:, :5] == 0).all() and (regions[:, 5:] == 1).all()
    with pytest.raises(ValueError, match=r"points must be \(N, 2\)"):
        plots.decision_boundary(None, np.zeros((3, 3)), labels)


def test_feature_maps_are_centred_on_zero():
    figure = plots.feature_maps(np.array([[[-1.0, 4.0]]]))
    assert {axis.images[0].get_clim() for axis in figure.axes if axis.images} == {(-4.0, 4.0)}
    with pytest.raises(ValueError, match=r"maps must be \(H, W, C\)"):
        plots.feature_maps(np.zeros((3, 3)))


def test_animation_holds_every_frame_and_closes_figures():
    def frames():
        for height in (1, 2, 3):
            figure, axis = plt.subplots(figsize=(1, 1))
            axis.bar([0], [height])
            yield figure

    picture = Image.open(io.BytesIO(plots.animation(frames())))
    assert picture.format == "PNG" and picture.n_frames == 3 and picture.info["loop"] == 0
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="No figure"):
        plots.animation([])


def test_style_is_set_only_when_asked():
    before = plt.rcParams["figure.dpi"]
    assert before != 76
    plots.use_style()
    assert plt.rcParams["figure.dpi"] == 76

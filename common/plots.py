"""Figures of the course in one style, from NumPy arrays; labels are Indonesian, as the lessons are."""

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from PIL import Image

# Okabe and Ito (2008), told apart with every common form of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = "ox^sv+D*"  # one for each colour: a second sign for readers without colours
METRIC_NAMES = {"loss": "loss (nat)", "accuracy": "akurasi"}
LAST_COLOUR = 255  # of the 256 in a palette image


def use_style():
    """Set Matplotlib's defaults for a lesson: small files, light grid, colour-blind-safe palette."""
    plt.rcParams.update(
        {
            "figure.dpi": 76,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": plt.cycler(color=PALETTE),
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.3,
            "image.cmap": "viridis",
        }
    )


def image_grid(images, titles=None, *, columns=8, value_range=None, size=1.1):
    """Draw images in a grid, all with one value range.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3) array; grey images are drawn in grey levels.
        titles: N strings, or None.
        columns: images in a row.
        value_range: (lowest, highest) value of the grey scale; None takes them from all images.
        size: width of one image in inches.

    Returns:
        The Matplotlib figure.

    Raises:
        ValueError: the array has another shape, or there are not N titles.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]  # (N, H, W)
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] == 3):
        raise ValueError(f"images must be (N, H, W), (N, H, W, 1) or (N, H, W, 3), got {images.shape}.")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"Expected {len(images)} titles, one an image, got {len(titles)}.")
    low, high = value_range or (images.min(), images.max())
    rows = -(-len(images) // columns)  # rounded up
    figure, axes = plt.subplots(rows, columns, figsize=(columns * size, rows * size * (1.25 if titles else 1)))
    for number, axis in enumerate(np.atleast_1d(axes).flat):
        axis.axis("off")
        if number < len(images):
            axis.imshow(images[number], cmap="gray", vmin=low, vmax=high)
            if titles is not None:
                axis.set_title(titles[number], fontsize=8)
    return figure


def learning_curves(history, names=("loss", "accuracy")):
    """Draw the metrics of training and validation against the epoch.

    Args:
        history: from `common.training.fit`.
        names: metrics to draw, one panel each.

    Returns:
        The Matplotlib figure.

    Raises:
        ValueError: a name is not in the history.
    """
    missing = [name for name in names if name not in history]
    if missing:
        raise ValueError(f"history has no {missing}; it has {sorted(history)}.")
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.2), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=True):
        for key, label, style in ((name, "data latih", "o-"), (f"validation_{name}", "data validasi", "s--")):
            if key in history:
                axis.plot(np.arange(1, len(history[key]) + 1), history[key], style, markersize=4, label=label)
        axis.set(xlabel="epoch", ylabel=METRIC_NAMES.get(name, name))
        axis.legend()
    return figure


def confusion_matrix(matrix, classes):
    """Draw a confusion matrix with its counts.

    Args:
        matrix: (K, K) integers from `common.metrics.confusion_matrix`, rows the true classes.
        classes: K names.

    Returns:
        The Matplotlib figure.

    Raises:
        ValueError: the matrix does not fit the names.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"Expected a ({len(classes)}, {len(classes)}) matrix for the names, got {matrix.shape}.")
    figure, axis = plt.subplots(figsize=(0.55 * len(classes) + 1.5, 0.5 * len(classes) + 1.2))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "black" if share[row, column] > 0.6 else "white"  # 0.6: where viridis turns bright
        axis.text(column, row, count, ha="center", va="center", fontsize=8, color=colour)
    ticks = np.arange(len(classes))
    axis.set_xticks(ticks, classes, rotation=45, ha="right")
    axis.set_yticks(ticks, classes)
    axis.set(xlabel="kelas tebakan", ylabel="kelas sebenarnya")
    axis.grid(False)
    return figure


def decision_boundary(predict, points, labels, *, axis=None, cells=120):
    """Colour the plane by the predicted class and draw the points over it.

    Args:
        predict: maps (M, 2) float32 points to (M, K) scores; the largest score is the class.
        points: (N, 2) float array.
        labels: (N,) integers in [0, K).
        axis: Matplotlib axes to draw on; None makes a figure.
        cells: grid cells along each side.

    Returns:
        The axes.

    Raises:
        ValueError: the points do not lie in the plane.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (N, 2), got {points.shape}.")
    axis = plt.subplots(figsize=(3.6, 3.4))[1] if axis is None else axis
    reach = 1.1 * np.abs(points).max()
    side = np.linspace(-reach, reach, cells, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # (cells * cells, 2)
    regions = np.asarray(predict(plane)).argmax(-1).reshape(cells, cells)
    colours = ListedColormap(PALETTE[: labels.max() + 1])
    last = max(labels.max(), 1)
    axis.imshow(
        regions,
        cmap=colours,
        vmin=0,
        vmax=last,
        alpha=0.3,
        origin="lower",
        extent=(-reach, reach, -reach, reach),
    )
    if np.ptp(regions):  # a border, for who cannot tell the tints; contour warns where one class fills the plane
        axis.contour(side, side, regions, levels=np.arange(last) + 0.5, colors="black", linewidths=0.6)
    for label in np.unique(labels):
        style = {"marker": MARKERS[label], "color": PALETTE[label], "s": 10, "linewidths": 0.8}
        axis.scatter(*points[labels == label].T, **style)
    axis.set(xlabel="$x_1$", ylabel="$x_2$")
    axis.grid(False)
    return axis


def feature_maps(maps, *, columns=8):
    """Draw the channels of one feature map, or the filters of a layer, around zero.

    Args:
        maps: (H, W, C) float array.
        columns: images in a row.

    Returns:
        The Matplotlib figure; blue is negative, yellow positive, grey zero; the lightness tells them apart as well.

    Raises:
        ValueError: the array has not three axes.
    """
    maps = np.asarray(maps)
    if maps.ndim != 3:
        raise ValueError(f"maps must be (H, W, C), got {maps.shape}.")
    reach = np.abs(maps).max() or 1
    figure = image_grid(maps.transpose(2, 0, 1), columns=columns, value_range=(-reach, reach))
    for axis in figure.axes:
        for image in axis.images:
            image.set_cmap("cividis")
    return figure


def animation(figures, *, milliseconds=200, last_milliseconds=1500):
    """Turn figures into one looping animated PNG, which shows as an image wherever a PNG does.

    Args:
        figures: iterable of Matplotlib figures of one size; each is closed once it is drawn.
        milliseconds: how long each frame stays.
        last_milliseconds: how long the last one stays.

    Returns:
        The image as bytes; `IPython.display.Image(data=...)` shows it.

    Raises:
        ValueError: there is no figure.
    """
    frames = []
    for figure in figures:
        with io.BytesIO() as buffer:
            figure.savefig(buffer, format="png", dpi=plt.rcParams["figure.dpi"])
            frames.append(Image.open(buffer).convert("RGB"))
        plt.close(figure)  # the notebook shows the animation, not each frame
    if not frames:
        raise ValueError("No figure to animate; expected at least one.")
    palette = frames[-1].quantize(LAST_COLOUR)  # one palette for all frames keeps the file small
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    durations = [milliseconds] * len(rest) + [last_milliseconds]
    with io.BytesIO() as buffer:
        first.save(buffer, format="PNG", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)
        return buffer.getvalue()

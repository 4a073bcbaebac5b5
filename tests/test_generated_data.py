"""The generated datasets: deterministic, balanced, in range, as hard and as easy as they claim."""

import re

import numpy as np
import pytest

from common.data import COLOURS, RECALL_SYMBOLS, SHAPES, batik, gamelan, recall_task, rumah, spiral

LABELLED = {
    "batik": (batik.make_batik, 8),
    "gamelan": (gamelan.make_gamelan, 5),
    "spiral": (spiral.make_spiral, 3),
}
MAKERS = {name: make for name, (make, _) in LABELLED.items()} | {"rumah": rumah.make_rumah}


def linear_accuracy(inputs, labels, *, train, ridge):
    """Fit one-against-all ridge regression on the first `train` rows; return the accuracy on the others."""
    x = inputs.reshape(len(inputs), -1).astype(np.float64)
    x = (x - x[:train].mean(axis=0)) / (x[:train].std(axis=0) + 1e-9)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1) / np.sqrt(x.shape[1])
    targets = np.eye(labels.max() + 1)[labels[:train]]
    weights = np.linalg.solve(x[:train] @ x[:train].T + ridge * np.eye(train), targets)  # the dual: (train, classes)
    return np.mean((x[train:] @ x[:train].T @ weights).argmax(axis=1) == labels[train:])


@pytest.mark.parametrize("name", MAKERS)
def test_same_seed_same_data(name):
    first, again, other = MAKERS[name](30, seed=4), MAKERS[name](30, seed=4), MAKERS[name](30, seed=5)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_balanced_and_shuffled(name):
    make, classes = LABELLED[name]
    _, labels = make(10 * classes + 2)
    sizes = np.bincount(labels, minlength=classes)
    assert labels.dtype == np.int32
    assert len(sizes) == classes and np.ptp(sizes) == 1
    assert np.any(np.diff(labels) < 0)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("count", [-1, 2.5, "10"])
def test_wrong_count_is_refused(name, count):
    with pytest.raises(ValueError, match=f"count must be a whole number of at least 0, got {count!r}"):
        MAKERS[name](count)


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_asked_nothing_made(name):
    inputs, targets = MAKERS[name](0)
    assert len(inputs) == len(targets) == 0
    assert inputs.shape[1:] == MAKERS[name](1)[0].shape[1:]


@pytest.mark.parametrize("size", [16, 32, 65])
def test_batik_shape_and_range(size):
    images, _ = batik.make_batik(40, size=size)
    assert images.shape == (40, size, size, 3) and images.dtype == np.uint8
    assert images.std(axis=(1, 2, 3)).min() > 10  # no image is plain
    assert len(np.unique(images.reshape(40, -1), axis=0)) == 40


@pytest.mark.parametrize("size", [15, -32, 32.0])
def test_batik_refuses_wrong_size(size):
    with pytest.raises(ValueError, match=f"size must be a whole number of at least 16, got {re.escape(repr(size))}"):
        batik.make_batik(1, size=size)


def test_batik_names_match_the_motifs():
    assert len(batik.CLASSES) == len(batik.CLASSES_ENGLISH) == len(batik.MOTIFS) == len(set(batik.CLASSES)) == 8
    for name, motif in zip(batik.CLASSES, batik.MOTIFS, strict=True):
        assert motif.draw.__name__ == "_" + name.replace(" ", "_")


def draw(name, x, y):
    """Draw a motif with hard edges at the given coordinates, in repeats."""
    block = [np.asarray(place, np.float32).reshape(1, 1, -1) for place in (x, y)]
    cloth = batik.Cloth(*block, pixel=np.full((1, 1, 1), 1e-4, np.float32), chance=np.zeros((1, 32), np.float32))
    return batik.MOTIFS[batik.CLASSES.index(name)].draw(cloth).ravel()


def test_batik_motifs_at_known_places():
    # Middle of an oval, one of its two seeds, ground between four ovals.
    np.testing.assert_array_equal(draw("kawung", [0.25, 0.32, 0.5], [0.25, 0.32, 0.0]), [1, 0, 0])
    # Heart of a flower, one of its petals, the ring, the ground inside the ring, the diamond between four rings.
    np.testing.assert_array_equal(draw("ceplok", [0, 0.2, 0.43, 0.35, 0.5], [0, 0, 0, 0, 0.5]), [0, 1, 1, 0, 1])
    # A petal of a star, the ground between two petals.
    np.testing.assert_array_equal(draw("truntum", [0.2, 0.2 * np.cos(np.pi / 8)], [0, 0.2 * np.sin(np.pi / 8)]), [1, 0])
    # Middle of a dotted diamond, then the ground half a dot further.
    np.testing.assert_array_equal(draw("nitik", [0, 1 / 16], [0, 1 / 16]), [1, 0])


@pytest.mark.parametrize("name", ["kawung", "ceplok", "nitik"])
def test_batik_motif_looks_the_same_after_a_quarter_turn(name):
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 2000))
    tone = draw(name, x, y)
    assert 0.05 < tone.mean() < 0.95
    assert np.mean(tone != draw(name, -y, x)) < 0.01  # a point on an edge may round either way


@pytest.mark.parametrize("name", ["kawung", "truntum", "ceplok", "tumpal"])
def test_batik_motif_repeats(name):
    x, y = np.random.default_rng(1).uniform(-1, 1, (2, 2000))
    assert np.mean(draw(name, x, y) != draw(name, x + 3, y)) < 0.01


def test_batik_is_near_chance_for_a_linear_model_but_not_for_texture():
    images, labels = batik.make_batik(2000, seed=7)
    assert linear_accuracy(images, labels, train=1400, ridge=1.0) < 0.25  # chance is 0.125
    grey = images.mean(axis=3)
    spectrum = np.abs(np.fft.rfft2(grey - grey.mean(axis=(1, 2), keepdims=True)))
    spectrum /= np.linalg.norm(spectrum, axis=(1, 2), keepdims=True)
    assert linear_accuracy(np.log(spectrum + 1e-3), labels, train=1400, ridge=1.0) > 0.8


def test_batik_colour_tells_nothing():
    images, labels = batik.make_batik(2000, seed=8)
    colours = images.mean(axis=(1, 2))
    assert linear_accuracy(colours - colours.mean(axis=1, keepdims=True), labels, train=1400, ridge=1e-3) < 0.2


def test_rumah_values_are_plausible():
    features, price = rumah.make_rumah(3000)
    assert features.shape == (3000, len(rumah.FEATURES)) and features.dtype == price.dtype == np.float32
    land, building, bedrooms, distance, age = features.T
    assert land.min() >= 50 and land.max() <= 400 and building.min() >= 30 and building.max() <= 350
    assert set(bedrooms) <= set(range(1, 9)) and set(age) == set(range(31))
    assert distance.min() > 0 and distance.max() <= 20
    assert price.min() > 0 and 700 < np.median(price) < 1300  # juta rupiah
    assert np.corrcoef(land, building)[0, 1] > 0.6 and np.corrcoef(building, bedrooms)[0, 1] > 0.6


def test_least_squares_recovers_the_coefficients_of_rumah():
    count = 5000
    features, price = rumah.make_rumah(count, seed=2)
    design = np.column_stack([features, np.ones(count)]).astype(np.float64)
    found, *_ = np.linalg.lstsq(design, price.astype(np.float64), rcond=None)
    deviation = rumah.NOISE * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))  # of the least squares estimate
    truth = np.append(rumah.COEFFICIENTS, rumah.INTERCEPT)
    assert np.all(np.abs(found - truth) < 4 * deviation)
    assert np.all(np.abs(found - truth) < 0.1 * np.abs(truth))
    assert np.std(price - design @ found) == pytest.approx(rumah.NOISE, rel=0.05)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spiral_without_noise_lies_on_its_arms(classes):
    points, labels = spiral.make_spiral(200, classes=classes, noise=0)
    radius = np.hypot(*points.T)
    turned = np.arctan2(points[:, 1], points[:, 0]) - 2 * np.pi * radius - 2 * np.pi * labels / classes
    np.testing.assert_allclose(np.exp(1j * turned), 1, atol=1e-4)
    assert points.dtype == np.float32 and radius.min() >= 0.1 and radius.max() <= 1 + 1e-6


def test_spiral_needs_more_than_a_line():
    points, labels = spiral.make_spiral(2000)
    assert linear_accuracy(points, labels, train=1000, ridge=1e-6) < 0.6
    distance = ((points[1000:, None] - points[None, :1000]) ** 2).sum(axis=-1)
    assert np.mean(labels[distance.argmin(axis=1)] == labels[1000:]) > 0.98  # nearest neighbour


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"classes": 2.5}, {"noise": -0.1}, {"noise": float("nan")}])
def test_spiral_refuses_wrong_settings(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be"):
        spiral.make_spiral(10, **wrong)


def test_tunings_have_the_idealised_intervals():
    slendro, pelog = (1200 * np.log2(gamelan.note_frequencies(name) / 240) for name in ("slendro", "pelog"))
    np.testing.assert_allclose(slendro, [0, 240, 480, 720, 960], atol=1e-9)  # cents
    np.testing.assert_allclose(pelog, [0, 133.33, 266.67, 533.33, 666.67, 800, 933.33], atol=0.01)
    with pytest.raises(ValueError, match="tuning must be one of .*got 'barat'"):
        gamelan.note_frequencies("barat")


@pytest.mark.parametrize("instrument", gamelan.CLASSES)
def test_tone_is_silent_before_the_strike_then_sounds_its_frequency_and_fades(instrument):
    times = np.arange(8000) / 8000 - 0.1
    tone = gamelan.synthesise(300.0, instrument, times=times)
    assert tone.dtype == np.float32 and np.abs(tone).max() <= 1
    assert np.all(tone[times < 0] == 0)
    loudest = np.abs(np.fft.rfft(tone)).argmax()  # one bin is 1 Hz
    assert loudest == pytest.approx(300, abs=5)
    assert np.std(tone[-2000:]) < 0.7 * np.std(tone[1000:3000])


def test_partials_above_half_the_rate_are_left_out():
    rate = 2000
    tone = gamelan.synthesise(450.0, "gender", times=np.arange(rate) / rate)  # the second partial would be at 1242 Hz
    power = np.abs(np.fft.rfft(tone)) ** 2
    assert power[440:461].sum() > 0.98 * power.sum()


@pytest.mark.parametrize(
    ("frequency", "instrument", "strength"), [(300, "biola", 1), (0, "saron", 1), (300, "saron", -1)]
)
def test_synthesise_refuses_wrong_values(frequency, instrument, strength):
    with pytest.raises(ValueError, match="must be"):
        gamelan.synthesise(frequency, instrument, times=np.arange(10) / 8000, strength=strength)


@pytest.mark.parametrize("wrong", [{"rate": 3000}, {"seconds": 0}, {"seconds": -1}])
def test_gamelan_refuses_wrong_settings(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must"):
        gamelan.make_gamelan(1, **wrong)


def test_gamelan_shape_and_range():
    waves, _ = gamelan.make_gamelan(20, seconds=0.25, rate=16000)
    assert waves.shape == (20, 4000) and waves.dtype == np.float32
    assert np.abs(waves).max() <= 1 and np.abs(waves).max(axis=1).min() > 0.1


def test_gamelan_needs_the_spectrum():
    waves, labels = gamelan.make_gamelan(1000, seed=3)
    assert linear_accuracy(waves, labels, train=700, ridge=1.0) < 0.4  # chance is 0.2
    frames = np.lib.stride_tricks.sliding_window_view(waves, 256, axis=1)[:, ::128] * np.hanning(256)
    spectrogram = np.log(np.abs(np.fft.rfft(frames)) + 1e-3)
    assert linear_accuracy(spectrogram, labels, train=700, ridge=0.1) > 0.85


def test_recall_sequences_hold_one_colour_and_then_one_shape():
    task = recall_task(600, length=15, seed=3)
    x, y = task["x"], task["y"]
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((600, 15), np.int32, (600,), np.int32)
    assert set(np.unique(x)) == set(range(1, len(RECALL_SYMBOLS)))
    for tokens, label in zip(x, y, strict=True):
        names = [RECALL_SYMBOLS[token] for token in tokens]
        places = [place for place, name in enumerate(names) if name in SHAPES]
        assert names[0] in COLOURS and not set(names[1:]) & set(COLOURS)
        assert len(places) == 1 and 1 <= places[0] <= 10
        assert label == 4 * COLOURS.index(names[0]) + SHAPES.index(names[places[0]])
    assert np.bincount(y, minlength=16).min() > 15  # 37.5 expected
    assert set((x[:, 1:] > 8).argmin(axis=1) + 1) == set(range(1, 11))


def test_recall_task_depends_on_its_seed_alone():
    first, again, other = recall_task(20, seed=4), recall_task(20, seed=4), recall_task(20, seed=5)
    assert first["x"].shape == (20, 60)
    np.testing.assert_array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])


@pytest.mark.parametrize(("count", "length"), [(0, 60), (5, 11)])
def test_recall_task_refuses_sizes_too_small(count, length):
    with pytest.raises(ValueError, match=f"got count {count} and length {length}"):
        recall_task(count, length=length)

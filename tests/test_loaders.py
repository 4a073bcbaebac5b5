"""Loaders: order, epochs, padding, shards, position, augmentation."""

import json

import numpy as np
import pytest

from common.data import RandomFlip, RandomShift, evaluation_loader, train_loader

ARRAYS = {"x": np.arange(103), "y": np.arange(103) % 7}


def order(loader):
    return np.concatenate([batch["x"] for batch in loader])


def test_every_epoch_has_another_order_and_each_example_at_most_once():
    loader = train_loader(ARRAYS, 10, seed=1, epochs=3)
    epochs = order(loader).reshape(3, 100)
    assert len(loader) == 30 and loader.steps_per_epoch == 10 and loader.epochs == 3
    for epoch in epochs:
        assert len(np.unique(epoch)) == 100
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()
    assert len(np.unique(epochs)) > 100  # the dropped rest changes


def test_seed_fixes_the_order():
    first, again, other = (order(train_loader(ARRAYS, 10, seed=seed, epochs=2)) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_identity_is_what_json_can_hold():
    whole = train_loader(ARRAYS, np.int64(10), seed=np.int64(3), epochs=2)
    for loader in (whole, whole.shard(1, 2)):
        assert json.loads(json.dumps(loader.identity)) == {"count": 103, "batch_size": 10, "seed": 3}
    assert evaluation_loader(ARRAYS, 10).identity["seed"] is None


def test_columns_stay_together():
    for batch in train_loader(ARRAYS, 10, seed=5):
        assert (batch["y"] == batch["x"] % 7).all()


def test_evaluation_covers_each_example_once_and_pads():
    batches = list(evaluation_loader(ARRAYS, 10))
    assert len(batches) == 11 and all(len(batch["x"]) == 10 for batch in batches)
    assert (np.concatenate([b["x"][b["mask"]] for b in batches]) == ARRAYS["x"]).all()
    assert batches[-1]["mask"].sum() == 3


@pytest.mark.parametrize(
    "make", [lambda: train_loader(ARRAYS, 12, seed=2, epochs=2), lambda: evaluation_loader(ARRAYS, 12)]
)
def test_shards_together_make_the_whole_batch(make):
    whole = [batch["x"] for batch in make()]
    shards = [[batch["x"] for batch in make().shard(index, 3)] for index in range(3)]
    for number, batch in enumerate(whole):
        assert (np.concatenate([shard[number] for shard in shards]) == batch).all()


@pytest.mark.parametrize("transforms", [(), (RandomShift(1), RandomFlip())])
def test_resumed_position_gives_the_remaining_batches(transforms):
    images = {"x": np.random.default_rng(0).integers(0, 255, (40, 5, 5, 1), np.uint8), "y": np.arange(40)}
    loader = train_loader(images, 8, seed=4, epochs=3, transforms=transforms)
    iterator = iter(loader)
    for _ in range(7):
        next(iterator)
    position = iterator.get_state()
    expected = list(iterator)
    resumed = iter(loader)
    resumed.set_state(position)
    remaining = list(resumed)
    assert len(remaining) == len(expected) == 8
    for one, other in zip(remaining, expected, strict=True):
        assert (one["x"] == other["x"]).all() and (one["y"] == other["y"]).all()


def test_shift_moves_the_picture_and_nothing_else():
    image = np.zeros((1, 7, 7, 1), np.uint8)
    image[0, 3, 3] = 9
    arrays = {"x": np.repeat(image, 200, axis=0), "y": np.zeros(200, int)}
    (batch,) = train_loader(arrays, 200, transforms=(RandomShift(2),))
    rows, columns = np.nonzero(batch["x"][..., 0])[1:]
    assert (batch["x"].sum(axis=(1, 2, 3)) == 9).all()
    assert set(rows) == set(columns) == {1, 2, 3, 4, 5}


def test_flip_mirrors_half_of_the_pictures():
    arrays = {"x": np.tile(np.arange(4, dtype=np.uint8)[None, None, :, None], (400, 2, 1, 1)), "y": np.zeros(400, int)}
    (batch,) = train_loader(arrays, 400, transforms=(RandomFlip(),))
    first = batch["x"][:, 0, 0, 0]
    assert set(first) == {0, 3} and 150 < (first == 3).sum() < 250
    assert (batch["x"].sum(axis=(1, 2, 3)) == 12).all()


def test_augmentation_is_fixed_by_the_seed_and_leaves_the_source_alone():
    images = np.random.default_rng(0).integers(0, 255, (20, 6, 6, 1), np.uint8)
    kept = images.copy()
    make = lambda seed: next(iter(train_loader({"x": images}, 20, seed=seed, transforms=(RandomShift(2),))))["x"]  # noqa: E731
    assert (make(0) == make(0)).all() and (images == kept).all()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((ARRAYS, -4), {}, "batch_size and epochs must be at least 1, got -4"),
        ((ARRAYS, 0), {}, "at least 1, got 0"),
        ((ARRAYS, 200), {}, "batch_size 200 exceeds the 103 examples"),
        ((ARRAYS, 10), {"epochs": 0}, "at least 1, got 10 and 0"),
        (({"x": np.arange(3), "y": np.arange(4)}, 2), {}, "share their first axis.*'x': 3, 'y': 4"),
        (({}, 2), {}, "not be empty"),
    ],
)
def test_wrong_sizes_are_refused_at_once(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        train_loader(*arguments, **options)


@pytest.mark.parametrize("shard", [(3, 3), (-1, 2), (0, 4)])
def test_wrong_shards_are_refused(shard):
    with pytest.raises(ValueError, match="does not fit"):
        train_loader(ARRAYS, 6).shard(*shard)


def test_negative_shift_is_refused():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        RandomShift(-1)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_padding_adds_to_a_mask_of_the_data(shape):
    mask = np.random.default_rng(0).random((10, *shape)) < 0.5
    batches = list(evaluation_loader({"x": np.arange(10), "mask": mask}, 4))
    assert all(batch["mask"].shape == (4, *shape) for batch in batches)
    joined = np.concatenate([batch["mask"] for batch in batches])
    assert (joined[:10] == mask).all() and not joined[10:].any()

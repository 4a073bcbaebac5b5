"""`load_dataset` and the embedded files."""

import gzip

import numpy as np
import pytest

from common.data import CorruptDataError, dataset_names, embedded, load_dataset, registry, split_validation

OFFLINE = [name for name in dataset_names() if name != "cifar10"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DL_JAX101_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", OFFLINE)
def test_dataset_says_what_it_is(name):
    data = load_dataset(name)
    line = repr(data)
    assert "\n" not in line and line.startswith(f"{name} ({data.kind})")
    assert data.source in line and data.licence in line and f"{len(data.train['x']):,} train" in line
    assert len(data.classes) == len(data.classes_original)


@pytest.mark.parametrize(
    ("name", "train", "test", "shape"),
    [
        ("fashion_mnist", 1000, 200, (28, 28, 1)),
        ("mnist", 760, 100, (28, 28, 1)),
        ("batik", 625, 125, (32, 32, 3)),
    ],
)
def test_images_are_uint8_and_balanced(name, train, test, shape):
    data = load_dataset(name)
    for part, per_class in ((data.train, train), (data.test, test)):
        assert part["x"].dtype == np.uint8 and part["x"].shape[1:] == shape
        assert part["y"].dtype == np.int32 and part["y"].shape == (len(part["x"]),)
        assert (np.bincount(part["y"]) == per_class).all() and part["x"].max() > 200
    assert len(data.classes) == len(np.unique(data.train["y"]))


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist", "batik"])
def test_no_test_image_is_in_the_training_set(name):
    data = load_dataset(name)
    train, test = ({image.tobytes() for image in part["x"]} for part in (data.train, data.test))
    assert not train & test


def test_kecamatan_names_are_unique_and_in_one_group():
    data = load_dataset("kecamatan")
    names = np.concatenate([data.train["x"], data.test["x"]])
    assert len(names) == len(set(names)) == 6815
    assert len(data.classes) == 7 and 0.18 < len(data.test["x"]) / len(names) < 0.22
    groups = dict(zip(data.train["x"], data.train["y"], strict=True))
    assert data.classes[groups["Coblong"]] == "Jawa" and data.classes[groups["Baktiya"]] == "Sumatra"
    provinces = dict(zip(data.train["province"], data.train["y"], strict=True))
    assert data.classes[provinces["Bali"]] == "Bali dan Nusa Tenggara"


def test_prosa_is_one_text_cut_at_a_paragraph():
    data = load_dataset("prosa")
    whole = gzip.decompress(embedded.read_verified("prosa.txt.gz")).decode()
    assert data.train["x"] + data.test["x"] == whole and data.train["x"].endswith("\n")
    assert 0.09 < len(data.test["x"]) / len(whole) < 0.11
    words = whole.lower().split()
    assert words.count("yang") > 10 * words.count("the")


def test_rumah_carries_its_truth():
    data = load_dataset("rumah")
    guess = data.test["x"] @ np.asarray(data.extra["coefficients"]) + data.extra["intercept"]
    assert abs((data.test["y"] - guess).std() / data.extra["noise"] - 1) < 0.2


def test_batik_is_cached_and_a_damaged_cache_is_made_anew(monkeypatch):
    first = load_dataset("batik")
    with monkeypatch.context() as patch:
        patch.setattr(registry.batik, "make_batik", None)  # a second call to it would fail
        second = load_dataset("batik")
    assert (first.train["x"] == second.train["x"]).all() and (first.test["y"] == second.test["y"]).all()
    (cached,) = registry.cache_folder().glob("batik-*.npz")
    for content in (b"PK\x03\x04 broken", b""):
        cached.write_bytes(content)
        assert (load_dataset("batik").train["x"] == first.train["x"]).all()


@pytest.mark.parametrize("file_name", embedded.SHA256)
def test_damaged_file_is_refused_by_name(file_name, tmp_path, monkeypatch):
    content = bytearray(embedded.read_verified(file_name))
    content[len(content) // 2] ^= 1
    (tmp_path / file_name).write_bytes(content)
    monkeypatch.setattr(embedded, "FOLDER", tmp_path)
    with pytest.raises(CorruptDataError, match=rf"{file_name} is damaged.*git checkout"):
        embedded.read_verified(file_name)


def test_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"mnist\.npz is missing.*install the package again"):
        load_dataset("mnist")


def test_pickles_are_never_read(tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist.npz", train_x=np.array([{}], dtype=object))
    monkeypatch.setattr(embedded, "read_verified", lambda name: (tmp_path / name).read_bytes())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        embedded.read_images("mnist")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnits",), "Unknown dataset 'mnits'.*Did you mean 'mnist'.*Available: .*kecamatan"),
        (("mnist", "hub"), "Unknown source 'hub'; expected 'embedded'.*'tfds'"),
        (("cifar10",), r"not shipped.*load_dataset\('batik'\)"),
        (("batik", "tfds"), "batik has no TFDS original"),
    ],
)
def test_wrong_names_are_answered_with_a_suggestion(arguments, message):
    name, *source = arguments
    with pytest.raises(ValueError, match=message):
        load_dataset(name, **dict(zip(["source"], source, strict=False)))


def test_split_keeps_every_example_once():
    arrays = {"x": np.arange(50), "y": np.arange(50) * 2}
    train, validation = split_validation(arrays, 0.2, seed=3)
    assert (
        len(train["x"]) == 40
        and (train["y"] == 2 * train["x"]).all()
        and (validation["y"] == 2 * validation["x"]).all()
    )
    assert sorted([*train["x"], *validation["x"]]) == list(range(50))
    again, other = (split_validation(arrays, 0.2, seed=seed)[1]["x"] for seed in (3, 4))
    assert (again == validation["x"]).all() and (other != validation["x"]).any()


@pytest.mark.parametrize("fraction", [1.5, 0, 1, -0.1])
def test_split_refuses_what_is_no_share(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        split_validation({"x": np.arange(10)}, fraction)


def test_split_refuses_arrays_of_different_lengths():
    with pytest.raises(ValueError, match=r"the same first axis, got lengths \{'x': 10, 'y': 12\}"):
        split_validation({"x": np.arange(10), "y": np.arange(12)}, 0.1)


def test_split_refuses_an_empty_part():
    with pytest.raises(ValueError, match="leaves one part empty"):
        split_validation({"x": np.arange(3)}, 0.1)

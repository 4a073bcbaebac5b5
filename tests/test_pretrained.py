"""The committed networks: small, as good as they say, and made by the code that is here."""

import pytest

from common.data import evaluation_loader, load_dataset
from common.losses import cross_entropy
from common.pretrained import MODELS, load_pretrained, weights_path
from common.training import evaluate
from tools.build_weights import RECIPES, code_digest

LEAST_ACCURACY = {"mnist_classifier": 0.98, "fashion_mnist_classifier": 0.9}
MEGABYTE = 10**6


def test_every_network_has_a_recipe_and_a_small_file():
    assert MODELS.keys() == RECIPES.keys() == LEAST_ACCURACY.keys()
    assert all(weights_path(name).stat().st_size < MEGABYTE for name in MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_file_belongs_to_the_code(name):
    _, facts = load_pretrained(name)
    assert facts["code_sha256"] == code_digest(name), f"the code has changed: run {facts['command']}"


@pytest.mark.parametrize("name", MODELS)
def test_accuracy_is_what_the_file_says(name):
    model, facts = load_pretrained(name)
    found = evaluate(model, evaluation_loader(load_dataset(facts["data"]).test, 250), cross_entropy)["accuracy"]
    assert found == pytest.approx(float(facts["test_accuracy"]), abs=0.002)
    assert found >= LEAST_ACCURACY[name]


def test_unknown_name():
    with pytest.raises(ValueError, match="unknown network 'x'; available: mnist_classifier"):
        load_pretrained("x")

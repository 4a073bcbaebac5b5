"""Networks trained beforehand, for lessons that start where another lesson ended.

Each is one safetensors file beside this module. Its metadata say which command made it, the SHA-256 of the code that
trained it, how it did, how long it took and on which versions. `tools/build_weights.py` makes them.
"""

from pathlib import Path

from flax import nnx

from ..models.autoencoder import VAE
from ..models.convnet import ResNet, ResNetConfig
from ..models.gan import DCGANConfig, DCGANGenerator, Generator
from ..models.transformer import GPT, GPTConfig
from ..models.unet import UNet, UNetConfig
from ..weights import import_weights

FOLDER = Path(__file__).parent
IMAGE = (28, 28, 1)
DCGAN = DCGANConfig(features=(64, 32))
CONDITIONAL_DCGAN = DCGANConfig(features=(64, 32), class_count=10)
UNET = UNetConfig(features=(32, 64), class_count=10, patch=2)
CHARACTERS = GPTConfig(vocabulary_size=94, context=128, features=96, heads=4, blocks=4, dropout=0.1)
PIECES = GPTConfig(vocabulary_size=1024, context=64, features=96, heads=4, blocks=3, dropout=0.1)
MODELS = {  # name -> a function of nnx.Rngs that makes the untrained model
    "mnist_classifier": lambda rngs: ResNet(ResNetConfig(1, 10, stem_strides=2), rngs=rngs),
    "fashion_mnist_classifier": lambda rngs: ResNet(ResNetConfig(1, 10), rngs=rngs),
    "vae": lambda rngs: VAE(IMAGE, 20, hidden_features=(256,), rngs=rngs),
    "gan": lambda rngs: Generator(IMAGE, 64, hidden_features=(128, 256), rngs=rngs),
    "dcgan": lambda rngs: DCGANGenerator(DCGAN, rngs=rngs),
    "conditional_dcgan": lambda rngs: DCGANGenerator(CONDITIONAL_DCGAN, rngs=rngs),
    "diffusion": lambda rngs: UNet(UNET, rngs=rngs),
    "flow_matching": lambda rngs: UNet(UNET, rngs=rngs),
    "gpt_characters": lambda rngs: GPT(CHARACTERS, rngs=rngs),
    "gpt_pieces": lambda rngs: GPT(PIECES, rngs=rngs),
}


def load_pretrained(name):
    """Load a trained network by name.

    Args:
        name: a key of `MODELS`.

    Returns:
        (model, metadata): an `nnx.Module` in evaluation mode; `{str: str}` with "command", "code_sha256", "data",
        "seconds" of training, "versions", "licence"; for a classifier also "validation_accuracy" and "test_accuracy",
        for others "validation_loss" (of a language model in nats per character) or, as the losses of GANs say little,
        nothing.

    Raises:
        ValueError: unknown name, or a damaged file.
        FileNotFoundError: the file is missing; reinstall the package or run the command in `tools/build_weights.py`.

    Example:
        `model, facts = load_pretrained("mnist_classifier")`; `model(x)` gives logits (B, 10) for x (B, 28, 28, 1) in
        [0, 1], and `model.features(x)` the last feature maps.
    """
    if name not in MODELS:
        raise ValueError(f"unknown network {name!r}; available: {', '.join(MODELS)}.")
    model = nnx.eval_shape(lambda: MODELS[name](nnx.Rngs(0)))  # shapes alone: the file holds every number
    metadata = import_weights(weights_path(name), model)
    model.eval()
    return model, metadata


def weights_path(name):
    """Return the path of the file of a network."""
    return FOLDER / f"{name}.safetensors"

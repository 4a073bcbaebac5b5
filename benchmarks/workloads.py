"""The workloads: what each library trains, from equal weights and on equal data.

A contender is a function without arguments that takes one training step and waits for its loss.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks import textbook
from common import training
from common.losses import cross_entropy
from common.models import MLP
from common.models.convnet import CNN, ResNet, ResNetConfig
from common.models.diffusion import add_noise, cosine_alpha_bar
from common.models.gan import GAN, DCGANConfig, DCGANDiscriminator, DCGANGenerator, discriminator_loss, generator_loss
from common.models.rnn import CharacterModel
from common.models.transformer import GPT, GPTConfig
from common.models.unet import UNet, UNetConfig
from common.modules import frozen

RATE = 1e-3  # of Adam
VOCABULARY = 64
CONTEXT = 1024  # the longest text that is measured


def gan_loss(model, batch, rngs=None):
    """Add the losses of both networks, each blind to the other's weights."""
    fake = model.generator(batch["z"])
    real_logits = model.discriminator(batch["x"])
    fake_logits = model.discriminator(jax.lax.stop_gradient(fake))
    return _as_metric(
        discriminator_loss(real_logits, fake_logits) + generator_loss(frozen(model.discriminator)(fake)), batch
    )


def diffusion_loss(model, batch, rngs=None):
    """Compute the mean squared error of the predicted noise."""
    noisy = add_noise(batch["x"], batch["noise"], batch["alpha_bar"])
    return _as_metric(jnp.mean((model(noisy, batch["t"]) - batch["noise"]) ** 2), batch)


def _as_metric(value, batch):
    count = jnp.float32(len(batch["x"]))
    return value, {"loss": (value * count, count)}


def _textbook_plain(model, batch):
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    return lambda: float(textbook.train_step(model, optimizer, batch))


def _textbook_gan(model, batch):
    models = (model.generator, model.discriminator)
    optimizers = tuple(nnx.Optimizer(one, optax.adam(RATE), wrt=nnx.Param) for one in models)
    return lambda: float(textbook.gan_step(models, optimizers, batch))


def _textbook_diffusion(model, batch):
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    return lambda: float(textbook.diffusion_step(model, optimizer, batch))


@dataclass(frozen=True)
class Kind:
    """How a kind of model learns.

    Attributes:
        loss: `(model, batch, rngs) -> (scalar, metrics)`, for `common`.
        textbook: `(model, batch) -> contender`.
        torch: name of the function in `benchmarks.pytorch` that computes the loss and its gradients.
    """

    loss: Callable
    textbook: Callable
    torch: str


CLASSIFICATION = Kind(cross_entropy, _textbook_plain, "classification_backward")
ADVERSARIAL = Kind(gan_loss, _textbook_gan, "gan_backward")
DIFFUSION = Kind(diffusion_loss, _textbook_diffusion, "diffusion_backward")


@dataclass(frozen=True)
class Workload:
    """One training step in three libraries.

    Attributes:
        title: for tables and figures.
        batch: `size -> {name: NumPy array}`.
        size: examples in a batch; of texts (examples, tokens in each).
        common: `() -> nnx.Module`.
        textbook: `() -> nnx.Module` with the same variables.
        torch: name of the class in `benchmarks.pytorch`.
        kind: how it learns.
        sizes: other sizes, to see how the cost grows; may be empty.
    """

    title: str
    batch: Callable
    size: int | tuple[int, int]
    common: Callable
    textbook: Callable
    torch: str
    kind: Kind = CLASSIFICATION
    sizes: tuple = field(default=())


def _images(size):
    rng = np.random.default_rng(0)
    return {"x": rng.random((size, 28, 28, 1), np.float32), "y": rng.integers(0, 10, size).astype(np.int32)}


def _text(size):
    batch_size, length = size
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (batch_size, length + 1)).astype(np.int32)
    return {"x": tokens[:, :-1], "y": tokens[:, 1:]}


def _images_and_noise(size):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (size, 28, 28, 1)).astype(np.float32)
    return {"x": images, "z": rng.normal(size=(size, DCGAN.latent_features)).astype(np.float32)}


def _noisy_images(size):
    rng = np.random.default_rng(0)
    images, noise = rng.uniform(-1, 1, (size, 28, 28, 1)), rng.normal(size=(size, 28, 28, 1))
    t = rng.integers(0, 1000, size)
    shares = np.asarray(cosine_alpha_bar(1000))[t]
    floats = {"x": images, "noise": noise, "t": t, "alpha_bar": shares}
    return {name: array.astype(np.float32) for name, array in floats.items()}


def _rngs():
    return nnx.Rngs(0)


def _unet():
    model = UNet(UNetConfig(), rngs=_rngs())
    model.last.kernel[...] = 0.1 * jax.random.normal(jax.random.key(1), model.last.kernel.shape)  # else no gradients
    return model


SMALL_GPT = GPTConfig(vocabulary_size=VOCABULARY, context=CONTEXT)
DCGAN = DCGANConfig()
BATCH_SIZES = (16, 64, 256, 512)
LENGTHS = tuple((16, length) for length in (64, 256, 1024))

WORKLOADS = {
    "mlp": Workload(
        "MLP 784-256-128-10",
        _images,
        128,
        lambda: MLP(784, (256, 128), 10, rngs=_rngs()),
        lambda: textbook.MLP((784, 256, 128, 10), _rngs()),
        "MLP",
        sizes=BATCH_SIZES,
    ),
    "cnn": Workload(
        "CNN 3x3x32, 3x3x64",
        _images,
        128,
        lambda: CNN((28, 28, 1), 10, rngs=_rngs()),
        lambda: textbook.CNN(_rngs()),
        "CNN",
        sizes=BATCH_SIZES,
    ),
    "resnet": Workload(
        "ResNet 16-32-64",
        _images,
        128,
        lambda: ResNet(ResNetConfig(1, 10), rngs=_rngs()),
        lambda: textbook.ResNet(_rngs()),
        "ResNet",
    ),
    "lstm": Workload(
        "LSTM 64-256",
        _text,
        (32, 64),
        lambda: CharacterModel(VOCABULARY, 64, 256, rngs=_rngs()),
        lambda: textbook.CharacterModel(VOCABULARY, 64, 256, _rngs()),
        "CharacterModel",
        sizes=LENGTHS,
    ),
    "dcgan": Workload(
        "DCGAN 28x28",
        _images_and_noise,
        64,
        lambda: GAN(DCGANGenerator(DCGAN, rngs=_rngs()), DCGANDiscriminator(DCGAN, rngs=_rngs())),
        lambda: GAN(textbook.Generator(_rngs()), textbook.Discriminator(_rngs())),
        "GAN",
        ADVERSARIAL,
    ),
    "diffusion": Workload(
        "U-Net 16-32-64",
        _noisy_images,
        64,
        _unet,
        lambda: textbook.UNet(_rngs()),
        "UNet",
        DIFFUSION,
    ),
    "gpt": Workload(
        "GPT 4 x 128",
        _text,
        (32, 64),
        lambda: GPT(SMALL_GPT, rngs=_rngs()),
        lambda: textbook.GPT(SMALL_GPT, _rngs()),
        "GPT",
        sizes=LENGTHS,
    ),
}


def make_common(workload, batch):
    """Return the step of this course: compiled once, weights donated."""
    model = workload.common()
    graphdef, state = nnx.split((model, nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)))
    leaves, treedef = jax.tree.flatten(state)
    step = training.compiled_step(graphdef, treedef, workload.kind.loss, "jit")
    leaves, batch, key = jax.device_put((leaves, batch, jax.random.key(0)))

    def run():
        nonlocal leaves
        leaves, metrics = step(leaves, batch, key)
        return float(metrics["loss"][0])

    return run


def make_textbook(workload, batch):
    """Return the step of Flax's documentation."""
    model = workload.textbook()
    nnx.update(model, nnx.state(workload.common(), nnx.Param))
    return workload.kind.textbook(model, jax.device_put(batch))


def make_torch(workload, batch, compiled=False):
    """Return PyTorch's step, eager or by `torch.compile`."""
    import torch

    from benchmarks import pytorch

    module, batch = pytorch.module_of(workload, workload.common()), pytorch.batch_of(batch)
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], RATE)
    backward = getattr(pytorch, workload.kind.torch)
    if compiled:
        for network in getattr(module, "networks", [module]):
            network.compile()

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = backward(module, batch)
        optimizer.step()
        return loss.item()

    return run


CONTENDERS = {
    "textbook": make_textbook,
    "common": make_common,
    "torch": make_torch,
    "torch.compile": lambda workload, batch: make_torch(workload, batch, compiled=True),
}

"""How the networks of `common/pretrained` are trained: one function each, which `tools/build_weights.py` calls."""

import optax
from flax import nnx

from common import generative
from common.averaging import AveragingOptimizer
from common.data import (
    BytePairs,
    Vocabulary,
    evaluation_loader,
    load_dataset,
    scoring_windows,
    split_validation,
    train_loader,
    windows,
)
from common.data.augment import RandomFlip, RandomShift
from common.losses import cross_entropy
from common.models import autoencoder, convnet, diffusion, gan, transformer, unet
from common.training import evaluate, fit

STEP_COUNT = 500  # of the noise schedule
IMAGE = (28, 28, 1)

CLASSIFIER = (convnet.ConvNorm, convnet.ResidualBlock, convnet.ResNetConfig, convnet.ResNet)


def classify_digits(model):
    """Train on `mnist`: 20 epochs, shifted by up to two pixels."""
    return train_classifier(model, "mnist", epochs=20, transforms=(RandomShift(2),))


def classify_fashion(model):
    """Train on `fashion_mnist`: 40 epochs, shifted by up to one pixel and mirrored."""
    return train_classifier(model, "fashion_mnist", epochs=40, transforms=(RandomShift(1), RandomFlip()))


def train_classifier(model, dataset_name, *, epochs, transforms, batch_size=64):
    """Train a classifier with AdamW and one cosine.

    Args:
        model: `nnx.Module`, trained in place.
        dataset_name: as in `load_dataset`.
        epochs: passes over the training set.
        transforms: Grain transforms of a training batch.
        batch_size: images in a step.

    Returns:
        `{name: str}`, what the file is to say of data, licence and accuracy.
    """
    data = load_dataset(dataset_name)
    train, validation = split_validation(data.train, 0.1)
    steps = len(train["y"]) // batch_size * epochs
    schedule = optax.warmup_cosine_decay_schedule(0, 3e-3, steps // 10, steps)
    optimizer = nnx.Optimizer(model, optax.adamw(schedule, weight_decay=1e-2), wrt=nnx.Param)
    fit(model, optimizer, train_loader(train, batch_size, epochs=epochs, transforms=transforms), cross_entropy)
    accuracy = {
        f"{part}_accuracy": f"{evaluate(model, evaluation_loader(arrays, batch_size), cross_entropy)['accuracy']:.4f}"
        for part, arrays in (("validation", validation), ("test", data.test))
    }
    return accuracy | {"data": dataset_name, "licence": data.licence}


def encode_digits(model):
    """Train the VAE on `mnist`, grey levels taken as probabilities: 60 epochs."""
    return train_generator(model, generative.negative_elbo, rate=2e-3, epochs=60, batch_size=64)


def compete_over_digits(model):
    """Train the MLP generator on `mnist` against an MLP: 100 epochs."""
    return train_gan(model, gan.Discriminator(IMAGE, (256, 128), rngs=nnx.Rngs(1)), epochs=100)


def compete_with_convolutions(model):
    """Train the DCGAN generator on `mnist`, with labels if it takes them: 40 epochs."""
    return train_gan(model, gan.DCGANDiscriminator(model.config, rngs=nnx.Rngs(1)), epochs=40)


def denoise_digits(model):
    """Train the U-Net on `mnist` to predict noise: 30 epochs."""
    return train_generator(model, generative.NoiseLoss(STEP_COUNT), rate=3e-3, epochs=30, batch_size=32)


def follow_digits(model):
    """Train the U-Net on `mnist` to predict velocities: 30 epochs."""
    return train_generator(model, generative.FlowLoss(STEP_COUNT), rate=3e-3, epochs=30, batch_size=32)


def train_gan(generator, discriminator, *, epochs, batch_size=64):
    """Train a generator on `mnist` against a discriminator; it ends with the averaged weights.

    Args:
        generator, discriminator: as for `common.models.gan.GAN`; the first is changed in place.
        epochs: passes over the training set.
        batch_size: images in a step.

    Returns:
        `{name: str}`, what the file is to say.
    """
    data = load_dataset("mnist")
    train, _ = split_validation(data.train, 0.1)
    model = gan.GAN(generator, discriminator)
    optimizer = AveragingOptimizer(model, optax.adam(5e-4, b1=0.5), decay=0.998)
    fit(model, optimizer, train_loader(train, batch_size, epochs=epochs), generative.adversarial_loss)
    nnx.update(generator, nnx.state(optimizer.average.generator))
    return {"data": "mnist", "licence": data.licence, "epochs": str(epochs)}


def train_generator(model, loss, *, rate, epochs, batch_size):
    """Train a generative model on `mnist` with Adam, warm-up and one cosine; it ends with the averaged weights.

    Args:
        model: `nnx.Module`, changed in place.
        loss: from `common.generative`.
        rate: highest learning rate.
        epochs: passes over the training set.
        batch_size: images in a step.

    Returns:
        `{name: str}`, what the file is to say.
    """
    data = load_dataset("mnist")
    train, validation = split_validation(data.train, 0.1)
    steps = len(train["y"]) // batch_size * epochs
    optimizer = AveragingOptimizer(model, optax.adam(_warm_cosine(rate, steps)), decay=0.998)
    fit(model, optimizer, train_loader(train, batch_size, epochs=epochs), loss)
    nnx.update(model, nnx.state(optimizer.average))
    found = evaluate(model, evaluation_loader(validation, batch_size), loss)["loss"]
    return {"data": "mnist", "licence": data.licence, "epochs": str(epochs), "validation_loss": f"{found:.4f}"}


def write_characters(model):
    """Train the GPT on the characters of `prosa`: 16 passes."""
    return train_writer(model, Vocabulary.of(load_dataset("prosa").train["x"]), epochs=2)


def write_pieces(model):
    """Train the GPT on byte pairs of `prosa`: 16 passes."""
    size = model.config.vocabulary_size
    return train_writer(model, BytePairs.of(load_dataset("prosa").train["x"], size), epochs=2)


def train_writer(model, tokens, *, epochs, batch_size=8):
    """Train a language model on `prosa` with AdamW, warm-up and one cosine.

    Args:
        model: `GPT`, trained in place.
        tokens: `Vocabulary` or `BytePairs` of its size.
        epochs: passes over windows that overlap by seven eighths; one shows every token eight times.
        batch_size: windows in a step.

    Returns:
        `{name: str}`, what the file is to say; the validation loss is in nats per character, whatever the tokens.
    """
    data, length = load_dataset("prosa"), model.context
    train = windows(tokens.encode(data.train["x"]), length, length // 8)
    steps = len(train["x"]) // batch_size * epochs
    rule = optax.adamw(_warm_cosine(3e-3, steps), weight_decay=0.1)
    optimizer = nnx.Optimizer(model, optax.chain(optax.clip_by_global_norm(1.0), rule), wrt=nnx.Param)
    fit(model, optimizer, train_loader(train, batch_size, epochs=epochs), cross_entropy)
    ids = tokens.encode(data.test["x"])
    nats = evaluate(model, evaluation_loader(scoring_windows(ids, length, length // 2), 32), cross_entropy)["loss"]
    found = nats * (len(ids) - 1) / len(tokens.decode(ids[1:]))
    return {"data": "prosa", "licence": data.licence, "epochs": str(epochs), "validation_loss": f"{found:.4f}"}


def _warm_cosine(rate, steps):
    return optax.warmup_cosine_decay_schedule(0, rate, 100, steps, rate / 20)  # 100: Adam's averages have settled


GAN = (train_gan, generative.adversarial_loss, gan.discriminator_loss, gan.generator_loss)
MLPS = (gan.Generator, gan.Discriminator)
CONVOLUTIONS = (gan.DCGANConfig, gan.DCGANGenerator, gan.DCGANDiscriminator, gan.LabelFeatures)
UNET = (train_generator, unet.UNetConfig, unet.UNet, unet.ResidualBlock, unet.time_features, unet.fold_pixels)
GPT = (transformer.GPT, transformer.GPTConfig, transformer.TransformerBlock, transformer.SelfAttention, windows)
VAE = (train_generator, generative.negative_elbo, autoencoder.Autoencoder, autoencoder.VAE, autoencoder.gaussian_kl)
RECIPES = {  # name -> recipe, and the rest of the code that makes the network what it is
    "mnist_classifier": (classify_digits, train_classifier, *CLASSIFIER),
    "fashion_mnist_classifier": (classify_fashion, train_classifier, *CLASSIFIER),
    "vae": (encode_digits, *VAE, autoencoder.bernoulli_log_likelihood),
    "gan": (compete_over_digits, *GAN, *MLPS),
    "dcgan": (compete_with_convolutions, *GAN, *CONVOLUTIONS),
    "conditional_dcgan": (compete_with_convolutions, *GAN, *CONVOLUTIONS),
    "diffusion": (denoise_digits, *UNET, generative.NoiseLoss, diffusion.add_noise, diffusion.cosine_alpha_bar),
    "flow_matching": (follow_digits, *UNET, generative.FlowLoss),
    "gpt_characters": (write_characters, train_writer, *GPT),
    "gpt_pieces": (write_pieces, train_writer, *GPT, BytePairs),
}

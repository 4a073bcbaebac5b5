"""The workloads in PyTorch, built from the weights of a model of `common.models`.

Given a model that holds gradients instead of weights, the same functions put each gradient where PyTorch's would be.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def module_of(workload, model):
    """Return the PyTorch module with the weights (or gradients) that an NNX model holds."""
    return globals()[workload.torch](model)


def batch_of(batch):
    """Return the batch as tensors; images with their channels first, labels as int64."""
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in batch.items()}
    tensors = {name: tensor.long() if tensor.dtype == torch.int32 else tensor for name, tensor in tensors.items()}
    return {
        name: tensor.permute(0, 3, 1, 2).contiguous() if tensor.ndim == 4 else tensor
        for name, tensor in tensors.items()
    }


def classification_backward(module, batch):
    """Compute the mean cross-entropy and its gradients."""
    loss = F.cross_entropy(module(batch["x"]).flatten(0, -2), batch["y"].flatten())
    loss.backward()
    return loss


def gan_backward(module, batch):
    """Compute the losses of both networks, from the same generated images, and the gradients of each."""
    generator, discriminator = module.networks
    fake = generator(batch["z"])
    loss = F.softplus(-discriminator(batch["x"])).mean() + F.softplus(discriminator(fake.detach())).mean()
    loss.backward()
    discriminator.requires_grad_(False)
    generator_loss = F.softplus(-discriminator(fake)).mean()
    generator_loss.backward()
    discriminator.requires_grad_(True)
    return loss.detach() + generator_loss.detach()


def diffusion_backward(module, batch):
    """Compute the mean squared error of the predicted noise and its gradients."""
    share = batch["alpha_bar"][:, None, None, None]
    noisy = share.sqrt() * batch["x"] + (1 - share).sqrt() * batch["noise"]
    loss = F.mse_loss(module(noisy, batch["t"]), batch["noise"])
    loss.backward()
    return loss


def _tensor(array):
    return nn.Parameter(torch.from_numpy(np.array(array, np.float32)))


def _linear(layer):
    kernel = np.asarray(layer.kernel[...])
    kernel = kernel.reshape(-1, int(np.prod(kernel.shape[1:]))) if kernel.ndim == 3 else kernel  # heads of attention
    made = nn.Linear(*kernel.shape, bias=layer.bias is not None)
    made.weight = _tensor(kernel.T)
    if layer.bias is not None:
        made.bias = _tensor(np.asarray(layer.bias[...]).reshape(-1))
    return made


def _convolution(layer, stride=1, padding=1):
    kernel = np.asarray(layer.kernel[...])  # (h, w, C_in, C_out)
    made = nn.Conv2d(*kernel.shape[2:], kernel.shape[:2], stride, padding, bias=layer.bias is not None)
    made.weight = _tensor(kernel.transpose(3, 2, 0, 1))
    if layer.bias is not None:
        made.bias = _tensor(layer.bias[...])
    return made


def _transposed(layer):
    kernel = np.asarray(layer.kernel[...])[::-1, ::-1]  # XLA does not flip the window, PyTorch does
    made = nn.ConvTranspose2d(*kernel.shape[2:], kernel.shape[:2], 2, 1, bias=layer.bias is not None)
    made.weight = _tensor(kernel.transpose(2, 3, 0, 1))
    if layer.bias is not None:
        made.bias = _tensor(layer.bias[...])
    return made


def _normalization(layer, kind, *sizes, **settings):
    made = kind(*sizes, eps=layer.epsilon, **settings)
    made.weight, made.bias = _tensor(layer.scale[...]), _tensor(layer.bias[...])
    return made


def _batch_norm(layer):
    return _normalization(layer, nn.BatchNorm2d, layer.num_features, momentum=1 - layer.momentum)


def _group_norm(layer):
    return _normalization(layer, nn.GroupNorm, layer.num_groups, layer.scale.size)


def _embedding(layer):
    made = nn.Embedding(layer.num_embeddings, layer.features)
    made.weight = _tensor(layer.embedding[...])
    return made


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, model):
        super().__init__()
        self.layers = nn.ModuleList(map(_linear, model.layers))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class _FlattenedLikeJax(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)  # (B, C, H, W) to (B, H*W*C), the order of the linear layer's weights


class CNN(nn.Sequential):
    """Two convolutions with pooling, two linear layers; x: (B, 1, 28, 28)."""

    def __init__(self, model):
        first, second = map(_convolution, model.convolutions)
        head = (_FlattenedLikeJax(), _linear(model.hidden), nn.ReLU(), _linear(model.out))
        super().__init__(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.MaxPool2d(2), *head)


class CharacterModel(nn.Module):
    """Embedding, LSTM over the sequence, logits."""

    def __init__(self, model):
        super().__init__()
        cell = model.rnn.cell
        self.embed, self.out = _embedding(model.embed), _linear(model.out)
        self.rnn = nn.LSTM(cell.in_features, cell.hidden_features, batch_first=True)
        self.rnn.weight_ih_l0 = _tensor(np.asarray(cell.dense_i.kernel[...]).T)
        self.rnn.weight_hh_l0 = _tensor(np.asarray(cell.dense_h.kernel[...]).T)
        self.rnn.bias_ih_l0 = _tensor(cell.dense_h.bias[...])
        self.rnn.bias_hh_l0 = nn.Parameter(torch.zeros_like(self.rnn.bias_ih_l0), requires_grad=False)  # one is enough

    def forward(self, x):
        return self.extend(x, None)[0]

    def extend(self, x, carry):
        """Read more characters; carry: (h, c) of PyTorch's LSTM or None."""
        h, carry = self.rnn(self.embed(x), carry)
        return self.out(h), carry


class Generator(nn.Module):
    """Noise to images (B, 1, 28, 28)."""

    def __init__(self, model):
        super().__init__()
        self.project, self.last = _linear(model.project), _transposed(model.last)
        self.norms = nn.ModuleList(map(_batch_norm, model.norms))
        self.layers = nn.ModuleList(map(_transposed, model.layers))

    def forward(self, z):
        h = self.project(z).view(-1, 7, 7, 128).permute(0, 3, 1, 2)
        h = F.relu(self.norms[0](h))
        h = F.relu(self.norms[1](self.layers[0](h)))
        return torch.tanh(self.last(h))


class Discriminator(nn.Module):
    """Images (B, 1, 28, 28) to a logit."""

    def __init__(self, model):
        super().__init__()
        self.first, self.last = _convolution(model.first, 2), _linear(model.last)
        self.layers = nn.ModuleList([_convolution(layer, 2) for layer in model.layers])
        self.norms = nn.ModuleList(map(_batch_norm, model.norms))

    def forward(self, x):
        h = F.leaky_relu(self.first(x), 0.2)
        h = F.leaky_relu(self.norms[0](self.layers[0](h)), 0.2)
        return self.last(h.permute(0, 2, 3, 1).flatten(1))[:, 0]


class GAN(nn.Module):
    """Generator and discriminator."""

    def __init__(self, model):
        super().__init__()
        self.networks = nn.ModuleList([Generator(model.generator), Discriminator(model.discriminator)])


class ConvNorm(nn.Sequential):
    """Convolution and batch normalisation."""

    def __init__(self, model, stride):
        convolution = _convolution(model.convolution, stride, model.convolution.kernel_size[0] // 2)
        super().__init__(convolution, _batch_norm(model.norm))


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, model):
        super().__init__()
        stride = 1 if model.shortcut is None else 2
        self.inner, self.outer = ConvNorm(model.inner, stride), ConvNorm(model.outer, 1)
        self.shortcut = nn.Identity() if model.shortcut is None else ConvNorm(model.shortcut, stride)

    def forward(self, x):
        return F.relu(self.outer(F.relu(self.inner(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """A convolution, residual blocks, the mean over all pixels, logits."""

    def __init__(self, model):
        super().__init__()
        self.stem, self.out = ConvNorm(model.stem, 1), _linear(model.out)
        self.blocks = nn.Sequential(*map(ResidualBlock, model.blocks))

    def forward(self, x):
        return self.out(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class ConditionedBlock(nn.Module):
    """Residual block of the U-Net, scaled and shifted by the condition."""

    def __init__(self, model):
        super().__init__()
        self.norms = nn.ModuleList(map(_group_norm, model.norms))
        self.convs = nn.ModuleList(map(_convolution, model.convs))
        self.condition = _linear(model.condition)

    def forward(self, x, condition):
        h = self.convs[0](F.silu(self.norms[0](x)))
        scale, shift = self.condition(F.silu(condition))[:, :, None, None].chunk(2, 1)
        return x + self.convs[1](F.silu(self.norms[1](h) * (1 + scale) + shift))


class UNet(nn.Module):
    """U-Net that predicts the noise in images (B, 1, 28, 28)."""

    def __init__(self, model):
        super().__init__()
        self.time = nn.Sequential(_linear(model.time.layers[0]), nn.SiLU(), _linear(model.time.layers[1]))
        self.first, self.last = _convolution(model.first), _convolution(model.last)
        self.down = nn.ModuleList(map(ConditionedBlock, model.down))
        self.shrink = nn.ModuleList([_convolution(layer, 2, 0) for layer in model.shrink])
        self.middle = nn.ModuleList(map(ConditionedBlock, model.middle))
        self.grow = nn.ModuleList(map(_transposed, model.grow))
        self.up = nn.ModuleList(map(ConditionedBlock, model.up))
        self.norm, self.share = _group_norm(model.norm), _linear(model.share)

    def forward(self, x, t):
        angles = t[:, None] * 10_000.0 ** -(torch.arange(32) / 32)
        condition = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        h, skips = self.first(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, condition)
            skips.append(h)
            h = shrink(F.pad(h, (0, 1, 0, 1)))  # XLA's "SAME" puts the odd pixel at the end
        for block in self.middle:
            h = block(h, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(grow(h) + skips.pop(), condition)
        return self.share(F.silu(condition))[:, :, None, None] * x + self.last(F.silu(self.norm(h)))


class Block(nn.Module):
    """Pre-norm transformer block with PyTorch's own fused attention."""

    def __init__(self, block):
        super().__init__()
        attention, features = block.attention, block.hidden.in_features
        self.heads = attention.query.kernel.shape[1]
        self.attention_norm = _normalization(block.attention_norm, nn.LayerNorm, features)
        self.query, self.key, self.value = map(_linear, (attention.query, attention.key, attention.value))
        out = np.asarray(attention.out.kernel[...]).reshape(features, features)  # (N, D, C) to (C, C)
        self.read = nn.Linear(features, features)
        self.read.weight, self.read.bias = _tensor(out.T), _tensor(attention.out.bias[...])
        self.mlp_norm = _normalization(block.mlp_norm, nn.LayerNorm, features)
        self.hidden, self.out = _linear(block.hidden), _linear(block.out)

    def forward(self, x):
        return self.extend(x, None)[0]

    def extend(self, x, cache):
        """Read more tokens (one, if there is a cache); cache: keys and values of those before, or None."""
        h = self.attention_norm(x)
        q, k, v = (
            part(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        if cache is not None:
            k, v = (torch.cat(pair, 2) for pair in zip(cache, (k, v), strict=True))
        read = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)  # (B, N, T, D)
        x = x + self.read(read.transpose(1, 2).flatten(2))
        return x + self.out(F.gelu(self.hidden(self.mlp_norm(x)), approximate="tanh")), (k, v)


class GPT(nn.Module):
    """Causal transformer with logits by the token embedding."""

    def __init__(self, model):
        super().__init__()
        self.tokens, self.positions = _embedding(model.tokens), _embedding(model.positions)
        self.blocks = nn.ModuleList(map(Block, model.blocks))
        self.norm = _normalization(model.norm, nn.LayerNorm, model.config.features)

    def forward(self, x):
        return self.extend(x, None)[0]

    def extend(self, x, caches):
        """Read more tokens; caches: of all blocks, or None."""
        past = 0 if caches is None else caches[0][0].shape[2]
        h = self.tokens(x) + self.positions.weight[past : past + x.shape[1]]
        new = []
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks), strict=True):
            h, cache = block.extend(h, cache)
            new.append(cache)
        return self.norm(h) @ self.tokens.weight.T, new

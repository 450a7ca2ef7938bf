"""AF in hidden: each latent dimension depends on those before it, through a MADE (paper, section 4.2)."""

import math

import torch
from torch import Tensor, nn

from lnf.hidden.base import ContextFactory, HiddenFlow, Layer, Transform
from lnf.hidden.compiled import PackedNet, doubles, features_of, usable
from lnf.nn.linear import Linear, linear


class AutoregressiveHidden(HiddenFlow):
    """N MADE layers whose order alternates.

    Arguments: scalar transform, latent size H, layers N, hidden units `width` > H, context layer factory, layer order.
    References: docs/paper.md 3e "hidden = af (MADE)"; Germain et al. 2015.
    """

    def __init__(
        self, transform: Transform, latent: int, layers: int, width: int, context: ContextFactory, reverse: bool
    ) -> None:
        super().__init__([_MADELayer(transform, latent, width, context, n % 2 == 1) for n in range(layers)], reverse)


class _MADELayer(Layer):
    """One transform of all H variables; variable j sees those of lower degree (j+1, or H-j if flipped) and the context.

    Masked net [y; c] -> width -> width -> P H, ReLU. Outputs are parameter-major: p of variable j is output p H + j.
    """

    in_mask: Tensor
    hidden_mask: Tensor
    out_mask: Tensor

    def __init__(self, transform: Transform, latent: int, width: int, context: ContextFactory, flip: bool) -> None:
        super().__init__()
        self.transform = transform
        outputs = transform.parameters * latent
        degrees = torch.arange(1, latent + 1)
        degrees = degrees.flip(0) if flip else degrees
        self.order = list(range(latent))[:: -1 if flip else 1]
        hidden_degrees = torch.arange(width) % latent
        out_degrees = (degrees - 1).repeat(transform.parameters)
        self.register_buffer("in_mask", hidden_degrees[:, None] >= degrees, persistent=False)
        self.register_buffer("hidden_mask", hidden_degrees[:, None] >= hidden_degrees, persistent=False)
        self.register_buffer("out_mask", out_degrees[:, None] >= hidden_degrees, persistent=False)
        self.context = context(width)
        self.input = _linear(latent, width, 0.001)
        nn.init.uniform_(self.context.get_parameter("weight"), -0.001, 0.001)
        self.hidden = _linear(width, width, 0.001)
        self.output = _linear(width, outputs, 1 / math.sqrt(width))
        self._net = PackedNet(self.input, self.hidden, self.output)
        nn.init.uniform_(self.output.bias, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def to_noise(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        e, log_slope = self.transform.to_noise(y, self._parameters_of(y, self.context(context)))
        return e, log_slope.sum(-1)

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Variable by variable in increasing degree: each needs the values of those before it."""
        features = self.context(context)
        if usable(self.transform, e, features):
            return self._compiled_to_latent(e, features)
        return self.plain_to_latent(e, features)

    def plain_to_latent(self, e: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The definition: the whole net for each variable, the values of later ones being zero."""
        values: list[Tensor] = [torch.zeros_like(e[..., 0])] * e.shape[-1]
        log_det = torch.zeros_like(e[..., 0])
        for j in self.order:
            raw = self._parameters_of(torch.stack(values, -1), features)
            values[j], log_slope = self.transform.to_latent(e[..., j], [parameter[..., j] for parameter in raw])
            log_det = log_det + log_slope
        return torch.stack(values, -1), log_det

    def _compiled_to_latent(self, e: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        from lnf.kernels.inverses import made_to_latent  # numba takes a second to import: not where none is drawn

        y, log_det = made_to_latent(
            doubles(e),
            features_of(features, e),
            *self._net.weights(),
            flip=self.order[0] != 0,
            parameters=self.transform.parameters,
        )
        return torch.from_numpy(y).to(e).view(e.shape), torch.from_numpy(log_det).to(e).view(e.shape[:-1])

    def _parameters_of(self, y: Tensor, context_features: Tensor) -> list[Tensor]:
        """P raw parameters [..., H]."""
        x = linear(y, self.input.weight * self.in_mask, self.input.bias) + context_features
        x = linear(x.relu(), self.hidden.weight * self.hidden_mask, self.hidden.bias).relu()
        x = linear(x, self.output.weight * self.out_mask, self.output.bias)
        return list(x.chunk(self.transform.parameters, dim=-1))


def _linear(inputs: int, outputs: int, bound: float) -> Linear:
    layer = Linear(inputs, outputs)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer

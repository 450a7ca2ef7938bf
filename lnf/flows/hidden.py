"""Flows within a time step: autoregressive (MADE), split coupling, and none (paper, section 4.2).

Leading axes are free (`...`); H latent size.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from lnf.flows.base import Context, HiddenFlow, Layer, Transform, reader
from lnf.flows.compiled import PackedNet, doubles, features_of, usable
from lnf.nn.linear import Linear, linear


class _AlternatingHidden(HiddenFlow):
    """N layers of one class, every other of which is flipped."""

    layer: ClassVar[Callable[..., Layer]]

    def __init__(
        self,
        transform: Transform,
        latent: int,
        context: Context,
        layers: int = 5,
        width: int = 100,
        reverse: bool = False,
    ) -> None:
        super().__init__([self.layer(transform, latent, width, context, n % 2 == 1) for n in range(layers)], reverse)


class _MADELayer(Layer):
    """One transform of all H variables; variable j sees those of lower degree (j+1, or H-j if flipped) and the context.

    Masked net [y; c] -> width -> width -> P H, ReLU. Outputs are parameter-major: p of variable j is output p H + j.
    """

    in_mask: Tensor
    hidden_mask: Tensor
    out_mask: Tensor

    def __init__(self, transform: Transform, latent: int, width: int, context: Context, flip: bool) -> None:
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
        self.context = reader(context, width)
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
        from lnf.flows.inverses import made_to_latent  # numba takes a second to import: not where none is drawn

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


class AutoregressiveHidden(_AlternatingHidden):
    """AF in hidden: each latent dimension depends on those before it, by N MADE layers whose order alternates.

    Arguments: scalar transform, latent size H, size of the context, layers N, hidden units `width` > H, layer order.
    References: docs/paper.md 3e "hidden = af (MADE)"; Germain et al. 2015.

    >>> import lnf, torch
    >>> flow = lnf.AutoregressiveHidden(lnf.NLSq(), latent=2, context=3)
    >>> flow.log_prob(torch.randn(500, 2), torch.zeros(500, 3)).shape
    torch.Size([500])
    """

    layer = _MADELayer


class _CouplingLayer(Layer):
    """Keep k = floor(H/2) variables (the first, or the last if flipped), transform the others given them.

    Net [kept; c] -> width -> width -> P (H - k), ReLU. Outputs are variable-major: p of changed variable j is output
    j P + p.
    """

    def __init__(self, transform: Transform, latent: int, width: int, context: Context, flip: bool) -> None:
        super().__init__()
        self.transform = transform
        self.flip = flip
        self.kept = latent // 2
        self.changed = latent - self.kept
        self.context = reader(context, width)
        self.input = Linear(self.kept, width)
        self.hidden = Linear(width, width)
        self.output = Linear(width, transform.parameters * self.changed)
        self._net = PackedNet(self.input, self.hidden, self.output)
        nn.init.uniform_(self.context.get_parameter("weight"), -0.07, 0.07)
        for layer in (self.input, self.hidden, self.output):
            nn.init.uniform_(layer.weight, -0.07, 0.07)
            nn.init.zeros_(layer.bias)

    def to_noise(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = self._split(y)
        e, log_slope = self.transform.to_noise(changed, self._parameters_of(kept, self.context(context)))
        return self._join(kept, e), log_slope.sum(-1)

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = self._split(e)
        features = self.context(context)
        if usable(self.transform, e, features):
            y, log_det = self._compiled_to_latent(kept, changed, features)
        else:
            y, log_slope = self.transform.to_latent(changed, self._parameters_of(kept, features))
            log_det = log_slope.sum(-1)
        return self._join(kept, y), log_det

    def _compiled_to_latent(self, kept: Tensor, changed: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        from lnf.flows.inverses import coupling_to_latent  # numba takes a second to import

        y, log_det = coupling_to_latent(
            doubles(kept),
            doubles(changed),
            features_of(features, kept),
            *self._net.weights(),
            parameters=self.transform.parameters,
        )
        return torch.from_numpy(y).to(kept).view(changed.shape), torch.from_numpy(log_det).to(kept).view(
            kept.shape[:-1]
        )

    def _parameters_of(self, kept: Tensor, features: Tensor) -> list[Tensor]:
        """P raw parameters [..., H - k]."""
        x = (self.input(kept) + features).relu()
        raw = self.output(self.hidden(x).relu())
        return list(raw.unflatten(-1, (self.changed, self.transform.parameters)).unbind(-1))

    def _split(self, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.flip:
            changed, kept = y.split([self.changed, self.kept], dim=-1)
        else:
            kept, changed = y.split([self.kept, self.changed], dim=-1)
        return kept, changed

    def _join(self, kept: Tensor, changed: Tensor) -> Tensor:
        return torch.cat([changed, kept] if self.flip else [kept, changed], dim=-1)


class CouplingHidden(_AlternatingHidden):
    """SCF in hidden: half of the latent vector transforms the other, in N split coupling layers whose halves alternate.

    Arguments: scalar transform, latent size H, size of the context, layers N, hidden units `width`, layer order.
    References: docs/paper.md 3e "hidden = scf"; Dinh et al. 2017.
    """

    layer = _CouplingLayer


class ElementwiseHidden(HiddenFlow):
    """Every latent dimension alone, by one transform given the context: several in a row would do no more.

    Arguments: scalar transform, latent size H, size of the context. There are no networks, so that their settings
    (`layers`, `width`) are ignored.
    References: docs/paper.md 3e "hidden = none".
    """

    def __init__(
        self, transform: Transform, latent: int, context: Context, reverse: bool = False, **networks: int
    ) -> None:
        super().__init__([_ElementwiseLayer(transform, latent, context)], reverse)


class _ElementwiseLayer(Layer):
    """Raw parameters are one linear map of the context, variable-major: p of variable j is output j P + p."""

    def __init__(self, transform: Transform, latent: int, context: Context) -> None:
        super().__init__()
        self.transform = transform
        self.context = reader(context, transform.parameters * latent)
        self.bias = nn.Parameter(torch.zeros(transform.parameters * latent))
        nn.init.uniform_(self.context.get_parameter("weight"), -0.07, 0.07)

    def to_noise(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        e, log_slope = self.transform.to_noise(y, self._parameters_of(context))
        return e, log_slope.sum(-1)

    def to_latent(self, e: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        raw = self._raw(context)
        if usable(self.transform, e, raw):
            return self._compiled_to_latent(e, raw)
        y, log_slope = self.transform.to_latent(e, self._by_parameter(raw))
        return y, log_slope.sum(-1)

    def _compiled_to_latent(self, e: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        from lnf.flows.inverses import elementwise_to_latent  # numba takes a second to import

        y, log_det = elementwise_to_latent(doubles(e), features_of(raw, e), self.transform.parameters)
        return torch.from_numpy(y).to(e).view(e.shape), torch.from_numpy(log_det).to(e).view(e.shape[:-1])

    def _parameters_of(self, context: Tensor) -> list[Tensor]:
        return self._by_parameter(self._raw(context))

    def _raw(self, context: Tensor) -> Tensor:
        raw: Tensor = self.context(context) + self.bias
        return raw

    def _by_parameter(self, raw: Tensor) -> list[Tensor]:
        return list(raw.unflatten(-1, (-1, self.transform.parameters)).unbind(-1))


def _linear(inputs: int, outputs: int, bound: float) -> Linear:
    layer = Linear(inputs, outputs)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer

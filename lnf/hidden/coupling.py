"""SCF in hidden: split coupling, half of the latent vector transforms the other half (paper, section 4.2)."""

import torch
from torch import Tensor, nn

from lnf.hidden.base import ContextFactory, HiddenFlow, Layer, Transform
from lnf.hidden.compiled import PackedNet, doubles, features_of, usable
from lnf.nn.linear import Linear


class CouplingHidden(HiddenFlow):
    """N split coupling layers whose halves alternate.

    Arguments: scalar transform, latent size H, layers N, hidden units `width`, context layer factory, layer order.
    References: docs/paper.md 3e "hidden = scf"; Dinh et al. 2017.
    """

    def __init__(
        self, transform: Transform, latent: int, layers: int, width: int, context: ContextFactory, reverse: bool
    ) -> None:
        super().__init__(
            [_CouplingLayer(transform, latent, width, context, n % 2 == 1) for n in range(layers)], reverse
        )


class _CouplingLayer(Layer):
    """Keep k = floor(H/2) variables (the first, or the last if flipped), transform the others given them.

    Net [kept; c] -> width -> width -> P (H - k), ReLU. Outputs are variable-major: p of changed variable j is output
    j P + p.
    """

    def __init__(self, transform: Transform, latent: int, width: int, context: ContextFactory, flip: bool) -> None:
        super().__init__()
        self.transform = transform
        self.flip = flip
        self.kept = latent // 2
        self.changed = latent - self.kept
        self.context = context(width)
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
        from lnf.kernels.inverses import coupling_to_latent  # numba takes a second to import

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

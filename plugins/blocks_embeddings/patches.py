"""Patches of an image as the vectors of a sequence.

Shape letters: B batch, C channels, H height and width of an image in pixels, P those of a patch, T vectors, D d_model.
"""

import torch
from torch import Tensor, nn


class PatchEmbedding(nn.Conv2d):
    """Cut an image into patches of P x P pixels, row by row, and map each one linearly to D channels.

    Dosovitskiy et al. 2021, ViT, arXiv:2010.11929, section 3.1, equation 1. With `class_token` a learned
    vector stands before the patches: T = (H / P)^2 + 1.
    """

    def __init__(
        self,
        d_model: int,
        *,
        image_size: int,
        patch_size: int,
        channels: int = 3,
        class_token: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, d_model, patch_size, stride=patch_size, bias=bias)
        self.image_size = image_size
        self.class_token = nn.Parameter(torch.empty(d_model)) if class_token else None

    def forward(self, pixels: Tensor) -> Tensor:
        """Return x [B, T, D] of pixels float [B, C, H, H].

        Raises ValueError for images of another size, and for whole numbers, which nobody has normalised.
        """
        read = [self.in_channels, self.image_size, self.image_size]
        if pixels.ndim != 4 or [*pixels.shape[1:]] != read:
            raise ValueError(f"pixels are [B, {', '.join(map(str, read))}], not {[*pixels.shape]}")
        if not pixels.is_floating_point():
            raise ValueError(
                f"pixels are floating-point numbers, normalised as in training, not {pixels.dtype}"
            )
        x = super().forward(pixels.to(self.weight.dtype)).flatten(2).mT  # [B, T, D]
        if self.class_token is None:
            return x
        return torch.cat((self.class_token.expand(x.shape[0], 1, -1), x), dim=1)

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the map and the class token from a normal distribution of standard deviation 0.02; no bias."""
        with torch.no_grad():
            self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)
            if self.class_token is not None:
                self.class_token.copy_(torch.randn(self.class_token.shape, generator=generator) * 0.02)
            if self.bias is not None:
                self.bias.zero_()

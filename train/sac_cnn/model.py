"""SAC-CNN, which says whether a single atom stands at the centre of a 21 × 21 crop."""

from torch import Tensor, nn
from torch.nn import functional

CROP = 21
"""Side of a crop [pixel]."""


class SACCNN(nn.Module):
    """The network of Mitchell et al. (2022), doi:10.1021/jacs.1c12466.

    Three 3 × 3 convolutions without padding (32, 64, 128 channels) with batch normalisation and ReLU, adaptive
    average pooling to 3 × 3, and three linear layers 1152 → 128 → 128 → 2. Layers carry the names of the
    published checkpoint.

    Parameters
    ----------
    dropout
        Probability of dropping a unit after each of the first two linear layers.

    Examples
    --------
    >>> import torch
    >>> SACCNN()(torch.zeros(5, 1, 21, 21)).shape
    torch.Size([5, 2])
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.fc_layers = nn.Sequential(
            nn.Linear(1152, 128), nn.ReLU(inplace=True), nn.Linear(128, 128), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.fc3 = nn.Linear(128, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """Return the logits (background, atom), shape (n, 2), of crops, shape (n, 1, 21, 21)."""
        x = self.pool(self.features(crops)).flatten(1)
        for layer in self.fc_layers:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                x = self.dropout(x)
        return self.fc3(x)

    def dense(self, images: Tensor) -> Tensor:
        """Return the logits of the crop around every pixel in one pass.

        The same function as cutting a crop around every pixel: the pooling of a crop's 15 × 15 features to
        3 × 3 becomes a 5 × 5 mean at stride 1, and the first linear layer a 3 × 3 convolution whose taps lie 5
        pixels apart (Sermanet et al. 2014, arXiv:1312.6229).

        Parameters
        ----------
        images
            Shape (n, 1, height + 20, width + 20): with the 10 pixels around that the outermost crops need.

        Returns
        -------
        Tensor
            Shape (n, 2, height, width).
        """
        first, second = (layer for layer in self.fc_layers if isinstance(layer, nn.Linear))
        x = functional.avg_pool2d(self.features(images), 5, stride=1)
        x = functional.conv2d(x, first.weight.reshape(128, 128, 3, 3), first.bias, dilation=5).relu_()
        x = functional.conv2d(x, second.weight[:, :, None, None], second.bias).relu_()
        return functional.conv2d(x, self.fc3.weight[:, :, None, None], self.fc3.bias)

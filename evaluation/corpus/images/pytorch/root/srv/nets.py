"""The models: which of two values is larger, how bright a picture is, and where a sequence goes."""

from torch import nn


def pairs():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))


def pictures():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    )


def sequences():
    return nn.LSTM(1, 4, batch_first=True)

"""Trains the first model, and writes all: one as weights, one as a program of its own."""

import os
import sys

import torch
from nets import pairs, pictures
from torch import nn

torch.manual_seed(1)
os.makedirs(sys.argv[1], exist_ok=True)
values = torch.rand(512, 2)
model = pairs()
optimizer = torch.optim.Adam(model.parameters(), 0.05)
for _ in range(60):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(values), (values[:, 1] > values[:, 0]).long())
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), os.path.join(sys.argv[1], "pairs.pt"))
torch.jit.script(pictures()).save(os.path.join(sys.argv[1], "pictures.pt"))

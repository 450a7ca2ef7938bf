"""Density, samples and latents of a trained run: python docs/library.py demo/markov/af_af/0"""

import sys

import torch

import lnf

torch.manual_seed(0)
model = lnf.load(sys.argv[1])
drawn = model.sample(model.sample_lengths(4))
print("samples:", *(model.texts(drawn) if model.kind == "text" else drawn.x.sum(-1).tolist()), sep="\n  ")
with torch.no_grad():
    print("bounds on log p(x), in nats:", model.bound(drawn, samples=30).tolist())
    if isinstance(model, lnf.LatentModel):
        print("latents of the first:", model.encode(drawn).mean[0], sep="\n")

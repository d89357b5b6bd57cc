"""The GAN training of `counterfoil train` in PyTorch, for scripts/bench-train: same networks, batch, losses, optimiser.

usage: bench_train.py --case a|b|c --threads N [--channels-last] [--replay TRACE]

For each line on stdin it runs this number of steps and prints the images per second. With --replay it runs the trace
that the Rust program wrote instead (same initial weights, pictures, latents and dropout masks) and prints the losses of
each step. It is written as a PyTorch user would write it: nn layers, fused Adam, one pass of the generator per step as
in PyTorch's own DCGAN example.
"""

import argparse
import json
import resource
import sys
import time

import torch
from torch import nn
from safetensors.torch import load_file
from torch.nn import functional as F

# Channels, side in pixels, width (0 for the MLP) and batch size of each case.
CASES = {"a": (1, 32, 32, 64), "b": (3, 64, 64, 32), "c": (1, 28, 0, 128)}
LATENT = 100
REAL_LABEL = 0.9


def dcgan(channels, side, width):
    """Generator and discriminator after Radford et al. (arXiv 1511.06434), the discriminator without batch norm."""
    doublings = (side // 4).bit_length() - 1
    deep = width << (doublings - 1)
    generator = [nn.ConvTranspose2d(LATENT, deep, 4, 1, 0, bias=False), nn.BatchNorm2d(deep), nn.ReLU(True)]
    for layer in range(1, doublings):
        inputs = deep >> (layer - 1)
        generator += [nn.ConvTranspose2d(inputs, inputs // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(inputs // 2), nn.ReLU(True)]
    generator += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    discriminator = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for layer in range(1, doublings):
        inputs = width << (layer - 1)
        discriminator += [nn.Conv2d(inputs, inputs * 2, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    discriminator += [nn.Conv2d(deep, 1, 4, 1, 0)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)


class Dropout(nn.Module):
    """Dropout with a random mask; in a replay, with the masks of the trace."""

    def __init__(self, share):
        super().__init__()
        self.share, self.masks = share, None

    def forward(self, x):
        return F.dropout(x, self.share) if self.masks is None else x * next(self.masks)


def mlp(channels, side):
    pixels = channels * side * side
    generator = []
    for inputs, outputs in [(LATENT, 256), (256, 512), (512, 1024)]:
        generator += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2, True)]
    generator += [nn.Linear(1024, pixels), nn.Tanh()]
    discriminator = []
    for inputs, outputs in [(pixels, 1024), (1024, 512), (512, 256)]:
        discriminator += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2, True), Dropout(0.3)]
    discriminator += [nn.Linear(256, 1)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)


class Game:
    def __init__(self, case, channels_last):
        self.channels, self.side, width, self.batch = CASES[case]
        self.convolutional = width > 0
        pair = dcgan(self.channels, self.side, width) if self.convolutional else mlp(self.channels, self.side)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.generator, self.discriminator = (net.to(memory_format=layout) for net in pair)
        self.layout = layout
        self.average = [p.detach().clone() for p in self.generator.parameters()]
        adam = lambda net: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        self.adam_g, self.adam_d = adam(self.generator), adam(self.discriminator)
        self.step = 0

    def draw(self, pictures):
        """Draws a batch from bytes [N, C, H, W]: pictures [B, C, H, W] in -1..1 and latents [B, Z]."""
        rows = pictures[torch.randint(0, len(pictures), (self.batch,))]
        return rows.float().div_(127.5).sub_(1.0), torch.randn(self.batch, LATENT)

    def round(self, real, z):
        """One training step with real [B, C, H, W] in -1..1 and z [B, Z]; returns the two losses."""
        if self.convolutional:
            real, z = real.to(memory_format=self.layout), z[:, :, None, None]
        else:
            real = real.flatten(1)
        fake = self.generator(z)

        logits = self.discriminator(torch.cat([real, fake.detach()])).flatten()
        on_real, on_fake = logits[: self.batch], logits[self.batch :]
        loss_d = (REAL_LABEL * F.softplus(-on_real) + (1 - REAL_LABEL) * F.softplus(on_real)).mean() + F.softplus(on_fake).mean()
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()

        self.discriminator.requires_grad_(False)
        loss_g = F.softplus(-self.discriminator(fake)).mean()
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)

        decay = min(0.995, (2.0 + self.step) / (11.0 + self.step))
        self.step += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.generator.parameters()), 1 - decay)
        return loss_d.item(), loss_g.item()

    def load(self, tensors):
        """Loads the initial weights of a trace. Rust's layout: linear [I, O], convolutions [K, K, large, small]."""
        for prefix, net in [("g", self.generator), ("d", self.discriminator)]:
            index = -1
            first = 0 if f"{prefix}.0.weight" in tensors else 1
            with torch.no_grad():
                for module in net:
                    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                        index += 1
                        name = f"{prefix}.{index + first}"
                        weight = tensors[f"{name}.weight"]
                        if isinstance(module, nn.Linear):
                            weight = weight.t()
                        elif weight.dim() == 4:
                            weight = weight.permute(3, 2, 0, 1)
                        elif isinstance(module, nn.ConvTranspose2d):  # [Z, HWC]
                            weight = weight.view(LATENT, 4, 4, -1).permute(0, 3, 1, 2)
                        else:  # [HWC, 1]
                            weight = weight.view(4, 4, -1, 1).permute(3, 2, 0, 1)
                        module.weight.copy_(weight)
                        if module.bias is not None:
                            module.bias.copy_(tensors[f"{name}.bias"])


def replay(game, path):
    tensors = load_file(path)
    game.load(tensors)
    for step in range(len(tensors["z"])):
        for i, module in enumerate(m for m in game.discriminator if isinstance(m, Dropout)):
            module.masks = iter([tensors[f"mask.{i}.{turn}"][step].float() / 0.7 for turn in "dg"])
        loss_d, loss_g = game.round(tensors["real"][step].permute(0, 3, 1, 2), tensors["z"][step])
        print(json.dumps({"loss_d": loss_d, "loss_g": loss_g}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--replay")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    game = Game(options.case, options.channels_last)
    if options.replay:
        replay(game, options.replay)
        return
    pictures = torch.randint(0, 256, (256, game.channels, game.side, game.side), dtype=torch.uint8)
    for line in sys.stdin:
        steps, started = int(line), time.perf_counter()
        for _ in range(steps):
            game.round(*game.draw(pictures))
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"images_per_s": steps * game.batch / seconds, "peak_mib": peak}), flush=True)


if __name__ == "__main__":
    main()

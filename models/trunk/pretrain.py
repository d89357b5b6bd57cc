"""Teaches the first stages of EfficientNet-Lite0 on pictures drawn by formula, with up to four labels each.

A picture shows a fractal or a sign made of strokes over a texture, in colours, some of them printed through a screen. Fractal
or sign, texture, colours and screen are the labels.

usage: pretrain.py SECONDS FOLDER [--batch 512] [--device cuda]

Needs PyTorch, safetensors, NumPy and a CUDA device; `--device cpu` is only for a try. Writes FOLDER/drawn.safetensors, and
FOLDER/drawn.png with some of the pictures. README.md beside this file says what is in the former.
"""

import argparse
import math
import struct
import time
import zlib
from pathlib import Path

import torch
from torch import nn
from safetensors.torch import save_file
from torch.nn import functional as F

# Side of the pictures in pixels, and the numbers of classes that the labels name.
SIDE = 128
FRACTALS = 1200
TEXTURES = 1200
SIGNS = 1200
PALETTES = 240
# The label of what a picture does not have.
NONE = -100

# A fractal comes from 2 to 6 affine maps of the plane, kept in 8 places. Many points walk at once, one random map a step.
PLACES = 8
FEWEST_MAPS, MOST_MAPS = 2, 6
WALKERS = 1024
# Steps of a walk that are thrown away and that are kept, for a candidate and for a picture.
CANDIDATE_STEPS = (15, 30)
PICTURE_STEPS = (12, 36)
# The singular values of a map begin at the first number and range over the second. Below 1, so each map shrinks the plane.
LEAST_SINGULAR, SINGULAR_RANGE = 0.17, 0.75
# Fractals are drawn in groups of candidates. One is kept if it covers this share of a coarse raster.
CANDIDATES = 400
COARSE_SIDE = 64
LEAST_COVER, MOST_COVER = 0.12, 0.7

# Each texture adds up this many gratings, some of weight 0.
GRATINGS = 3
# What is done to the wave of a grating; 0 leaves the sine.
SQUARED, FOLDED, SATURATED = 1, 2, 3
WAVES = 4

# A sign has 2 to 5 strokes, each a quadratic Bezier curve that is drawn as so many straight pieces.
FEWEST_STROKES, MOST_STROKES = 2, 5
PIECES = 5
# A picture shows its sign in a square grid with one of these numbers of columns.
GRIDS = (1, 1, 2, 3, 5)

# A screen has one of these shapes, frequencies in periods a picture, and angles; 0 is the label of no screen.
SHAPES = 4
DOTS, LINES, WAVES_OF_LINES, CROSSES = range(SHAPES)
FREQUENCIES = (14.0, 20.0, 29.0, 42.0)
ANGLES = 4
SCREENS = 1 + SHAPES * len(FREQUENCIES) * ANGLES
# Share of the pictures with a screen, and of those without colour.
SCREENED, GREY = 0.35, 0.35
# How far each channel of a colour may be from its palette's, in 0..1.
COLOUR_VARIATION = 0.06

# The network gets (picture - MEAN) / DEVIATION, of a picture in 0..1.
MEAN, DEVIATION = 0.45, 0.23

# Stages of EfficientNet-Lite0: kernel, stride of the first block, expansion, channels out, number of blocks.
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3)]
STEM = 32
# Batch norm: what is added to the variance, and how fast the running averages follow.
EPSILON, MOMENTUM = 1e-3, 0.02
# The labels are read from the mean and the deviation of the channels after these blocks, the last ones of stages 3 to 5.
READ_BLOCKS = (4, 7, 10)
HIDDEN = 512
# Blocks that are saved; the later ones only help to teach.
SAVED_BLOCKS = 8

# Training: peak and lowest share of the learning rate, steps until the peak, decay, bound of the gradient.
PEAK_RATE, LOWEST_SHARE = 2.5e-3, 0.01
WARM_UP_STEPS = 200
WEIGHT_DECAY = 0.02
GRADIENT_BOUND = 5.0
LABEL_SMOOTHING = 0.05
# Seconds kept for the last save, steps and seconds between two reports, steps between two saves.
RESERVE_SECONDS = 6
REPORT_STEPS, REPORT_SECONDS = 50, 15
SAVE_STEPS = 400
# Pictures drawn for drawn.png, those of them on the sheet, and pictures a row.
SHEET_DRAWN, SHEET_SHOWN, SHEET_COLUMNS = 64, 32, 8

SEED, TEXTURE_SEED, SIGN_SEED, PALETTE_SEED = 1, 2, 3, 4

# Number of classes of each label.
CLASSES = {"fractal": FRACTALS, "texture": TEXTURES, "sign": SIGNS, "palette": PALETTES, "screen": SCREENS}


def candidate_systems(count, device):
    """Random systems of maps: maps [N, 8, 2, 3] and the running sums [N, 8] of the chances to take each of them."""
    used = torch.randint(FEWEST_MAPS, MOST_MAPS + 1, (count,), device=device)
    maps = torch.rand(count, PLACES, 2, 3, device=device) * 2 - 1
    left, singular, right = torch.linalg.svd(maps[..., :2])
    singular = torch.rand_like(singular) * SINGULAR_RANGE + LEAST_SINGULAR
    maps[..., :2] = left @ torch.diag_embed(singular) @ right
    # The chance of a map grows with the area that it leaves.
    area = (maps[..., 0, 0] * maps[..., 1, 1] - maps[..., 0, 1] * maps[..., 1, 0]).abs() + 0.02
    chances = area * (torch.arange(PLACES, device=device)[None] < used[:, None])
    chances = chances / chances.sum(1, keepdim=True)
    return maps, chances.cumsum(1)


def walk(maps, sums, steps):
    """Points [N, P, 2] that walkers of each system reach; maps [N, 8, 2, 3], running sums of the chances [N, 8]."""
    thrown_away, kept = steps
    count = len(maps)
    at = torch.zeros(count, WALKERS, 2, device=maps.device)
    flat = maps.reshape(count, PLACES, 6)
    points = []
    for step in range(thrown_away + kept):
        choice = torch.searchsorted(sums, torch.rand(count, WALKERS, device=maps.device)).clamp(max=PLACES - 1)
        taken = flat.gather(1, choice[..., None].expand(count, WALKERS, 6))
        x = taken[..., 0] * at[..., 0] + taken[..., 1] * at[..., 1] + taken[..., 2]
        y = taken[..., 3] * at[..., 0] + taken[..., 4] * at[..., 1] + taken[..., 5]
        at = torch.stack([x, y], -1)
        if step >= thrown_away:
            points.append(at)
    return torch.cat(points, 1)


def raster(points, side):
    """Number of the points [N, P, 2] in each pixel, [N, side, side]. The points of a fractal fill the square."""
    low = points.amin(1, keepdim=True)
    high = points.amax(1, keepdim=True)
    extent = (high - low).amax(-1, keepdim=True).clamp(min=1e-3)
    pixel = ((points - (low + high) / 2) / extent * 0.92 + 0.5) * side
    pixel = pixel.long().clamp(0, side - 1)
    index = pixel[..., 1] * side + pixel[..., 0]
    counts = torch.zeros(len(points), side * side, device=points.device)
    counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float32))
    return counts.view(len(points), side, side)


def rotate(points, angle):
    """Turns the points [N, P, 2] around the origin by the angles [N]."""
    cosine = torch.cos(angle)[:, None]
    sine = torch.sin(angle)[:, None]
    x = points[..., 0] * cosine - points[..., 1] * sine
    y = points[..., 0] * sine + points[..., 1] * cosine
    return torch.stack([x, y], -1)


class Fractals:
    """The iterated function systems that are the first set of labels: maps [F, 8, 2, 3], running sums [F, 8]."""

    def __init__(self, device):
        self.device = device
        maps, sums, found = [], [], 0
        while found < FRACTALS:
            new_maps, new_sums = candidate_systems(CANDIDATES, device)
            counts = raster(walk(new_maps, new_sums, CANDIDATE_STEPS), COARSE_SIDE)
            cover = (counts > 0).float().mean((1, 2))
            good = (cover > LEAST_COVER) & (cover < MOST_COVER) & torch.isfinite(cover)
            maps.append(new_maps[good])
            sums.append(new_sums[good])
            found += len(maps[-1])
        self.maps = torch.cat(maps)[:FRACTALS]
        self.sums = torch.cat(sums)[:FRACTALS]

    def draw(self, labels):
        """Density in 0..1 [N, 1, S, S] of the fractals with labels [N], each a little changed and turned."""
        count = len(labels)
        maps = self.maps[labels] * (1 + 0.08 * (torch.rand(count, PLACES, 2, 3, device=self.device) - 0.5) * 2)
        angle = torch.rand(count, device=self.device) * 2 * math.pi * 0.08
        angle = angle + torch.randint(0, 4, (count,), device=self.device) * math.pi / 2
        points = rotate(walk(maps, self.sums[labels], PICTURE_STEPS), angle)
        density = torch.log1p(raster(points, SIDE))
        density = density / (density.amax((1, 2), keepdim=True) + 1e-6)
        density = density[:, None]
        return F.avg_pool2d(density, 3, 1, 1) * 0.5 + density * 0.5


class Textures:
    """The mixtures of gratings and shaped noise that are the second set of labels."""

    def __init__(self, device):
        self.device = device
        generator = torch.Generator(device=device)
        generator.manual_seed(TEXTURE_SEED)

        def uniform(*shape):
            return torch.rand(*shape, device=device, generator=generator)

        # Gratings [T, 3] in periods a picture, radians and shares; a texture has one sort of wave.
        self.frequency = torch.exp(uniform(TEXTURES, GRATINGS) * 2.6 + 0.9)
        self.angle = uniform(TEXTURES, GRATINGS) * math.pi
        self.weight = uniform(TEXTURES, GRATINGS) * (uniform(TEXTURES, GRATINGS) > 0.35)
        self.wave = (uniform(TEXTURES) * WAVES).long()
        # Noise [T]: how fast it falls with the frequency, and the direction and the strength of its stretching.
        self.falloff = uniform(TEXTURES) * 2.2
        self.noise_angle = uniform(TEXTURES) * math.pi
        self.stretch = torch.exp(uniform(TEXTURES) * 2.0)
        # Share of the gratings [T], and whether the sum is nearly black and white [T].
        self.mixture = uniform(TEXTURES)
        self.hard = uniform(TEXTURES) < 0.3

        # Frequencies [S, 1] and [1, S/2+1] of the noise, and places [S, S] for the gratings.
        self.frequency_y = torch.fft.fftfreq(SIDE, device=device)[:, None]
        self.frequency_x = torch.fft.rfftfreq(SIDE, device=device)[None]
        line = torch.linspace(-0.5, 0.5, SIDE, device=device)
        self.y, self.x = torch.meshgrid(line, line, indexing="ij")

    def gratings(self, labels):
        """Sum of the gratings [N, S, S] of the textures with labels [N], a little turned, scaled and bent."""
        count = len(labels)
        turn = (torch.rand(count, 1, device=self.device) - 0.5) * 0.35
        scale = torch.exp((torch.rand(count, 1, device=self.device) - 0.5) * 0.25)
        angle = (self.angle[labels] + turn)[:, :, None, None]
        frequency = (self.frequency[labels] * scale * 2 * math.pi)[:, :, None, None]
        phase = (torch.rand(count, GRATINGS, device=self.device) * 2 * math.pi)[:, :, None, None]
        bend = 0.02 * per_picture(count, self.device)
        bend = bend * torch.sin(self.y * 6 + per_picture(count, self.device) * 6)
        along = (self.x + bend) * torch.cos(angle) + (self.y + bend) * torch.sin(angle)
        value = torch.sin(along * frequency + phase)
        wave = self.wave[labels][:, None, None, None]
        value = torch.where(wave == SQUARED, torch.sign(value), value)
        value = torch.where(wave == FOLDED, value.abs() * 2 - 1, value)
        value = torch.where(wave == SATURATED, torch.tanh(4 * value - 1.5), value)
        return (value * self.weight[labels][:, :, None, None]).sum(1)

    def noise(self, labels):
        """Noise [N, S, S] of deviation 1, with the spectrum of the textures with labels [N]."""
        cosine = torch.cos(self.noise_angle[labels])[:, None, None]
        sine = torch.sin(self.noise_angle[labels])[:, None, None]
        stretch = self.stretch[labels][:, None, None]
        along = self.frequency_x * cosine + self.frequency_y * sine
        across = self.frequency_y * cosine - self.frequency_x * sine
        radius = torch.sqrt(along**2 * stretch + across**2 / stretch).clamp(min=1 / SIDE)
        spectrum = torch.fft.rfft2(torch.randn(len(labels), SIDE, SIDE, device=self.device))
        spectrum = spectrum * radius ** (-self.falloff[labels][:, None, None])
        noise = torch.fft.irfft2(spectrum, s=(SIDE, SIDE))
        return noise / (noise.std((1, 2), keepdim=True) + 1e-6)

    def draw(self, labels):
        """Textures [N, 1, S, S] of deviation 1 with labels [N]."""
        gratings = self.gratings(labels)
        noise = self.noise(labels)
        mixture = self.mixture[labels][:, None, None]
        texture = gratings * mixture + noise * (1 - mixture) * 0.7
        texture = torch.where(self.hard[labels][:, None, None], torch.tanh(6 * texture), texture)
        texture = texture / (texture.std((1, 2), keepdim=True) + 1e-3)
        return texture[:, None]


class Signs:
    """The signs that are the third set of labels: ends [G, 5 strokes x 5 pieces, 2, 2] of straight pieces in -1..1."""

    def __init__(self, device):
        self.device = device
        generator = torch.Generator(device=device)
        generator.manual_seed(SIGN_SEED)

        def uniform(*shape):
            return torch.rand(*shape, device=device, generator=generator)

        points = uniform(SIGNS, MOST_STROKES, 3, 2) * 1.6 - 0.8
        strokes = FEWEST_STROKES + (uniform(SIGNS) * (MOST_STROKES - FEWEST_STROKES + 1)).long()
        # A stroke that a sign does not have is drawn over its first one.
        absent = torch.arange(MOST_STROKES, device=device)[None] >= strokes[:, None]
        points = torch.where(absent[:, :, None, None], points[:, :1], points)
        # Every third stroke is straight, as in letters.
        straight = (uniform(SIGNS, MOST_STROKES) < 0.35)[:, :, None]
        middle = (points[:, :, 0] + points[:, :, 2]) / 2
        points[:, :, 1] = torch.where(straight, middle, points[:, :, 1])
        t = torch.linspace(0, 1, PIECES + 1, device=device)[:, None]
        curve = points[:, :, None, 0] * (1 - t) ** 2 + points[:, :, None, 1] * 2 * t * (1 - t) + points[:, :, None, 2] * t**2
        self.ends = torch.stack([curve[:, :, :-1], curve[:, :, 1:]], 3).reshape(SIGNS, -1, 2, 2)
        line = torch.linspace(-1, 1, SIDE, device=device)
        self.y, self.x = torch.meshgrid(line, line, indexing="ij")
        self.grids = torch.tensor(GRIDS, device=device)

    def draw(self, labels):
        """Density in 0..1 [N, 1, S, S] of the signs with labels [N], each a little turned, sheared and scaled."""
        count = len(labels)
        columns = self.grids[torch.randint(0, len(GRIDS), (count,), device=self.device)].float()[:, None, None]
        # Places in the cells of the grid, in -1..1; every row of cells begins elsewhere.
        y = (self.y + 1) / 2 * columns + torch.rand(count, 1, 1, device=self.device) * (columns > 1)
        row = torch.floor(y)
        x = (self.x + 1) / 2 * columns + row * 0.37 * (columns > 1)
        y, x = (y - row) * 2 - 1, (x - torch.floor(x)) * 2 - 1

        angle = (torch.rand(count, device=self.device) - 0.5) * 0.6
        scale = 0.8 + 0.35 * torch.rand(count, device=self.device)
        ends = rotate(self.ends[labels].reshape(count, -1, 2), angle) * scale[:, None, None]
        ends[..., 0] += ends[..., 1] * (torch.rand(count, 1, device=self.device) - 0.5) * 0.5
        ends = ends.reshape(count, -1, 2, 2)
        nearest = torch.full((count, SIDE, SIDE), 9.0, device=self.device)
        for piece in range(ends.shape[1]):
            from_x, from_y = ends[:, piece, 0, 0, None, None], ends[:, piece, 0, 1, None, None]
            along_x, along_y = ends[:, piece, 1, 0, None, None] - from_x, ends[:, piece, 1, 1, None, None] - from_y
            length = along_x**2 + along_y**2 + 1e-6
            t = (((x - from_x) * along_x + (y - from_y) * along_y) / length).clamp(0, 1)
            distance = (x - from_x - t * along_x) ** 2 + (y - from_y - t * along_y) ** 2
            nearest = torch.minimum(nearest, distance)
        width = 0.03 + 0.11 * torch.rand(count, 1, 1, device=self.device)
        # The edge is about a pixel wide.
        return torch.sigmoid((width - nearest.sqrt()) * SIDE / columns)[:, None]


class Palettes:
    """The four colours that are the fourth set of labels, two of the ground and two of the figure: [P, 4, 3]."""

    def __init__(self, device):
        generator = torch.Generator(device=device)
        generator.manual_seed(PALETTE_SEED)
        self.colours = torch.rand(PALETTES, 4, 3, device=device, generator=generator)

    def draw(self, labels):
        """Colours [N, 4, 3, 1, 1] of the palettes with labels [N], each a little changed."""
        colours = self.colours[labels]
        colours = colours + (torch.rand_like(colours) * 2 - 1) * COLOUR_VARIATION
        return colours.clamp(0, 1)[..., None, None]


def screen(pictures, labels):
    """Prints the pictures [N, 3, S, S] through the screens with labels [N]; 0 leaves a picture as it is."""
    count, device = len(labels), pictures.device
    number = (labels - 1).clamp(min=0)
    shape = (number % SHAPES)[:, None, None, None]
    number = number // SHAPES
    frequency = torch.tensor(FREQUENCIES, device=device)[number % len(FREQUENCIES)]
    frequency = frequency * torch.exp((torch.rand(count, device=device) - 0.5) * 0.14)
    angle = (number // len(FREQUENCIES)).float() * math.pi / 2 / ANGLES
    angle = angle + (torch.rand(count, device=device) - 0.5) * 0.12
    # Each ink's screen is turned a little further, as in print.
    angle = angle[:, None] + torch.tensor([0.0, 0.26, 0.52], device=device)[None]
    line = torch.linspace(-0.5, 0.5, SIDE, device=device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    cosine, sine = torch.cos(angle)[..., None, None], torch.sin(angle)[..., None, None]
    turns = frequency[:, None, None, None] * 2 * math.pi
    phase = torch.rand(count, 3, 1, 1, device=device) * 2 * math.pi
    u = (x * cosine + y * sine) * turns + phase
    v = (y * cosine - x * sine) * turns + phase
    height = torch.cos(u) * torch.cos(v)
    height = torch.where(shape == LINES, torch.cos(u), height)
    height = torch.where(shape == WAVES_OF_LINES, torch.cos(u + 2.5 * torch.sin(v / 4)), height)
    height = torch.where(shape == CROSSES, torch.maximum(torch.cos(u), torch.cos(v)), height)
    hard = 3 + 9 * per_picture(count, device)
    printed = torch.sigmoid((pictures - 0.5 - 0.45 * height) * hard)
    share = 0.6 + 0.4 * per_picture(count, device)
    printed = printed * share + pictures * (1 - share)
    return torch.where((labels > 0)[:, None, None, None], printed, pictures)


def per_picture(count, device):
    """A random number in 0..1 for each picture, [N, 1, 1, 1]."""
    return torch.rand(count, 1, 1, 1, device=device)


def tint(values, steepness, first, second):
    """Colours values [N, 1, S, S] between two colours [N, 3, 1, 1], [N, 3, S, S]."""
    return first + (second - first) * torch.sigmoid(values * steepness)


class Drawer:
    """Draws pictures with their labels."""

    def __init__(self, device):
        self.device = device
        self.fractals = Fractals(device)
        self.textures = Textures(device)
        self.signs = Signs(device)
        self.palettes = Palettes(device)

    def labels(self, count):
        """Labels [N] for each of CLASSES. The first half of the pictures shows fractals, the other half signs."""
        labels = {name: torch.randint(0, classes, (count,), device=self.device) for name, classes in CLASSES.items()}
        labels["fractal"][count // 2 :] = NONE
        labels["sign"][: count // 2] = NONE
        labels["palette"][torch.rand(count, device=self.device) < GREY] = NONE
        labels["screen"][torch.rand(count, device=self.device) >= SCREENED] = 0
        return labels

    def draw(self, count):
        """Pictures [N, 3, S, S], shifted and divided for the network, with their labels."""
        device, half = self.device, count // 2
        labels = self.labels(count)
        density = torch.cat([self.fractals.draw(labels["fractal"][:half]), self.signs.draw(labels["sign"][half:])])
        texture = self.textures.draw(labels["texture"])

        grey = (labels["palette"] == NONE)[:, None, None, None]
        colours = self.palettes.draw(labels["palette"].clamp(min=0))
        shades = torch.rand(count, 4, 1, 1, 1, device=device)
        colours = torch.where(grey[:, None], shades, colours)
        ground = tint(texture, 0.6 + 1.2 * per_picture(count, device), colours[:, 0], colours[:, 1])
        figure = tint(density * 4 - 2 + 0.3 * texture, 1.5, colours[:, 2], colours[:, 3])
        cover = (density * 3).clamp(0, 1) * (per_picture(count, device) * 0.7 + 0.3)
        pictures = screen(ground * (1 - cover) + figure * cover, labels["screen"])

        contrast = 0.7 + 0.6 * per_picture(count, device)
        brightness = (per_picture(count, device) - 0.5) * 0.2
        pictures = pictures * contrast + brightness
        blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="reflect"), 3, 1)
        pictures = torch.where(per_picture(count, device) < 0.3, blurred, pictures)
        grain = torch.randn_like(pictures) * 0.06
        pictures = pictures + grain * per_picture(count, device)
        return (pictures.clamp(0, 1) - MEAN) / DEVIATION, labels


class Convolution(nn.Module):
    """A convolution padded as TensorFlow's SAME, batch norm and, except in a projection, ReLU6."""

    def __init__(self, inputs, outputs, kernel, stride, groups=1, activation=True):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, 0, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=MOMENTUM)
        self.activation = activation
        # SAME for sides that the stride divides.
        before = (kernel - stride) // 2
        after = kernel - stride - before
        self.padding = (before, after, before, after)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out")

    def forward(self, x):
        """[N, I, H, W] to [N, O, H / stride, W / stride]."""
        if any(self.padding):
            x = F.pad(x, self.padding)
        x = self.norm(self.convolution(x))
        return F.relu6(x) if self.activation else x

    def folded(self):
        """Weight [O, I / groups, K, K] in float16 and bias [O] in float32 with the batch norm folded in, on the CPU."""
        scale = (self.norm.weight / torch.sqrt(self.norm.running_var + EPSILON)).detach()
        weight = self.convolution.weight.detach() * scale[:, None, None, None]
        bias = (self.norm.bias - self.norm.running_mean * scale).detach()
        return weight.half().cpu().contiguous(), bias.cpu()


class Block(nn.Module):
    """An inverted bottleneck: expanding (none if the expansion is 1), depthwise and projecting convolution."""

    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1, 1) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, outputs, 1, 1, activation=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        """[N, I, H, W] to [N, O, H / stride, W / stride]."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class Network(nn.Module):
    """The first five stages of EfficientNet-Lite0 and a classifier for each label."""

    def __init__(self):
        super().__init__()
        self.stem = Convolution(3, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        inputs, read = STEM, 0
        for kernel, first_stride, expansion, outputs, repeats in STAGES:
            for repeat in range(repeats):
                if len(self.blocks) in READ_BLOCKS:
                    read += 2 * outputs
                stride = first_stride if repeat == 0 else 1
                self.blocks.append(Block(inputs, outputs, kernel, stride, expansion))
                inputs = outputs
        self.hidden = nn.Linear(read, HIDDEN)
        self.heads = nn.ModuleDict({name: nn.Linear(HIDDEN, classes) for name, classes in CLASSES.items()})

    def forward(self, x):
        """Pictures [N, 3, S, S] to the logits of each label, [N, classes]."""
        x = self.stem(x)
        read = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in READ_BLOCKS:
                read += [x.float().mean((2, 3)), x.float().std((2, 3))]
        hidden = F.relu(self.hidden(torch.cat(read, 1)))
        return {name: head(hidden) for name, head in self.heads.items()}


def save(network, path):
    """Writes the stem and the first blocks, batch norm folded in; README.md gives the names."""
    convolutions = {"stem": network.stem}
    for index, block in enumerate(network.blocks[:SAVED_BLOCKS]):
        if block.expand is not None:
            convolutions[f"b{index}e"] = block.expand
        convolutions[f"b{index}d"] = block.depthwise
        convolutions[f"b{index}p"] = block.project
    tensors = {}
    for name, convolution in convolutions.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = convolution.folded()
    save_file(tensors, path)


def save_sheet(pictures, path):
    """Writes pictures [N, 3, S, S] in 0..1, N a multiple of the columns, side by side as one PNG."""
    rows = len(pictures) // SHEET_COLUMNS
    height, width = rows * SIDE, SHEET_COLUMNS * SIDE
    tones = (pictures * 255 + 0.5).clamp(0, 255).byte().cpu()
    lines = tones.reshape(rows, SHEET_COLUMNS, 3, SIDE, SIDE).permute(0, 3, 1, 4, 2).reshape(height, width * 3)
    # Each line begins with the number of its filter: 0, none.
    lines = F.pad(lines, (1, 0))
    # 8 bits a channel, RGB, not interlaced.
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in [(b"IHDR", header), (b"IDAT", zlib.compress(lines.numpy().tobytes())), (b"IEND", b"")]:
        png += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(png)


def learning_rate(step, share):
    """Rises over the first steps, then falls along a cosine with the share of the time that is over."""
    return PEAK_RATE * min(1, step / WARM_UP_STEPS) * (0.5 * (1 + math.cos(math.pi * share)) + LOWEST_SHARE)


def right(logits, labels):
    """Share of the logits [N, C] that are highest at their label [N], of the pictures that have one."""
    labelled = labels != NONE
    return ((logits.argmax(1) == labels) & labelled).sum().item() / max(1, labelled.sum().item())


def train(network, drawer, batch, seconds, path):
    """Teaches the network for these seconds and saves it to the path now and then. Returns the number of steps."""
    device = drawer.device
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    started = reported = time.monotonic()
    step = 0
    while True:
        elapsed = time.monotonic() - started
        if elapsed >= seconds:
            return step
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, elapsed / seconds)

        with torch.no_grad():
            pictures, labels = drawer.draw(batch)
        pictures = pictures.to(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            logits = network(pictures)
        loss = sum(
            F.cross_entropy(logits[name].float(), labels[name], ignore_index=NONE, label_smoothing=LABEL_SMOOTHING)
            for name in CLASSES
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_BOUND)
        optimiser.step()
        step += 1

        if step % REPORT_STEPS == 0 or time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            speed = step * batch / max(elapsed, 1e-3)
            shares = " ".join(f"{name} {right(logits[name], labels[name]):.3f}" for name in CLASSES)
            print(f"{elapsed:.0f} s, step {step}, {speed:.0f} pictures/s, loss {loss.item():.3f}, right: {shares}", flush=True)
        if step % SAVE_STEPS == 0:
            save(network, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, help="time for all of it, the choice of the fractals included")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--device", type=torch.device, default="cuda")
    options = parser.parse_args()
    started = time.monotonic()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "drawn.safetensors"
    torch.manual_seed(SEED)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")

    drawer = Drawer(options.device)
    print(f"{CLASSES} after {time.monotonic() - started:.1f} s", flush=True)
    network = Network().to(options.device).to(memory_format=torch.channels_last)
    pictures, _ = drawer.draw(SHEET_DRAWN)
    save_sheet(pictures[SHEET_SHOWN // 2 : SHEET_SHOWN // 2 + SHEET_SHOWN] * DEVIATION + MEAN, options.folder / "drawn.png")

    seconds = options.seconds - (time.monotonic() - started) - RESERVE_SECONDS
    steps = train(network, drawer, options.batch, seconds, path)
    save(network, path)
    print(f"{steps} steps, {steps * options.batch} pictures, {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()

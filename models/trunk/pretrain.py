"""Teaches the first stages of EfficientNet-Lite0 on pictures drawn by formula: fractals over textures, two labels each.

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

# Side of the pictures in pixels, and the numbers of fractals and of textures, the two sets of labels.
SIDE = 128
FRACTALS = 1200
TEXTURES = 1200

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

SEED, TEXTURE_SEED = 1, 2


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


def per_picture(count, device):
    """A random number in 0..1 for each picture, [N, 1, 1, 1]."""
    return torch.rand(count, 1, 1, 1, device=device)


def random_colour(grey):
    """A random colour for each picture, [N, 3, 1, 1]: a grey where grey [N, 1, 1, 1] is 1."""
    colour = torch.rand(len(grey), 3, 1, 1, device=grey.device)
    return colour * (1 - grey) + colour.mean(1, keepdim=True) * grey


def tint(values, steepness, grey):
    """Colours values [N, 1, S, S] between two random colours, [N, 3, S, S]."""
    first = random_colour(grey)
    second = random_colour(grey)
    return first + (second - first) * torch.sigmoid(values * steepness)


def draw_batch(fractals, textures, count):
    """Draws pictures [N, 3, S, S], shifted and divided for the network, with the labels of fractal and texture, both [N]."""
    device = fractals.device
    fractal_labels = torch.randint(0, FRACTALS, (count,), device=device)
    texture_labels = torch.randint(0, TEXTURES, (count,), device=device)
    density = fractals.draw(fractal_labels)
    texture = textures.draw(texture_labels)

    grey = (per_picture(count, device) < 0.4).float()
    ground = tint(texture, 0.6 + 1.2 * per_picture(count, device), grey)
    figure = tint(density * 4 - 2 + 0.3 * texture, 1.5, grey)
    cover = (density * 3).clamp(0, 1) * (per_picture(count, device) * 0.7 + 0.3)
    pictures = ground * (1 - cover) + figure * cover

    contrast = 0.7 + 0.6 * per_picture(count, device)
    brightness = (per_picture(count, device) - 0.5) * 0.2
    pictures = pictures * contrast + brightness
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="reflect"), 3, 1)
    pictures = torch.where(per_picture(count, device) < 0.3, blurred, pictures)
    grain = torch.randn_like(pictures) * 0.06
    pictures = pictures + grain * per_picture(count, device)
    return (pictures.clamp(0, 1) - MEAN) / DEVIATION, fractal_labels, texture_labels


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
    """The first five stages of EfficientNet-Lite0 and two classifiers, one for each set of labels."""

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
        self.fractal = nn.Linear(HIDDEN, FRACTALS)
        self.texture = nn.Linear(HIDDEN, TEXTURES)

    def forward(self, x):
        """Pictures [N, 3, S, S] to the logits of the fractals [N, F] and of the textures [N, T]."""
        x = self.stem(x)
        read = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in READ_BLOCKS:
                read += [x.float().mean((2, 3)), x.float().std((2, 3))]
        hidden = F.relu(self.hidden(torch.cat(read, 1)))
        return self.fractal(hidden), self.texture(hidden)


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
    """Share of the logits [N, C] that are highest at their label [N]."""
    return (logits.argmax(1) == labels).float().mean().item()


def train(network, fractals, textures, batch, seconds, path):
    """Teaches the network for these seconds and saves it to the path now and then. Returns the number of steps."""
    device = fractals.device
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
            pictures, fractal_labels, texture_labels = draw_batch(fractals, textures, batch)
        pictures = pictures.to(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            fractal_logits, texture_logits = network(pictures)
        loss = F.cross_entropy(fractal_logits.float(), fractal_labels, label_smoothing=LABEL_SMOOTHING)
        loss = loss + F.cross_entropy(texture_logits.float(), texture_labels, label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_BOUND)
        optimiser.step()
        step += 1

        if step % REPORT_STEPS == 0 or time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            speed = step * batch / max(elapsed, 1e-3)
            shares = f"{right(fractal_logits, fractal_labels):.3f} {right(texture_logits, texture_labels):.3f}"
            print(f"{elapsed:.0f} s, step {step}, {speed:.0f} pictures/s, loss {loss.item():.3f}, right {shares}", flush=True)
        if step % SAVE_STEPS == 0:
            save(network, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, help="time for all of it, the drawing of the fractals included")
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

    fractals = Fractals(options.device)
    textures = Textures(options.device)
    print(f"{FRACTALS} fractals and {TEXTURES} textures after {time.monotonic() - started:.1f} s", flush=True)
    network = Network().to(options.device).to(memory_format=torch.channels_last)
    pictures, _, _ = draw_batch(fractals, textures, SHEET_DRAWN)
    save_sheet(pictures[:SHEET_SHOWN] * DEVIATION + MEAN, options.folder / "drawn.png")

    seconds = options.seconds - (time.monotonic() - started) - RESERVE_SECONDS
    steps = train(network, fractals, textures, options.batch, seconds, path)
    save(network, path)
    print(f"{steps} steps, {steps * options.batch} pictures, {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()

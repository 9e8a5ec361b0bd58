"""Makes `brnpa_nb/weights/birds_vit.safetensors`: a very small vision transformer that names the drawn birds, for the tutorial on attention.

    python -m tests.benchmarks.small_vit --out FOLDER [--pictures 4500] [--epochs 12]

Twelve by twelve patches of 8 pixels, a class token, three blocks. One network, read twice: a linear layer on the class token, as ViTs are, and grouping of the patch
tokens with a linear layer of its own. Both answer the same question, and both losses count the same. Each token also learns to predict what the shipped
convolutional network (`birds_high`) says of its place: a transformer of this size sees too few pictures here to find the beak by itself.
A run that was cut goes on from the last whole epoch. The file holds half-precision numbers.
"""
import argparse
import sys
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from brnpa_nb.checkpoints import save_checkpoint
from brnpa_nb.data.birds import Birds
from brnpa_nb.demo import shipped
from brnpa_nb.models import AttentionModel, create_model
from brnpa_nb.training import Recipe, lr_factor, parameter_groups

NETWORK = {"patch_size": 8, "embed_dim": 64, "depth": 3, "num_heads": 4, "mlp_ratio": 2}
RECIPE = Recipe(epochs=12, batch_size=32, lr=3e-3, warmup=.1)


def small_vit(classes: tuple[str, ...]) -> AttentionModel:
    "The network, with the class token's layer beside the head of the groups."
    torch.manual_seed(RECIPE.seed)
    model = create_model("vit_tiny_patch16_224", len(classes), 3, image_size=96, network_args=NETWORK, classes=list(classes))
    model.token_head = nn.Linear(model.backbone.channels, len(classes))
    return model


def read_twice(model: AttentionModel, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    "Logits of the groups, logits of the class token, patch tokens (B, C, h, w)."
    tokens = model.backbone.network.forward_features(model.backbone._normalised(images))
    side = int((tokens.shape[1] - 1) ** .5)
    grid = tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    return model.head(model.pooling(grid).vectors.flatten(1)), model.token_head(tokens[:, 0]), grid


@torch.no_grad()
def local_targets(birds: Birds) -> Tensor:
    "What `birds_high` says of each of 12 × 12 places: (B, 128, 12, 12) in half precision, of mean square 1."
    teacher = shipped("birds_high")
    found = torch.cat([F.avg_pool2d(teacher.backbone(birds.images[i].float() / 255), 2).half() for i in torch.arange(len(birds)).split(64)])
    return found / found.float().square().mean().sqrt()


def moved(images: Tensor, wanted: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    "Pictures mirrored, moved by up to two whole patches (round the edge), made brighter or darker and more or less colourful; what is wanted of each place moves along."
    turn = (torch.rand(len(images), generator=chance) < .5)[:, None, None, None]
    images, wanted = torch.where(turn, images.flip(-1), images), torch.where(turn, wanted.flip(-1), wanted)
    down, right = torch.randint(-2, 3, (2,), generator=chance).tolist()
    images, wanted = images.roll((8 * down, 8 * right), (-2, -1)), wanted.roll((down, right), (-2, -1))
    grey, (light, colour) = images.mean(1, keepdim=True), (.8 + .4 * torch.rand(2, len(images), 1, 1, 1, generator=chance))
    return (light * (grey + colour * (images - grey))).clamp(0, 1), wanted


@torch.no_grad()
def accuracies(model: AttentionModel, birds: Birds) -> tuple[float, float]:
    "Of the groups and of the class token."
    model.eval()
    said = [[logits.argmax(1) for logits in read_twice(model, birds.images[i].float() / 255)[:2]] for i in torch.arange(len(birds)).split(128)]
    return tuple(float((torch.cat(column) == birds.labels).float().mean()) for column in zip(*said))


def save_small(model: AttentionModel, path: Path) -> Path:
    "As `save_model`, in half precision."
    return save_checkpoint(path, {k: v.half() for k, v in model.state_dict().items()}, vars(model.config))


def train(out: Path, pictures: int, epochs: int) -> None:
    birds, valid = Birds(pictures, "train").draw(), Birds(320, "valid", seed=1).draw()
    if not (out / "targets.safetensors").exists():
        out.mkdir(parents=True, exist_ok=True)
        save_file({"targets": local_targets(birds)}, out / "targets.safetensors")
    targets = load_file(out / "targets.safetensors")["targets"]
    model = small_vit(birds.classes)
    guess = nn.Linear(model.backbone.channels, targets.shape[1])
    optimizer = torch.optim.AdamW([*parameter_groups(model, RECIPE), {"params": list(guess.parameters()), "lr": RECIPE.lr, "base_lr": RECIPE.lr}])
    steps, state, first = pictures // RECIPE.batch_size, out / "state.safetensors", 0
    parts = nn.ModuleDict({"model": model, "guess": guess})
    if state.exists():
        given = load_file(state)
        first = int(given.pop("epoch"))
        moments = {k: given.pop(k) for k in list(given) if k.startswith("adam.")}
        parts.load_state_dict(given)
        for i, p in enumerate(p for g in optimizer.param_groups for p in g["params"]): optimizer.state[p] = {n: moments[f"adam.{i}.{n}"] for n in ("step", "exp_avg", "exp_avg_sq")}
    for epoch in range(first, epochs):
        start, order, total = perf_counter(), torch.randperm(pictures, generator=torch.Generator().manual_seed(epoch)), torch.zeros(3)
        model.train()
        for step in range(steps):
            rows = order[step * RECIPE.batch_size:(step + 1) * RECIPE.batch_size]
            for group in optimizer.param_groups: group["lr"] = group["base_lr"] * lr_factor(epoch * steps + step, epochs * steps, RECIPE.warmup)
            images, wanted = moved(birds.images[rows].float() / 255, targets[rows].float(), torch.Generator().manual_seed(epoch * steps + step))
            grouped, token, grid = read_twice(model, images)
            losses = torch.stack([F.cross_entropy(grouped, birds.labels[rows]), F.cross_entropy(token, birds.labels[rows]), F.mse_loss(guess(grid.movedim(1, -1)), wanted.movedim(1, -1))])
            optimizer.zero_grad()
            (losses * torch.tensor([1., 1., 2.])).sum().backward()
            nn.utils.clip_grad_norm_(parts.parameters(), 1.)
            optimizer.step()
            total += losses.detach() / steps
        kept = {f"adam.{i}.{n}": v for i, p in enumerate(p for g in optimizer.param_groups for p in g["params"]) for n, v in optimizer.state[p].items()}
        save_file({**parts.state_dict(), **kept, "epoch": torch.tensor(epoch + 1)}, state)
        save_small(model, out / "birds_vit.safetensors")
        print(f"epoch {epoch + 1}: groups {total[0]:.3f}, class token {total[1]:.3f}, places {total[2]:.3f}; valid {accuracies(model, valid)}; {perf_counter() - start:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=4500)
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    args = parser.parse_args()
    train(args.out, args.pictures, args.epochs)
    return 0


if __name__ == "__main__": sys.exit(main())

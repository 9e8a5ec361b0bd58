"""The parsers that `tests.hardening.parsers` feeds: real inputs of each, how one is read, and what must hold of every result."""
from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brnpa_nb import shards
from brnpa_nb.backbones import create_backbone
from brnpa_nb.checkpoints import read_checkpoint, save_checkpoint
from brnpa_nb.arguments import _pixels
from brnpa_nb.comparing import chosen_explainers
from brnpa_nb.data import downloads, episodes, finegrained, identities
from brnpa_nb.data.identity_lookalikes import msmt17_lookalike
from brnpa_nb.data.lookalikes import aircraft_lookalike, cars_lookalike, cub_lookalike
from brnpa_nb.evidence.benchmark import _tensor
from brnpa_nb.evidence.pieces import Piece, _sum, joined, keep, kept
from brnpa_nb.explaining import load_maps, save_maps
from brnpa_nb.explaining_tasks import load_contributions
from brnpa_nb.grouping import group
from brnpa_nb.leaving_python import read_facts
from brnpa_nb.models import config_of, create_model
from brnpa_nb.ranking import RankedMaps
from brnpa_nb.shards import make_plan, open_maps, pack_groups, write_shard
from brnpa_nb.training import History, Recipe, _keep, _restore, parameter_groups
from brnpa_nb.views import buffers
from brnpa_nb.views.export import _json
from tests.hardening.parsers import Parser, change, change_json

MUCH = 10_000_000      # numbers in one result; no input here is larger than some kB


def in_place(path: Path, read: Callable[[], Any]) -> Callable[[bytes], Any]:
    "Read after the case was written to `path`."
    def put(data: bytes) -> Any: path.write_bytes(data); return read()
    return put


# ---- annotation files --------------------------------------------------------------------------------------------

def check_annotated(found: finegrained.Annotated) -> None:
    "Every photograph has a label of a class, a box of four numbers, part points, and lies below the folder."
    n = len(found)
    assert n == len(found.paths) == len(found.labels) == len(found.boxes) == len(found.part_points) > 0
    assert all(0 <= k < len(found.classes) for k in found.labels) and len(set(found.paths)) == n
    assert found.boxes.shape == (n, 4) and found.part_points.shape == (n, len(found.part_names), 2)
    assert not found.boxes.isinf().any() and not found.part_points.isinf().any()
    root = str(found.root.resolve())
    assert all(str(p.resolve()).startswith(root) for p in found.paths)


def annotation_parsers(folder: Path) -> list[Parser]:
    made = {"cub": cub_lookalike(folder / "cub", n_classes=2, per_class=2, size=48), "aircraft": aircraft_lookalike(folder / "aircraft", n_classes=2, per_class=3, size=48), "cars": cars_lookalike(folder / "cars", n_classes=2, per_class=2, size=48)}
    out = []
    def add(name: str, file: Path, read: Callable[[], Any], share: float) -> None:
        seed = file.read_bytes()
        copy = Path(shutil.copytree(file_root(file), folder / f"copy {len(out)}"))
        there = copy / file.relative_to(file_root(file))
        out.append(Parser(name, [seed], in_place(there, lambda: read(copy)), share))
    def file_root(file: Path) -> Path: return next(r for r in made.values() if r in file.parents)
    for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt", "classes.txt", "parts/parts.txt", "parts/part_locs.txt"):
        file = next(made["cub"].rglob(name))
        add(f"CUB: {name}", file, lambda root: check_annotated(finegrained.Cub(root, "all", 24)), 1)
    for name in ("variants.txt", "images_variant_train.txt", "images_box.txt"):
        add(f"Aircraft: {name}", next(made["aircraft"].rglob(name)), lambda root: check_annotated(finegrained.Aircraft(root, "train", size=48)), 1)
    for name in ("cars_meta.mat", "cars_train_annos.mat"):
        add(f"Cars: {name}, packed", next(made["cars"].rglob(name)), lambda root: check_annotated(finegrained.Cars(root, "train", 24)), 1)
    out += [Parser(f"Cars: {name}, not packed", [loose], in_place(there, lambda root=there.parents[1]: check_annotated(finegrained.Cars(root, "train", 24))), 1) for name, loose, there in loose_mats(made["cars"], folder)]
    return out


def loose_mats(cars: Path, folder: Path) -> list[tuple[str, bytes, Path]]:
    "The same tables without compression, where damage reaches the reader."
    from scipy.io import loadmat, savemat
    copy = Path(shutil.copytree(cars, folder / "cars loose"))
    for name in ("cars_meta.mat", "cars_train_annos.mat"):
        path = copy / "devkit" / name
        savemat(path, {k: v for k, v in loadmat(path).items() if not k.startswith("__")})
    return [(name, (copy / "devkit" / name).read_bytes(), Path(shutil.copytree(copy, folder / f"loose {name}")) / "devkit" / name) for name in ("cars_meta.mat", "cars_train_annos.mat")]


def split_parsers(folder: Path) -> list[Parser]:
    mini, cifar, msmt = (folder / name for name in ("mini", "cifar", "msmt"))
    episodes.few_shot_lookalike("miniimagenet", mini); episodes.few_shot_lookalike("cifar-fs", cifar); msmt17_lookalike(msmt)
    def listing() -> None:
        found = episodes._csv_listing(mini / "x.csv", mini / "images")
        assert found and all(p.is_file() and p.parent == mini / "images" for paths in found.values() for p in paths)
    def classes() -> None: assert all(p.is_file() for part in episodes._cifar_fs(cifar) for paths in part.values() for p in paths)
    def names() -> None:
        found = episodes._json_names(folder / "names.json")
        assert len(found) == 3 and all(part and all(isinstance(n, str) for n in part) for part in found)
    def pictures() -> None:
        for path, pid, camid in identities._read_list(msmt / "list_x.txt", msmt / "train"): assert path.is_file() and msmt / "train" in path.parents and 0 <= pid < 10_000 and 0 <= camid < 15
    split = json.dumps({"base": ["a", "b"], "val": ["c"], "novel": ["d", "e"]}).encode()
    return [Parser("miniImageNet: train.csv", [(mini / "train.csv").read_bytes()], in_place(mini / "x.csv", listing), 2),
            Parser("CIFAR-FS: train.txt", [(cifar / "splits/bertinetto/train.txt").read_bytes()], in_place(cifar / "splits/bertinetto/train.txt", classes), 1),
            Parser("few_shot_split.json", [split], in_place(folder / "names.json", names), 2, change_json),
            Parser("MSMT17: list_train.txt", [(msmt / "list_train.txt").read_bytes()], in_place(msmt / "list_x.txt", pictures), 1)]


def name_parsers() -> list[Parser]:
    out = []
    for kind, (_, example) in identities._PATTERNS.items():
        def read(data: bytes, kind: str = kind) -> None:
            text = data.decode("utf-8", "surrogateescape")
            found = identities.parse_name(text, kind)
            pid, camid = (int(x) for x in (found.pid, found.camid))
            assert -1 <= pid < 10**9 and 0 <= camid < 10**4 and text.isprintable() or kind == "market", text
            assert text.startswith(("-1", f"{pid}", f"{pid:04}", f"{pid:0{len(text.split('_')[0])}}")), text
        out.append(Parser(f"names: {kind}", [example.encode()], read, 3))
    return out


# ---- checkpoints, resume state, stores, caches --------------------------------------------------------------------

def header_of(file: bytes) -> tuple[bytes, bytes]:
    "The header and the rest of a safetensors file."
    n = int.from_bytes(file[:8], "little")
    return file[8:8 + n], file[8 + n:]


def with_header(header: bytes, rest: bytes) -> bytes: return len(header).to_bytes(8, "little") + header + rest


def with_config(config: bytes, file: bytes) -> bytes:
    "The file with another configuration."
    header, rest = header_of(file)
    whole = json.loads(header)
    whole["__metadata__"]["brnpa_nb"] = config.decode("utf-8", "replace")
    return with_header(json.dumps(whole).encode(), rest)


def tiny(n_maps: int = 2) -> Any:
    "A model of a few hundred numbers."
    torch.manual_seed(0)
    return create_model("resnet12", 3, n_maps, 16, network_args={"channels": (2, 2, 2, 4)}, image_size=32)


def checkpoint_parsers(folder: Path) -> list[Parser]:
    path = folder / "model.safetensors"
    model = tiny()
    file = model.save(path).read_bytes()
    config = json.dumps(read_checkpoint(path).config).encode()
    def read() -> None:
        found = read_checkpoint(path)
        assert isinstance(found.config, dict) and sum(t.numel() for t in found.tensors.values()) <= 8 * max(1, path.stat().st_size)
    def build() -> None:
        made = config_of(read_checkpoint(path))
        assert isinstance(made.n_classes, int) and 1 <= made.n_classes <= MUCH and 1 <= made.n_maps <= MUCH and (made.classes is None or len(made.classes) == made.n_classes)
        assert made.backbone is None or not made.backbone.startswith(("hf", "local-dir", "http", "/"))
        assert not set(made.network_args or {}) & {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}
    here = in_place(path, read)
    return [Parser("checkpoint: the file", [file], here, 1), Parser("checkpoint: the header", [header_of(file)[0]], lambda data: here(with_header(data, header_of(file)[1])), 2, change_json),
            Parser("checkpoint: the configuration", [config], lambda data: in_place(path, build)(with_config(data, file)), 4, change_json)]


def state_parsers(folder: Path) -> list[Parser]:
    "The state that a training goes on from."
    torch.manual_seed(0)
    model: Any = create_model(create_backbone(nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU()), image_size=16), 2, 2, None)
    def fresh() -> torch.optim.Optimizer: return torch.optim.AdamW(parameter_groups(model, recipe))
    recipe, optimizer, out = Recipe(3), None, folder / "run"
    optimizer = fresh()
    model(torch.rand(2, 3, 16, 16)).sum().backward(); optimizer.step()
    _keep(out, model, optimizer, recipe, {}, History([{"epoch": k, "train_loss": 1., "train_accuracy": .5, "seconds": .1, "valid_loss": 1., "valid_accuracy": .5} for k in (1, 2)]))
    state, before = out / "state.safetensors", {k: v.clone() for k, v in model.state_dict().items()}
    file = state.read_bytes()
    def read() -> None:
        model.load_state_dict(before)
        optimizer = fresh()
        try: history = _restore(state, model, optimizer, recipe, {})
        except Exception:
            assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()) and not optimizer.state, "refused, but something was changed"
            raise
        assert all(isinstance(v, (int, float)) and not isinstance(v, bool) for row in history.rows for v in row.values()) and [r["epoch"] for r in history.rows] == list(range(1, len(history) + 1)) and len(history) <= recipe.epochs
        history._repr_markdown_(); history.rows and history.best()
        for p in model.parameters(): assert set(optimizer.state[p]) == {"step", "exp_avg", "exp_avg_sq"} and optimizer.state[p]["exp_avg"].shape == optimizer.state[p]["exp_avg_sq"].shape == p.shape and optimizer.state[p]["step"].numel() == 1
    here, header, config = in_place(state, read), header_of(file)[0], json.dumps(read_checkpoint(state).config).encode()
    return [Parser("resume state: the file", [file], here, 1), Parser("resume state: the header", [header], lambda data: here(with_header(data, header_of(file)[1])), 2, change_json),
            Parser("resume state: the configuration", [config], lambda data: here(with_config(data, file)), 3, change_json)]


def some_maps() -> RankedMaps:
    features = torch.rand(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    return RankedMaps(group(features, 2), (16, 16), features)


def check_maps(found: RankedMaps) -> None:
    b, n, (h, w) = len(found), found.n_maps, found.grid
    assert found.weights.shape == found.similarity.shape == (b, n, h, w) and found.activity.shape == (b, h, w) and found.seeds.shape == (b, n) and found.vectors.shape[:2] == (b, n)
    assert ((found.seeds >= 0) & (found.seeds < h * w)).all() and all(isinstance(s, int) and s > 0 for s in found.image_size) and not found.seeds.is_floating_point()
    found.activity_shares(), found.display_maps()


def maps_parsers(folder: Path) -> list[Parser]:
    "Maps and contributions, each in a file of its own."
    path, other = save_maps(some_maps(), folder / "maps.safetensors", photograph="a"), folder / "given.safetensors"
    save_checkpoint(other, {"why.contributions": torch.rand(1, 2, 4, 4), "why.rest": torch.rand(1)}, {"decisions": {"why": "a score"}, "provenance": {}})
    out = []
    for file, read in ((path, lambda: check_maps(load_maps(path))), (other, lambda: [t.sum() for parts in load_contributions(other).values() for t in parts.values()])):
        whole, here = file.read_bytes(), in_place(file, read)
        out += [Parser(f"{file.stem}: the file", [whole], here, .5), Parser(f"{file.stem}: the header", [header_of(whole)[0]], lambda data, here=here, whole=whole: here(with_header(data, header_of(whole)[1])), 1, change_json),
                Parser(f"{file.stem}: the configuration", [json.dumps(read_checkpoint(file).config).encode()], lambda data, here=here, whole=whole: here(with_config(data, whole)), 1, change_json)]
    return out


# ---- the store of an explained folder ------------------------------------------------------------------------------

def a_store(folder: Path) -> Path:
    "Three photographs in two shards, one of them left out."
    maps, paths = some_maps(), [folder / "photos" / name for name in ("a.png", "b.png", "c.png")]
    facts = {"model": "tiny", "package": "brnpa_nb", "n_maps": 2, "output_stride": 4, "weights_checksum": "0", "transform": {"size": 16, "crop": "center"}, "image_size": [16, 16], "refine": True, "classes": ["x", "y"]}
    plan = make_plan(folder / "store", paths, facts, 2)
    row = {"photograph": "a.png", "reason": None, "checksum": "0", "prediction": "x", "probability": .5}
    write_shard(folder / "store", plan, 0, pack_groups(maps.groups), [row, row])
    write_shard(folder / "store", plan, 1, {}, [row | {"reason": "broken"}])
    return folder / "store"


def look(store: Path) -> None:
    "Everything that a reader of a store does."
    found = open_maps(store)
    assert 0 < len(found) <= MUCH and 0 < found.n_shards <= len(found) and found.names(0) and str(found)
    done = list(found.finished())
    assert all(0 <= k < found.n_shards for k in done)
    if not done: return
    for i in found.numbers():
        check_maps(maps := found[i])
        assert maps.grid == found.grid and found.row(i)["number"] == i and found.path(i)
    found.find("a.png"), found.table(["photograph"]).num_rows, found.schema(), found.check()


def store_parsers(folder: Path) -> list[Parser]:
    "plan.json (of an author who makes the shards fit it), list, tables and maps."
    import pyarrow.parquet as pq
    whole = a_store(folder)
    out = []
    def add(name: str, file: str, share: float, put: Callable[[Path, bytes], None] | None = None, seeds: list[bytes] | None = None, how: Any = None) -> None:
        there = Path(shutil.copytree(whole, folder / f"store {len(out)}"))
        kept_sum = shards.plan_checksum(shards.read_plan(whole))
        def read(data: bytes) -> None:
            (put or (lambda path, data: path.write_bytes(data)))(there / file, data)
            before, shards.plan_checksum = shards.plan_checksum, lambda plan: kept_sum
            try: look(there)
            finally: shards.plan_checksum = before
        out.append(Parser(name, seeds or [(whole / file).read_bytes()], read, share, how or change))
    def table(path: Path, data: bytes) -> None:
        import pyarrow as pa
        try:
            made = json.loads(data)
            pq.write_table(pa.Table.from_pylist(made["rows"]).replace_schema_metadata({b"brnpa_nb": json.dumps(made["facts"])}), path)
        except Exception: path.write_bytes(data)                       # what no table can hold
    def maps(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        old = pq.read_table(path.with_suffix(".parquet"))
        facts = json.loads(old.schema.metadata[b"brnpa_nb"]) | {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        pq.write_table(old.replace_schema_metadata({b"brnpa_nb": json.dumps(facts)}), path.with_suffix(".parquet"))
    first = pq.read_table(whole / "shards/00000.parquet")
    told = json.dumps({"facts": json.loads(first.schema.metadata[b"brnpa_nb"]), "rows": first.to_pylist()}).encode()
    tensors = (whole / "shards/00000.safetensors").read_bytes()
    add("store: plan.json", "plan.json", 3, how=change_json)
    add("store: photographs.parquet", "photographs.parquet", 1)
    add("store: a table's bytes", "shards/00000.parquet", 1)
    add("store: a table's rows and facts", "shards/00000.parquet", 1.5, table, [told], change_json)
    add("store: maps' header", "shards/00000.safetensors", 1.5, lambda path, data: maps(path, with_header(data, header_of(tensors)[1])), [header_of(tensors)[0]], change_json)
    return out


def piece_parsers(folder: Path) -> list[Parser]:
    "A comparison's kept pieces, of an author who makes the checksum fit."
    path = folder / "0123.json"
    piece = Piece({"DAUC": [.5, None], "AD": [1., 2.]}, {"deletion": [[0., .5, 1.], [[1., .5, 0.], [None, .2, 0.]]]}, [3, 0, .1], .2, [1., 2.], [[1, "no map"]])
    seed = json.dumps(piece._asdict()).encode()
    def read() -> None:
        found = kept(path, 2)
        assert found is not None
        both = joined([found, found])
        assert len(both.top) == 4 and all(len(v) == 4 for v in both.values.values()) and isinstance(both.took, (int, float))
        [_tensor(v) for v in both.values.values()], [(_tensor(x), torch.stack([_tensor(row) for row in rows])) for x, rows in both.curves.values()]
        assert keep(folder / "again.json", found) and kept(folder / "again.json", 2) == found
    def signed(data: bytes) -> None:
        try: about = json.loads(data)
        except (ValueError, RecursionError): path.write_bytes(b'{"piece": ' + data + b', "checksum": "0"}'); return read()
        path.write_text(json.dumps({"checksum": _sum(path, about), "piece": about}))
        read()
    return [Parser("pieces: what is kept", [seed], signed, 4, change_json), Parser("pieces: the file", [keep(folder / "0123.json", piece).read_bytes()], in_place(path, read), 1)]


# ---- archives, exported files, the page ----------------------------------------------------------------------------

def archives() -> dict[str, bytes]:
    "Small honest archives."
    made = {}
    for end, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:
            for name, data in (("a/b.txt", b"b" * 700), ("a/" + "n" * 150 + ".txt", b"c"), ("d.txt", b"")): info = tarfile.TarInfo(name); info.size = len(data); tar.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo("a/link"); info.type, info.linkname = tarfile.SYMTYPE, "b.txt"; tar.addfile(info)
        made[end] = out.getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("a/", "a/b.txt", "a/é.txt", "d.txt"): file.writestr(name, b"" if name.endswith("/") else b"b" * 700)
    return made | {".zip": out.getvalue()}


def archive_parsers(folder: Path) -> list[Parser]:
    out = []
    for end, seed in archives().items():
        (home := folder / f"unpack{end}").mkdir()
        def read(home: Path = home, end: str = end) -> None:
            try:
                top = downloads.unpack(home / f"x{end}", home / "out", 100_000, 100)
                assert sum(p.stat().st_size for p in top.rglob("*")) <= 100_000 + 4096 * 200 and all(p.is_dir() or p.is_file() for p in top.rglob("*")) and not any(p.is_symlink() for p in top.rglob("*"))
            finally:
                there = {p.name for p in home.iterdir()}
                shutil.rmtree(home / "out", ignore_errors=True)
                assert there <= {f"x{end}", "out"}, f"left beside: {there}"
        out.append(Parser(f"archive: {end}", [seed], in_place(home / f"x{end}", read), 1.5))
    return out


def address_parsers() -> list[Parser]:
    def address(data: bytes) -> None:
        source = downloads.Source(data.decode("utf-8", "surrogateescape"))
        downloads._check_url(source.url)
        assert source.url.startswith(("https://", "http://127.0.0.1", "http://localhost")) or source.url.lower().startswith(("https:", "http:"))
        assert not set(source.name) & set("/\\:\0") and source.name not in ("", ".", "..")
    def entry(data: bytes) -> None:
        name = data.decode("utf-8", "surrogateescape")
        where = (Path("/top") / downloads._safe(name)).resolve()
        assert where == Path("/top") or Path("/top") in where.parents, name
    return [Parser("addresses", [b"https://example.org/data/cats.tgz?download=1", b"http://127.0.0.1:80/a%20b.zip"], address, 2), Parser("entries' names", [b"a/b.jpg", b"./a//c"], entry, 2)]


def facts_parsers(folder: Path) -> list[Parser]:
    "What travels with an exported program."
    path = folder / "model.pt2"
    def packed(text: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file: file.writestr("model/extra/brnpa_nb.json", text); file.writestr("model/other", b"x")
        return out.getvalue()
    seed = json.dumps({"model": "tiny", "classes": ["a"], "image_size": [224, 224], "usual_size": 224, "outputs": {"logits": "(B, K)"}}).encode()
    def read() -> None: assert isinstance(read_facts(path), dict)
    here = in_place(path, read)
    return [Parser("exported program: the file", [packed(seed)], here, 1), Parser("exported program: the facts", [seed], lambda data: here(packed(data)), 1, change_json)]


def page_parsers() -> list[Parser]:
    "The export's data block, and the packets in it."
    maps = some_maps()
    packet = buffers.pack(maps, torch.rand(2, 3, 16, 16), nn.Linear(12, 3))[0]
    told = json.dumps({k: v for k, v in packet.items() if k not in ("data", "image")}).encode()
    def unpacked(data: bytes) -> None:
        found = buffers.unpack({**packet, **made} if isinstance(made := json.loads(data), dict) else made)
        p = found.activity.size
        assert all(m.shape == (packet["ranks"], *packet["grid"]) and m.min() >= 0 and m.max() <= 1 for m in found.maps.values()) and found.codes.shape[0] == p and np.isfinite(found.activity).all() and np.isfinite(found.contributions).all()
    def block(data: bytes) -> None:
        try: value = json.loads(data)
        except (ValueError, RecursionError): value = {"caption": data.decode("utf-8", "surrogateescape"), "title": data.decode("latin-1"), "bytes": data}
        try: text = _json(value)
        except ValueError as error: assert "JSON" in str(error); return               # NaN has no place in JSON
        assert not set(text) & set("<>&\u2028\u2029") and text.isascii(), text
        assert json.dumps(json.loads(text)) == json.dumps(json.loads(json.dumps(value, default=lambda b: base64.b64encode(b).decode())))
    def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
        while True:
            try: json.loads(made := change_json(data, others, rng)); return made
            except (ValueError, RecursionError): pass
    return [Parser("packets", [told], unpacked, 3, mutated), Parser("page: the data block", [b'{"a": ["</script>", 1.5, null, {"b": "<!--<script>"}]}', "]]>\u2028 &amp; \0".encode()], block, 4, change_json)]


def word_parsers() -> list[Parser]:
    def size(data: bytes) -> None:
        try: h, w = _pixels(data.decode("utf-8", "surrogateescape"))
        except argparse.ArgumentTypeError as error: assert str(error).startswith("expected a side"); return
        assert 0 < h <= 65_536 and 0 < w <= 65_536
    def options(data: bytes) -> None:
        found = chosen_explainers([data.decode("utf-8", "surrogateescape")])
        assert {"random", "centre"} <= set(found) and all(isinstance(name, str) and isinstance(given, dict) for name, given in found.values())
    return [Parser("command line: sizes", [b"224", b"256x128"], size, 3), Parser("command line: explainers", [b"rise:masks=300,cells=7", b"gradcam"], options, 2)]


def all_parsers(folder: Path) -> list[Parser]:
    "Every one."
    made = []
    for k, parsers in enumerate((annotation_parsers, split_parsers, checkpoint_parsers, state_parsers, maps_parsers, store_parsers, piece_parsers, archive_parsers, facts_parsers)):
        (place := folder / str(k)).mkdir(parents=True)
        made += parsers(place)
    return [*made, *name_parsers(), *address_parsers(), *page_parsers(), *word_parsers()]

"""Hostile files and words: pickles in the place of every file that is read, archives, downloads, and words that would be script in a page.

    tried, held = each thing that a stranger could hand over, and whether it did nothing but be refused or shown.
"""
from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from brnpa_nb.data.downloads import Source, download, unpack
from tests.bad_input import SENTENCE
from tests.hardening import Count


# ---- pickles -------------------------------------------------------------------------------------------------------
# In a process of its own, which listens to Python's own report of every class that an unpickler looks up.

def _opcode(marker: Path, protocol: int = 0) -> bytes:
    "A pickle that makes a folder when it is read, written by hand, so that no module here needs one."
    name = str(marker).encode()
    text = b"cos\nmkdir\n(V" + name + b"\ntR."
    return text if protocol == 0 else bytes([0x80, protocol]) + b"cposix\nmkdir\nX" + len(name).to_bytes(4, "little") + name + b"\x85R."


def pickled(marker: Path) -> dict[str, bytes]:
    "Files that run something where they are unpickled: bare, as PyTorch's archive, as NumPy's, in a zip under our names."
    bare, late = _opcode(marker), _opcode(marker, 4)
    torch_file, npz = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(torch_file, "w") as file:
        for name, data in (("archive/data.pkl", _opcode(marker, 2)), ("archive/byteorder", b"little"), ("archive/version", b"3\n"), ("archive/extra/brnpa_nb.json", late)): file.writestr(name, data)
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + late
    with zipfile.ZipFile(npz, "w") as file:
        for name in ("annotations.npy", "class_names.npy", "a.npy"): file.writestr(name, npy)
    legacy = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + bare
    return {"a bare pickle": bare, "a pickle of protocol 4": late, "PyTorch's archive": torch_file.getvalue(), "PyTorch's old format": legacy, "NumPy's array of objects": npy, "NumPy's archive": npz.getvalue()}


def doors(home: Path) -> dict[str, tuple[str, Callable[[], Any]]]:
    "What is read → the file's name below `home`, and a call that reads it."
    from brnpa_nb.backbones import create_backbone, load_network_weights
    from brnpa_nb.checkpoints import read_checkpoint
    from brnpa_nb.cli import main
    from brnpa_nb.data import episodes, finegrained, identities
    from brnpa_nb.data.identity_lookalikes import msmt17_lookalike
    from brnpa_nb.data.lookalikes import cars_lookalike, cub_lookalike
    from brnpa_nb.data.photos import load_photos
    from brnpa_nb.evidence.pieces import kept
    from brnpa_nb.explaining import load_maps
    from brnpa_nb.explaining_tasks import load_contributions
    from brnpa_nb.leaving_python import OnnxFile, read_facts
    from brnpa_nb.models import create_model, load_model
    from brnpa_nb.training import Recipe, fit
    from brnpa_nb.shards import open_maps
    from tests.hardening.parsed import a_store

    torch.manual_seed(0)
    model = create_model("resnet12", 2, 2, 16, network_args={"channels": (2, 2, 2, 4)}, image_size=32)
    (home / "store").mkdir(parents=True)
    a_store(home / "store"); cub_lookalike(home / "cub", 2, 2, size=48); cars_lookalike(home / "cars", 2, 2, size=48); msmt17_lookalike(home / "msmt")
    for name in ("mini", "cub few"): (home / name).mkdir()
    episodes.few_shot_lookalike("miniimagenet", home / "mini")
    (home / "tiered").mkdir()
    (home / "local").mkdir()
    (home / "local/config.json").write_text(json.dumps({"architecture": "resnet10t", "num_classes": 10, "pretrained_cfg": {"input_size": [3, 64, 64]}}))
    data = [(torch.rand(3, 32, 32), k % 2) for k in range(4)]
    photo = home / "cub/images"
    at = home / "x"
    def command(*words: object) -> Callable[[], Any]:
        def call() -> None:
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()): assert main([str(w) for w in words]) == 2, "not refused"
            raise ValueError("refused by the command; as it should")
        return call
    def hub() -> None: create_model("local-dir:" + str(home / "local"), 2, weights="pretrained")
    def named() -> None: create_backbone("resnet10t", checkpoint_path=str(at))
    return {
        "read_checkpoint": ("x", lambda: read_checkpoint(at)), "load_model": ("x", lambda: load_model(at)), "load_model, a folder": ("folder/model.safetensors", lambda: load_model(home / "folder")),
        "create_model(weights=)": ("x.safetensors", lambda: create_model("resnet12", 2, weights=home / "x.safetensors")), "load_network_weights": ("x", lambda: load_network_weights(model.backbone, at)),
        "timm's checkpoint_path": ("x", named), "timm's folder, weights": ("local/pytorch_model.bin", hub),
        "fit: the state to resume from": ("run/state.safetensors", lambda: fit(model, data, None, Recipe(1, 2), out=home / "run", progress=False)),     # type: ignore[arg-type]
        "load_maps": ("x", lambda: load_maps(at)), "load_contributions": ("x", lambda: load_contributions(at)),
        **{f"store: {name}": (f"store/store/{name}", lambda: (open_maps(home / "store/store").names(0), open_maps(home / "store/store")[0])) for name in ("plan.json", "photographs.parquet", "shards/00000.parquet", "shards/00000.safetensors")},
        "comparison: a kept piece": ("piece.json", lambda: kept(home / "piece.json", 1)),
        "CUB: images.txt": ("cub/images.txt", lambda: finegrained.Cub(home / "cub")), "CUB: part_locs.txt": ("cub/parts/part_locs.txt", lambda: finegrained.Cub(home / "cub")),
        "Cars: cars_meta.mat": ("cars/devkit/cars_meta.mat", lambda: finegrained.Cars(home / "cars")), "Cars: cars_train_annos.mat": ("cars/devkit/cars_train_annos.mat", lambda: finegrained.Cars(home / "cars")),
        "MSMT17: list_train.txt": ("msmt/list_train.txt", lambda: identities.open_identities(home / "msmt")),
        "miniImageNet: train.csv": ("mini/train.csv", lambda: episodes.few_shot_split("miniimagenet", home / "mini", incomplete=True)),
        "tieredImageNet: train.pkl": ("tiered/train_images.pkl", lambda: episodes.few_shot_split("tieredimagenet", home / "tiered")),
        "a split of one's own": ("split.json", lambda: episodes.few_shot_split("folder", photo, split=home / "split.json")),
        "a photograph": ("photo.jpg", lambda: load_photos(home / "photo.jpg", on_error="raise")),
        "an exported program": ("x.pt2", lambda: read_facts(home / "x.pt2")), "an ONNX file": ("x.onnx", lambda: OnnxFile(home / "x.onnx")),
        "an archive": ("x.zip", lambda: (_ for _ in ()).throw(ValueError("unpacked, and nothing ran")) if unpack(home / "x.zip", home / f"out{time.time_ns()}") else None),
        "an archive, tar": ("x.tgz", lambda: unpack(home / "x.tgz", home / "out")),
        "brnpa explain --weights": ("x.safetensors", command("explain", photo, "--weights", home / "x.safetensors", "--out", home / "o", "--quiet")),
        "brnpa explain --model --weights": ("x.bin", command("explain", photo, "--model", "resnet10t", "--weights", home / "x.bin", "--out", home / "o", "--quiet")),
        "brnpa compare --weights": ("x.pth", command("compare", photo, "--weights", home / "x.pth", "--out", home / "o", "--quiet")),
        "brnpa distil": ("x.pt", command("distil", home / "x.pt", "birds", "--out", home / "o", "--quiet")), "brnpa evaluate": ("x.ckpt", command("evaluate", "--model", home / "x.ckpt")),
        "brnpa export": ("x.pkl", command("export", home / "x.pkl", "--out", home / "o.pt2"))}


def _pickles(home: Path) -> dict[str, Any]:
    "Every kind of pickle through every door, in this process."
    looked: list[str] = []
    sys.addaudithook(lambda event, args: looked.append(str(args)) if event == "pickle.find_class" else None)
    marker, tried, bad = home / "PWNED", 0, []
    kinds = pickled(marker)
    for door, (place, read) in doors(home / "doors").items():
        path = home / "doors" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.is_file() else None
        for kind, data in kinds.items():
            path.write_bytes(data)
            looked.clear()
            tried += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try: read(); said = "nothing was refused"
                except SENTENCE as error: said = "" if "\n" not in str(error).strip() else f"not one sentence: {error}"
                except Exception as error: said = f"{type(error).__name__}: {error}"
            if marker.exists(): marker.rmdir(); said = "IT RAN"
            if looked: said += f" unpickled: {looked[:3]}"
            if said: bad.append(f"{door}, {kind}: {said[:300]}")
        path.unlink() if before is None else path.write_bytes(before)
    return {"tried": tried, "bad": bad}


def live() -> bool:
    "Whether the pickles would do it, were they unpickled: the guard against a test that cannot fail."
    with tempfile.TemporaryDirectory() as tmp:
        marker = Path(tmp) / "PWNED"
        code = "import pickle, sys; [pickle.loads(bytes.fromhex(x)) for x in sys.argv[1:]]"
        for protocol in (0, 4):
            subprocess.run([sys.executable, "-c", code, _opcode(marker, protocol).hex()], capture_output=True, check=False)
            if not marker.is_dir(): return False
            marker.rmdir()
        path = Path(tmp) / "x.pt"
        path.write_bytes(pickled(marker)["PyTorch's archive"])
        subprocess.run([sys.executable, "-c", "import torch, sys; torch.load(sys.argv[1], weights_only=False)", path], capture_output=True, check=False)
        return marker.is_dir()


def pickles() -> Count:
    "In a process of its own, since its ear cannot be taken off again."
    count = Count()
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run([sys.executable, "-m", "tests.hardening.hostile", "--pickles", tmp], capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        try: found = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError): return Count(1, 0, [f"ended with {done.returncode}: {done.stderr[-1500:]}"])
    count.tried, count.findings = found["tried"], found["bad"]
    count.held = count.tried - len(count.findings)
    return count


# ---- archives ------------------------------------------------------------------------------------------------------

def tarred(*entries: tuple[str, Any], mode: str = "w", raw: Callable[[bytes], bytes] = bytes) -> bytes:
    "A tar file of (name, bytes or changes of its TarInfo)."
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as tar:      # type: ignore[call-overload]
        for name, what in entries:
            info = tarfile.TarInfo(name)
            for key, value in (what if isinstance(what, dict) else {"size": len(what)}).items(): setattr(info, key, value)
            tar.addfile(info, io.BytesIO(what if isinstance(what, bytes) else b"\0" * info.size))
    return raw(out.getvalue())


def zipped(*entries: tuple[Any, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as file:
        warnings.simplefilter("ignore")                                                   # of a name that is there twice
        for name, data in entries: file.writestr(name, data)
    return out.getvalue()


def _special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _retold(data: bytes, **fields: bytes) -> bytes:
    "The first tar header with other fields, its checksum made again."
    head = bytearray(data[:512])
    for at, value in ((124, fields.get("size")), (156, fields.get("kind")), (0, fields.get("name"))):
        if value is not None: head[at:at + len(value)] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data[512:]


def _overlapping() -> bytes:
    "A zip whose entries are all the same bytes (after D. Fifield's zbsm): 2,000 names of one file of 100 kB."
    whole = zipped(("a", b"\0" * 100_000))
    end = whole.index(b"PK\1\2")
    one, tail = whole[end:whole.index(b"PK\5\6")], bytearray(whole[whole.index(b"PK\5\6"):])
    head = one[:-1]
    names = [head[:28] + (5).to_bytes(2, "little") + head[30:] + b"a%04d" % i for i in range(2000)]
    body = whole[:26] + (1).to_bytes(2, "little") + whole[28:end]
    table = b"".join(names)
    tail[8:12], tail[12:16], tail[16:20] = (2000).to_bytes(2, "little") * 2, len(table).to_bytes(4, "little"), len(body).to_bytes(4, "little")
    return body + table + bytes(tail)


def archives() -> dict[str, bytes]:
    "Name, with its ending, → a hostile archive."
    import gzip
    link, hard, big = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}, b"\0" * 2_000_000
    one = tarred(("a", b"1"))
    digits = b"1" * 200_000
    pax = tarfile.TarInfo("pax"); pax.type, pax.size = tarfile.XHDTYPE, len(digits)
    made = {f"{what}.{end}": make((name, b"x")) for end, make in (("tar", tarred), ("zip", zipped)) for what, name in (("climbs", "../evil"), ("climbs deep", "a/../../../evil"), ("absolute", "/evil"), ("drive", "C:/evil"), ("backslashes", "..\\evil"), ("drive and backslash", "C:\\evil"), ("a name of 300 bytes", "n" * 300), ("a path of 5,000 bytes", "d/" * 2500 + "f"), ("100 folders deep", "d/" * 100 + "f"), ("share", "//server/share/evil"))}
    made |= {f"{what}.{end}": make(*entries) for end, make in (("tar", tarred), ("zip", zipped)) for what, entries in (("twice", [("a", b"1"), ("a", b"2")]), ("file and folder", [("a", b"1"), ("a/b", b"2")]), ("many", [(f"{i}", b"") for i in range(150)]), ("bomb", [("zeros", big)]), ("many bombs", [(f"{i}", b"\0" * 100_000) for i in range(50)]))}
    made |= {f"{what}.tar": tarred(*entries) for what, entries in {
        "link out": [("l", link | {"linkname": "/etc/passwd"})], "link up": [("l", link | {"linkname": ".."}), ("l/evil", b"x")], "link to a link": [("l", link | {"linkname": "m"}), ("m", link | {"linkname": "/etc"})], "link to itself and on": [("l", link | {"linkname": "l"}), ("k", link | {"linkname": "l/../../x"})],
        "hard link out": [("l", hard | {"linkname": "/etc/passwd"})], "hard link up": [("l", hard | {"linkname": "../../etc/passwd"})], "file through a link": [("d", link | {"linkname": "/tmp"}), ("d/evil", b"x")], "dangling": [("l", link | {"linkname": "nowhere"})], "link to a folder": [("d/x", b"1"), ("l", link | {"linkname": "d"})],
        "links that grow": [("a", b"\0" * 90_000), *((f"l{i}", link | {"linkname": "a"}) for i in range(40))],
        "character device": [("d", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5})], "block device": [("d", {"type": tarfile.BLKTYPE})], "FIFO": [("p", {"type": tarfile.FIFOTYPE})], "unknown kind": [("u", {"type": b"Z"})]}.items()}
    made |= {"negative size.tar": _retold(one, size=b"\xff" * 12), "huge size.tar": _retold(one, size=b"\x80" + b"\0" * 3 + b"\x10" + b"\0" * 7), "negative long name.tar": _retold(one, size=b"\xff" * 12, kind=b"L"), "sparse.tar": _retold(one, kind=b"S"), "negative pax size.tar": tarred(("a", {"size": 0, "pax_headers": {"size": "-512"}}), ("b", b"2")),
             "digits in a header.tgz": gzip.compress(pax.tobuf() + digits.ljust(200_192, b"\0") + one), "header bomb.tgz": gzip.compress(_retold(pax.tobuf(), size=b"%011o" % 2**30) + b"\0" * 10**6), "bomb.tgz": tarred(("zeros", big), mode="w:gz"), "cut.tgz": tarred(("a", os.urandom(9000)), mode="w:gz")[:-3000], "cut.tar": tarred(("a", b"1" * 9000))[:4000], "not a tar.tar": b"<html>" * 500, "packed twice.tgz": gzip.compress(gzip.compress(one))}
    made |= {"link out.zip": zipped((_special("l", stat.S_IFLNK | 0o777), b"/etc/passwd")), "link up.zip": zipped((_special("l", stat.S_IFLNK | 0o777), b".."), ("l/evil", b"x")), "device.zip": zipped((_special("d", stat.S_IFCHR | 0o666), b"")), "FIFO.zip": zipped((_special("p", stat.S_IFIFO | 0o666), b"")), "socket.zip": zipped((_special("s", stat.S_IFSOCK | 0o666), b"")),
             "overlapping.zip": _overlapping(), "packed by bzip2.zip": zipped(("zeros", big), method=zipfile.ZIP_BZIP2), "packed by LZMA.zip": zipped(("zeros", big), method=zipfile.ZIP_LZMA), "wrong size.zip": zipped(("zeros", big)).replace((2_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")), "wrong sum.zip": zipped(("a", b"abc" * 99)).replace((zipfile.crc32(b"abc" * 99)).to_bytes(4, "little"), b"\1\2\3\4"),      # type: ignore[attr-defined]
             "locked.zip": zipped(("a", b"secret")).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1").replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1"), "cut.zip": zipped(("a", os.urandom(9000)))[:-200], "not a zip.zip": b"PK\3\4" + b"\0" * 900, "other name inside.zip": zipped(("aaaa", b"x")).replace(b"aaaa", b"../a", 1), "a pipe for a name.zip": zipped(("a\0../../evil", b"x"))}
    return made


HARMLESS = {"packed twice.tgz", "a pipe for a name.zip"}      # may be unpacked, too: what is in them is nothing to fear


def try_archives() -> Count:
    "Nothing is left of any, but the archive itself; nothing outside the folder; no more written than the limit."
    count = Count()
    for name, data in archives().items():
        with tempfile.TemporaryDirectory() as tmp:
            home = Path(tmp) / "a/b/place"
            home.mkdir(parents=True)
            (home / name).write_bytes(data)
            before, began = _tree(Path(tmp)), time.monotonic()
            try: unpack(home / name, home / "out", 1_000_000, 100); said = "" if name in HARMLESS else "it was unpacked"
            except SENTENCE as error: said = "" if isinstance(error, ValueError) and "\n" not in str(error) and len(str(error)) < 600 else f"{type(error).__name__}: {error}"
            except Exception as error: said = f"{type(error).__name__}: {error}"
            if said != "it was unpacked" and (left := _tree(Path(tmp)) - before - ({"a/b/place/out", "a/b/place/out/a"} if name in HARMLESS else set())): said += f" left: {sorted(left)[:3]}"
            if time.monotonic() - began > 20: said += " took more than 20 s"
            count.add(not said, f"{name}: {said}")
    return count


def _tree(folder: Path) -> set[str]: return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def try_modes() -> Count:
    "Bits that would give rights are not taken over, and case is kept."
    count = Count()
    with tempfile.TemporaryDirectory() as tmp:
        for end, data in (("tar", tarred(("a", {"size": 1, "mode": 0o6777}), ("A", b"2"))), ("zip", zipped((_special("a", stat.S_IFREG | 0o6777), b"1"), ("A", b"2")))):
            (Path(tmp) / f"x.{end}").write_bytes(data)
            out = unpack(Path(tmp) / f"x.{end}", Path(tmp) / end)
            count.add(not (out / "a").stat().st_mode & 0o7111, f"{end}: rights {(out / 'a').stat().st_mode:o}")
            count.add(len(list(out.iterdir())) == 2, f"{end}: names that differ in case")
    return count


# ---- downloads -----------------------------------------------------------------------------------------------------

class _Server(http.server.BaseHTTPRequestHandler):
    "Does what the path says."
    def do_GET(self) -> None:
        what = self.path.strip("/").split("?")[0].split(".")[0]
        with contextlib.suppress(OSError): getattr(self, f"do_{what}")()
    def head(self, code: int = 200, **headers: object) -> None:
        self.send_response(code)
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), str(v))
        self.end_headers()
    def do_good(self) -> None: self.head(Content_Length=len(GOOD)); self.wfile.write(GOOD)
    def do_away(self) -> None: self.head(302, Location=self.server.away, Content_Length=0)     # type: ignore[attr-defined]
    def do_round(self) -> None: self.head(302, Location=self.path, Content_Length=0)
    def do_endless(self) -> None:
        self.head()
        while True: self.wfile.write(b"\0" * 65536)
    def do_short(self) -> None: self.head(Content_Length=len(GOOD) + 500); self.wfile.write(GOOD)
    def do_long(self) -> None: self.head(Content_Length=len(GOOD)); self.wfile.write(GOOD + b"more")
    def do_nonsense(self) -> None: self.head(Content_Length="many"); self.wfile.write(GOOD)
    def do_negative(self) -> None: self.head(Content_Length=-5); self.wfile.write(GOOD)
    def do_huge(self) -> None: self.head(Content_Length=10**18); self.wfile.write(GOOD)
    def do_drip(self) -> None:
        self.head(Content_Length=len(GOOD))
        for b in GOOD: self.wfile.write(bytes([b])); self.wfile.flush(); time.sleep(.05)
    def do_slowhead(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        for i in range(400): self.wfile.write(b"X-%d: y\r\n" % i); self.wfile.flush(); time.sleep(.05)
    def do_silent(self) -> None: time.sleep(20)
    def do_noise(self) -> None: self.wfile.write(os.urandom(2000))
    def do_heads(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"\r\n")
    def do_line(self) -> None: self.wfile.write(b"HTTP/1.0 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n")
    def do_range(self) -> None:
        self.head(206, Content_Range="bytes 999-2000/3000", Content_Length=len(GOOD)) if self.headers.get("Range") else self.head(Content_Length=len(GOOD))
        self.wfile.write(GOOD)
    def do_other(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.head(206 if start else 200, **({"Content_Range": f"bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"} if start else {}), Content_Length=len(OTHER) - start)
        self.wfile.write(OTHER[start:])
    def do_gone(self) -> None: self.head(404, Content_Length=0)
    def log_message(self, *_: Any) -> None: pass


GOOD, OTHER = bytes(range(256)) * 12, bytes(255 - k for k in range(256)) * 12


@contextmanager
def serving() -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.handle_error = lambda *_: None      # type: ignore[method-assign]
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(.05,), daemon=True).start()
    try: yield server
    finally: server.shutdown(); server.server_close()


def try_downloads() -> Count:
    "No file with the right name comes of any of them, in a few seconds, and the right one comes."
    count = Count()
    known = {"size": len(GOOD), "checksum": "sha256:" + hashlib.sha256(GOOD).hexdigest()}
    with serving() as server, tempfile.TemporaryDirectory() as tmp:
        at, home = f"http://127.0.0.1:{server.server_port}", Path(tmp)
        def one(name: str, url: str, right: bool = False, part: bytes | None = None, limit: int = 10**6, **source: Any) -> None:
            folder = home / f"{count.tried}"
            folder.mkdir()
            if part is not None: (folder / "x.bin.part").write_bytes(part)
            began = time.monotonic()
            try: download(Source(url, **source), folder, False, timeout=.5, limit_bytes=limit); said = "" if right else "it was taken"
            except SENTENCE as error: said = f"refused: {error}" if right else "" if "\n" not in str(error) else f"not one sentence: {error}"
            except Exception as error: said = f"{type(error).__name__}: {error}"
            if not right and (folder / "x.bin").exists(): said += " the file is there"
            if time.monotonic() - began > 6: said += f" took {time.monotonic() - began:.0f} s"
            size = sum(p.stat().st_size for p in folder.iterdir())
            if size > 2 * limit: said += f" {size:,} bytes were written"
            count.add(not said, f"{name}: {said}")
        for name in ("good", "range", "other"): one(name, f"{at}/{name}.x/x.bin", name != "other", **known)
        for name in ("endless", "short", "long", "nonsense", "negative", "huge", "drip", "slowhead", "silent", "noise", "heads", "line", "round", "gone"):
            one(name, f"{at}/{name}.x/x.bin", right=name == "long", **(known if name in ("short", "long", "drip") else {}))
        one("endless, size known", f"{at}/endless.x/x.bin", **known)
        one("wrong checksum", f"{at}/good.x/x.bin", checksum="md5:" + "0" * 32)
        one("wrong size", f"{at}/good.x/x.bin", size=7)
        one("a part of another file", f"{at}/other.x/x.bin", part=GOOD[:1000], **known)
        one("a part that is longer", f"{at}/good.x/x.bin", right=True, part=GOOD + b"more", **known)
        one("a part and a false range", f"{at}/range.x/x.bin", right=True, part=GOOD[:100], **known)
        for away in ("http://example.org/x.bin", "https://example.org/x.bin", "file:///etc/passwd", "ftp://example.org/x.bin", "data:text/plain,x", "javascript:x", "http://[", "//example.org/x.bin", "http://127.0.0.1.example.org/x.bin", "gopher://x/x.bin", "http://localhost@example.org/x.bin", "http:\\\\example.org\\x.bin"):
            server.away = away
            one(f"sent on to {away}", f"{at}/away.x/x.bin")
        for url in ("http://example.org/x.bin", "ftp://example.org/x.bin", "file:///etc/passwd", "data:text/plain,x.bin", "//example.org/x.bin", "x.bin", "https:///x.bin", "http://127.0.0.1:99999/x.bin", "https://exa mple.org/x.bin", "https://example.org/\nx.bin", "http://localhost.example.org/x.bin", "https://[::1/x.bin", "https://example.org/", "https://example.org/..", "https://example.org/a%2Fb%00"): one(f"address {url!r}", url)
    return count


# ---- words in pages --------------------------------------------------------------------------------------------------

RUN = "window.pwned=1"
PAYLOADS = (
    f"<script>{RUN}</script>", f"</script><script>{RUN}</script>", f"<!--<script>{RUN}</script>-->", "<!--<script>", "-->", "]]>", "<![CDATA[x]]>", f"<ScRiPt >{RUN}</sCrIpT>", f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<img src=x onerror={RUN}>", f"<img src=x onerror='{RUN}'", f'"><img src=x onerror="{RUN}">', f"'><img src=x onerror={RUN}>", f'" onmouseover="{RUN}" x="', f"' onfocus='{RUN}' autofocus tabindex=1 x='", f"x onclick={RUN}", f"`onerror={RUN}",
    f"<svg onload={RUN}>", f"<svg><script>{RUN}</script></svg>", f"<svg><animate onbegin={RUN} attributeName=x dur=1s>", f"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror={RUN}&gt;\">", f"<svg></p><style><a id=\"</style><img src=1 onerror={RUN}>\">", f"<noscript><p title=\"</noscript><img src=x onerror={RUN}>\">",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>", f"<iframe src=javascript:parent.{RUN}>", f"javascript:{RUN}", f"<a href=\"javascript:{RUN}\">x</a>", f"[x](javascript:{RUN})", f"![x](x\" onerror=\"{RUN})", f"<{RUN}>", f"<details open ontoggle={RUN}>x", f"<body onload={RUN}>", f"<input autofocus onfocus={RUN}>",
    f"<object data=javascript:{RUN}>", "<link rel=stylesheet href=//example.org/x.css>", "<meta http-equiv=refresh content='0;url=//example.org'>", "<base href=//example.org/>", "<form action=//example.org><button>x</button></form>", "</style><style>*{background:url(//example.org/x)}</style>", "}*{display:none}/*", "expression(alert(1))", "</title></head><body>", "</textarea></pre></code></table>",
    f"${{{RUN}}}", f"{{{{constructor.constructor('{RUN}')()}}}}", f"`${{{RUN}}}`", f'"}}]}});{RUN};//', f"\\u003cscript\\u003e{RUN}", f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;script&#62;{RUN}", "\\", "\\\"", "\u2028\u2029", f"\u2028{RUN}\u2029", "a\0b", "\u202egpj.exe", "\u200b\ufeff", "\ud800 alone", "\x1b[31mred\x07", "=HYPERLINK(\"http://example.org\",\"x\")", "+1+cmd|' /C calc'!A0", "@SUM(1)", "$\\href{javascript:window.pwned=1}{x}$", "http://example.org/a.jpg?x#y%00", "a#b?c%20d\"e'f.jpg", "n" * 2000, "__proto__", "constructor", "%s %(x)s {0} {x}", "CON", "..", "../../etc/passwd",
)

LOOK = """() => {
    const odd = [];
    for (const e of document.querySelectorAll('*')) {
        for (const a of e.attributes) if (/^on/i.test(a.name) || (/^(href|src|action|data|srcdoc|formaction)$/i.test(a.name) && !/^data:image\\/(png|jpeg);base64,/.test(a.value)) && e.tagName !== 'A' || /javascript:/i.test(a.value) && a.name !== 'alt' && a.name !== 'title' && a.name !== 'value' && !a.name.startsWith('aria-') && !a.name.startsWith('data-')) odd.push(e.tagName + ' ' + a.name + '=' + a.value.slice(0, 60));
        if (['IFRAME', 'OBJECT', 'EMBED', 'FORM', 'BASE', 'svg', 'SVG', 'math', 'LINK', 'A'].includes(e.tagName)) odd.push(e.tagName);
        if (e.tagName === 'IMG' && e.complete && !e.naturalWidth) odd.push('a picture that is not there');
    }
    return { odd, pwned: window.pwned ?? null, scripts: document.scripts.length, styles: document.querySelectorAll('style').length };
}"""


def as_shown(text: str, replaced: str = "?") -> str:
    "Text as a page shows it: what no page can hold is replaced."
    return "".join("\ufffd" if c == "\0" else replaced if "\ud800" <= c <= "\udfff" else c for c in text)


@contextmanager
def watched(browser: Any, bypass: bool) -> Iterator[tuple[Any, list[str]]]:
    "A page of the browser, and what must stay empty: dialogs, requests to anywhere, errors. `bypass`: without the page's own policy, so that only escaping helps."
    trouble: list[str] = []
    with browser.new_context(bypass_csp=bypass) as context:
        page = context.new_page()
        page.on("dialog", lambda d: (trouble.append(f"a dialog: {d.message}"), d.dismiss()))
        page.on("request", lambda r: trouble.append(f"a request: {r.url[:80]}") if not r.url.startswith(("file:", "data:", "blob:")) else None)
        page.on("pageerror", lambda e: trouble.append(f"an error: {e}"))
        yield page, trouble


def try_page(browser: Any, path: Path, words: dict[str, str] | None = None, scripts: int = 0, act: Callable[[Any], Any] | None = None, passes: tuple[bool, ...] = (False, True)) -> Count:
    "A page from disk, with and (`passes`) without its policy: nothing ran, nothing was made of the words, each word stands there as it is."
    count = Count()
    for bypass in passes:
        with watched(browser, bypass) as (page, trouble):
            page.goto(path.resolve().as_uri())
            extra = act(page) if act else None
            page.mouse.move(200, 200); page.mouse.move(300, 300)
            page.wait_for_timeout(150)
            found, text = page.evaluate(LOOK), page.evaluate("() => [document.title, ...[...document.querySelectorAll('body *')].filter(e => !e.children.length && e.tagName !== 'SCRIPT').map(e => e.textContent), ...[...document.querySelectorAll('[alt], [aria-label]')].flatMap(e => [e.getAttribute('alt'), e.getAttribute('aria-label')])].join('\\n')")
            if extra: text += extra
            whole = found["pwned"] is None and not found["odd"] and found["scripts"] == scripts and found["styles"] == 1 and not trouble
            flat = " ".join(text.split())
            for name, payload in (words or {"the page": ""}).items():
                there = " ".join(payload.split()) in flat
                count.add(whole and there, f"{path.name}, {name}, {'without' if bypass else 'with'} policy: {'' if there else 'not shown literally '}{found if not whole else ''} {trouble}"[:400])
    return count


def report_page(folder: Path) -> tuple[Path, dict[str, str]]:
    "Every place of a report that takes words."
    from PIL import Image

    from brnpa_nb.views.report import code, gallery, html_report, paragraph, picture, section, table
    sections: list[Any] = []
    img = Image.new("RGB", (8, 8), "teal")
    for k, p in enumerate(PAYLOADS):
        sections += [section(f"T{k} {p}", p, paragraph(p), code(p), gallery(picture(img, f"alt {p}", p)), table([{f"c {p}": p, "x": p, "n": 1.5}], f"caption {p}"))]
    path = html_report(PAYLOADS[0] + PAYLOADS[11], PAYLOADS[9], [*sections, *PAYLOADS], folder / "report.html", footer=PAYLOADS[1])
    return path, {f"payload {k}": as_shown(p) for k, p in enumerate(PAYLOADS)}


def _maps(n: int) -> Any:
    from brnpa_nb.grouping import group
    from brnpa_nb.ranking import RankedMaps
    features = torch.rand(n, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    return RankedMaps(group(features, 2), (16, 16), features), torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def an_explorer() -> Any:
    "Captions and class names are the payloads."
    from torch import nn

    from brnpa_nb.views.explorer import explore
    maps, photos = _maps(len(PAYLOADS))
    torch.manual_seed(0)
    return explore(maps, photos, nn.Linear(8, len(PAYLOADS)), list(PAYLOADS), list(PAYLOADS), page=len(PAYLOADS), targets=range(len(PAYLOADS)))


def click_through(page: Any) -> str:
    "Every photograph of every explorer: all captions, class names and summaries that were shown."
    page.wait_for_function("() => document.querySelectorAll('.brnpa-stage').length && [...document.querySelectorAll('.brnpa-stage')].every(s => s.dataset.drawn)", timeout=60_000)
    return page.evaluate("""async () => {
        const seen = [];
        for (const root of document.querySelectorAll('.brnpa')) for (let i = 0; i < root.querySelectorAll('.brnpa-thumbs button').length; i++) {
            const b = root.querySelectorAll('.brnpa-thumbs button')[i]; seen.push(b.title, b.getAttribute('aria-label')); b.click();
            await new Promise((r) => requestAnimationFrame(() => setTimeout(r, 0)));
            seen.push(root.querySelector('.brnpa-caption').textContent);
            if (i < 2) for (const o of root.querySelectorAll('option, td, th')) seen.push(o.textContent);
        }
        return '\\n' + seen.join('\\n');
    }""")


def exported_page(folder: Path) -> tuple[Path, dict[str, str]]:
    from brnpa_nb.views.export import to_html
    view = an_explorer()
    path = to_html(view, folder / "export.html", title=PAYLOADS[1] + PAYLOADS[10], headings=[PAYLOADS[9]])
    return path, {f"payload {k}": as_shown(p).replace("\0", "\ufffd") if "\0" not in p else p for k, p in enumerate(PAYLOADS)}


def widget_page(folder: Path) -> tuple[Path, dict[str, str]]:
    "The live widgets without Jupyter: the module gets a model as anywidget would make it, and a comparison's HTML goes in as ipywidgets puts it."
    from brnpa_nb.views.compare import compare
    from brnpa_nb.views.explorer import static
    view = an_explorer()
    maps, photos = _maps(2)
    both = compare({p: maps for p in PAYLOADS if not any("\ud800" <= c <= "\udfff" for c in p)}, photos)
    labels = [box.children[0].value for box in both.children[1].children]
    words = json.dumps("".join([both.words.value, *labels])).replace("<", "\\u003c")
    state = {k: getattr(view, k) for k in ("photo", "rank", "opacity", "show", "target", "threshold", "position", "step", "smooth", "compact")} | {"_page": view._page}
    data = json.dumps(state, default=lambda b: base64.b64encode(b).decode()).replace("<", "\\u003c")
    path = folder / "widget.html"
    script = static("explorer.js").replace("export default { render };", "") + f"""
const listeners = {{}}, state = {data};
const model = {{ get: (k) => state[k], set(k, v) {{ state[k] = v; for (const f of listeners[`change:${{k}}`] ?? []) f(); }}, save_changes() {{}}, on(n, f) {{ (listeners[n] ??= []).push(f); }}, off() {{}} }};
render({{ model, el: document.getElementById("live") }});
document.getElementById("words").innerHTML = {words};
"""
    path.write_bytes(f"<!DOCTYPE html><meta charset=utf-8><title>x</title><style>{static('explorer.css')}</style><body><div id=live></div><div id=words></div><script type=module>{script}</script>".encode("utf-8", "replace"))
    return path, {f"payload {k}": as_shown(p) if "\0" not in p else p for k, p in enumerate(PAYLOADS)}


def hostile_names() -> list[str]:
    "Payloads that can be the name of a file here."
    return [p for p in PAYLOADS if "/" not in p and "\0" not in p and p not in (".", "..") and not any("\ud800" <= c <= "\udfff" for c in p) and len(p.encode()) < 200] + ["a\udcff\udc80b"]


def explained_pages(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    "`brnpa explain` of photographs with hostile names, by a model with hostile classes; then few-shot and re-identification."
    from PIL import Image

    from brnpa_nb.explaining import explain_photos
    from brnpa_nb.explaining_tasks import explain_episodes, explain_matches
    from brnpa_nb.models import create_model
    names = hostile_names()
    (photos := folder / "photos").mkdir()
    for k, name in enumerate(names): Image.new("RGB", (32, 32), (k, 2 * k % 256, 90)).save(photos / f"{name}.png", "PNG")
    torch.manual_seed(0)
    classes = [p for p in PAYLOADS if "\ud800 alone" != p][:40]
    model = create_model("resnet12", len(classes), 2, 16, network_args={"channels": (2, 2, 2, 4)}, image_size=32, classes=classes).eval()
    done = explain_photos(model, photos, folder / "explained", batch_size=32)
    assert len(done.strips) == len(names) and all(p.is_file() for p in done.strips)
    words = {f"file {k}": as_shown(n) if "\udcff" not in n else "a\\xff\\x80b" for k, n in enumerate(names)}
    pages = [(folder / "explained/index.html", words)]
    support = folder / "support"
    for k, name in enumerate([*names[:4], names[-1]]):
        for i in range(2): (support / name).mkdir(parents=True, exist_ok=True); Image.new("RGB", (32, 32), (40 * k, 90, 20 * i)).save(support / name / f"{i}.png")
    some = [photos / f"{n}.png" for n in (names[0], names[9], names[-1])]
    few = create_model("resnet12", 2, 2, 16, network_args={"channels": (2, 2, 2, 4)}, image_size=32, combine="sum").eval()
    explain_episodes(few, some, support, folder / "few", say=lambda *_: None)
    explain_matches(few, some, photos, folder / "reid", say=lambda *_: None)
    short = {f"file {k}": as_shown(n, "?") for k, n in enumerate((names[0], names[9]))}
    return [*pages, (folder / "few/index.html", short), (folder / "reid/index.html", short)]


def try_tables() -> Count:
    "No cell of a table that leaves begins as something that a spreadsheet computes."
    import csv

    from brnpa_nb.checkpoints import csv_table
    count = Count()
    for p in PAYLOADS:
        rows = list(csv.reader(io.StringIO(csv_table([{"a": p, "b": 1.5}]).decode("utf-8", "surrogateescape"), newline="")))
        count.add(len(rows) == 2 and rows[1][1] == "1.5" and not rows[1][0].startswith(("=", "+", "-", "@", "\t", "\r")) and rows[1][0].removeprefix("'") == as_shown(p).replace("\ufffd", "\0").removeprefix("'"), f"{p!r:.80} became {rows!r:.200}")
    return count


def try_pages(browser: Any, folder: Path, all_pages: bool = True) -> dict[str, Count]:
    "Reports, the exported page, the widget; of `all_pages` also what the command writes, and everything with its policy, too."
    passes = (False, True) if all_pages else (True,)
    counts = {"pages: report": try_page(browser, *report_page(folder)), "pages: export": try_page(browser, *exported_page(folder), scripts=2, act=click_through, passes=passes), "pages: widget": try_page(browser, *widget_page(folder), scripts=1, act=click_through, passes=passes)}
    if all_pages:
        whole = Count()
        for path, words in explained_pages(folder):
            found = try_page(browser, path, words)
            whole.tried, whole.held, whole.findings = whole.tried + found.tried, whole.held + found.held, [*whole.findings, *found.findings]
        counts["pages: explain"] = whole
    return counts


# ---- nothing at import -----------------------------------------------------------------------------------------------

IMPORTS = """
import importlib, pkgutil, socket, sys
def refuse(*_, **__): raise AssertionError("a socket at import")
sys.addaudithook(lambda event, args: refuse() if event.startswith(("socket.connect", "socket.getaddrinfo", "urllib.Request")) else None)
import brnpa_nb
names = [m.name for m in pkgutil.walk_packages(brnpa_nb.__path__, "brnpa_nb.")]
for name in names: importlib.import_module(name)
print(len(names))
"""


def try_imports() -> Count:
    "Every module is imported where no address may be asked for and nothing connected to."
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    n = int(done.stdout) if done.returncode == 0 else 1
    return Count(n, n if done.returncode == 0 else 0, [] if done.returncode == 0 else [done.stderr[-500:]])


def run() -> dict[str, Count]:
    "All of it, in about a minute and a half."
    from tests.browser import chromium
    counts = {"pickles": pickles(), "archives": try_archives(), "archives: rights and case": try_modes(), "downloads": try_downloads(), "imports without a socket": try_imports(), "tables": try_tables()}
    with tempfile.TemporaryDirectory() as tmp, chromium() as browser: return counts | try_pages(browser, Path(tmp))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pickles"]: print(json.dumps(_pickles(Path(sys.argv[2]))))
    else:
        for name, count in run().items(): print(f"{name:40} {count.held:>6} of {count.tried:>6} held", *(f"\n    {f}" for f in count.findings[:40]))

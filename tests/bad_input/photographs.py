"""Bad input: photographs."""
import io
import json
import os
import struct
import unicodedata
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import PIL
import torch
from PIL import Image

from brnpa_nb.data.photos import Photos, find_photos, photo_batches, read_photo
from tests.bad_input import Row
from tests.bad_input.making import (
    SIDE,
    each_is_its_own,
    explain_command,
    explained,
    pictures,
    png_that_declares,
    refusal,
    same_picture,
    scene,
    store,
    without_rights,
)


def row(name, do, says="", check=None, **more): return Row("photographs", name, do, says, check or (None if says else lambda found: None), **more)


def encoded(kind: str, picture: Image.Image | None = None, **how) -> bytes:
    out = io.BytesIO()
    (picture or scene(96, 72)).save(out, kind, **how)
    return out.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def cuts(kind: str, zeros: bool = False, **how):
    "Cut at every sixteenth; with zeros, the file has its full length again. All must be refused, and by the reader of batches, too."
    def do(folder):
        data = encoded(kind, Image.effect_noise((400, 300), 80).convert("RGB") if zeros else None, **how)
        for k in range(1, 16):
            n = len(data) * k // 16
            path = put(folder / f"{k}.{kind.lower()}", data[:n] + bytes(len(data) - n if zeros else 0))
            assert path.name in refusal(lambda path=path: read_photo(path))
        assert "none of the 15 photographs" in refusal(lambda: next(photo_batches(folder, SIDE)))
    return do


def chunk(kind: bytes, data: bytes) -> bytes: return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, colour: int, rows, extra: bytes = b"", size=(48, 36)) -> bytes:
    "A PNG of any depth, which Pillow itself cannot write."
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(r) for r in rows))) + chunk(b"IEND", b"")


def shows(name: str, data, wanted=None, tolerance: float = 1.5):
    "The file gives this picture."
    def do(folder): same_picture(put(folder / name, data() if callable(data) else data), wanted() if wanted else scene(), tolerance)
    return do


def see_through(mode: str, suffix: str, **how):
    "The upper half is transparent: mid-grey shows there, and below the picture."
    def do(folder):
        rgba = np.array(scene().convert("RGBA")); rgba[:18, :, 3] = 0
        img = Image.fromarray(rgba)
        img = img.quantize(250) if mode == "P" else img.convert(mode)
        x = read_photo(put(folder / f"x.{suffix}", encoded({"png": "PNG", "webp": "WEBP"}[suffix], img, **how)))
        assert (x[:, :17] - .5).abs().max() < .01
        want = torch.from_numpy(np.array(scene().convert("L").convert("RGB") if mode == "LA" else scene())).permute(2, 0, 1) / 255
        assert (x[:, 20:] - want[:, 20:]).abs().mean() < .02
    return do


TURN = Image.Transpose
STORED = {1: None, 2: TURN.FLIP_LEFT_RIGHT, 3: TURN.ROTATE_180, 4: TURN.FLIP_TOP_BOTTOM, 5: TURN.TRANSPOSE, 6: TURN.ROTATE_90, 7: TURN.TRANSVERSE, 8: TURN.ROTATE_270}
SAVED = {"jpg": {"quality": 97, "subsampling": 0}, "png": {}, "tif": {}, "webp": {"lossless": True}}


def turned(path: Path, n: int, **how) -> Path:
    exif = Image.Exif(); exif[0x0112] = n
    (scene().transpose(STORED[n]) if STORED.get(n) is not None else scene()).save(path, exif=exif, **how)
    return path


def every_turn(suffix: str):
    "Eight orientations: the same upright picture, and its frame without decoding."
    def do(folder):
        for n in STORED:
            same_picture(path := turned(folder / f"{n}.{suffix}", n, **SAVED[suffix]), scene(), 2)
            for crop in ("whole", "center"):
                photos = Photos([path], 16, crop)
                assert photos.frame(0) == (photos.read(0).box, tuple(photos[0].shape[1:])), (n, crop)
    return do


def turned_maps(folder):
    "The peaks of eight orientations of one picture, in pixels of the upright photograph."
    (folder / "photos").mkdir()
    for n in STORED: turned(folder / "photos" / f"{n}.png", n)
    rows = explained(folder, folder / "photos").rows
    places = {tuple(v for k, v in r.items() if k.startswith(("peak", "seed", "box", "height", "width"))) for r in rows}
    assert len(rows) == 8 and len(places) == 1, places
    assert (rows[0]["height"], rows[0]["width"]) == (36, 48)
    return each_is_its_own(store(folder))


def broken_exif(folder):
    "EXIF data that are nonsense: the pixels as they are stored, and no other frame."
    entry = b"\x01\x12\0\x05\0\0\0\x01\0\0\0\x1a"
    for name, junk in {"nothing": b"Exif\0\0", "no table": b"Exif\0\0II*\0\xff\xff\xff\xff", "bytes": b"Exif\0\0" + bytes(range(256)),
                       "unknown type": b"Exif\0\0II*\0\x08\0\0\0\x01\0" + b"\x12\x01\x63\0\x01\0\0\0\x06\0\0\0" + bytes(4), "a fraction": b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + bytes(4) + b"\0\0\0\x06\0\0\0\0"}.items():
        path = folder / f"{name}.jpg"
        scene().save(path, exif=junk, quality=97, subsampling=0)
        same_picture(path, scene(), 2)
        assert Photos([path], 16, "whole").frame(0)[1] == (16, 21), name


def odd_orientation(folder):
    for n in (0, 9, 65535):
        path = turned(folder / f"{n}.jpg", n, **SAVED["jpg"])
        same_picture(path, scene(), 2)
        assert Photos([path], 16, "whole").frame(0) == (Photos([path], 16, "whole").read(0).box, (16, 21)), n


def frames(name: str, tolerance: float = 1.5, **how):
    "The first of several frames."
    def do(folder):
        scene(seed=0).save(folder / name, save_all=True, append_images=[scene(seed=i) for i in (1, 2)], **how)
        same_picture(folder / name, scene(seed=0), tolerance)
    return do


def extreme(*size: int):
    "One pixel wide: maps that are finite and whose peaks lie inside the photograph."
    def do(folder):
        (folder / "photos").mkdir()
        scene(*size).save(folder / "photos/thin.png")
        for crop in ("center", "squash"):
            [r] = explained(folder / crop, folder / "photos", crop=crop).rows
            assert all(0 <= r[f"peak {i} x"] <= size[0] and 0 <= r[f"peak {i} y"] <= size[1] for i in (1, 2, 3))
            each_is_its_own(store(folder / crop), crop=crop)
    return do


def bomb(kind: str):
    "A header of 4 GB of pixels."
    def do(folder):
        if kind == "png": png_that_declares(folder / "x.png", 20000, 20000)
        else:
            data = bytearray(encoded({"jpg": "JPEG", "gif": "GIF", "bmp": "BMP"}[kind], scene()))
            at, size = {"jpg": (data.find(b"\xff\xc0") + 5, struct.pack(">HH", 65500, 65500)), "gif": (6, struct.pack("<HH", 65535, 65535)), "bmp": (18, struct.pack("<ii", 2**30, 2**30))}[kind]
            data[at:at + len(size)] = size
            put(folder / f"x.{kind}", bytes(data))
        return explained(folder, folder / f"x.{kind}")
    return do


def small_bomb(folder):
    "Headers below every limit of pixels, and next to no data: a grey or black picture, if decoders are believed."
    data = bytearray(encoded("JPEG", scene())); at = data.find(b"\xff\xc0") + 5; data[at:at + 4] = struct.pack(">HH", 9000, 9000)
    assert "cannot hold" in refusal(lambda: read_photo(put(folder / "x.jpg", bytes(data))))
    assert "cannot hold" in refusal(lambda: read_photo(png_that_declares(folder / "x.png", 1, 80_000_000)))


def inflated(kind: bytes, head: bytes):
    "Compressed text or colour profile of 100 MB in a small PNG."
    def do(folder): return read_photo(png_that_declares(folder / "x.png", 10, 10, chunk(kind, head + zlib.compress(bytes(100_000_000)))))
    return do


def special(make):
    "Something that is no file, found in a folder beside good photographs; the good ones are explained."
    def do(folder):
        pictures(folder / "photos", ["a.png", "z.png"])
        make(folder / "photos/m.png")
        return explained(folder, folder / "photos"), each_is_its_own(store(folder))
    return do


def left_out(n: int, of: int, words: str):
    def check(found):
        done, rows = found
        assert (done.photographs, done.left_out, rows) == (of - n, n, of - n) and all(words in reason for _, reason in done.skipped), done.skipped
    return check


def locked(path: Path) -> None: scene().save(path); path.chmod(0)


def unreadable(folder):
    pictures(folder / "photos", ["a.png", "z.png"])
    locked(folder / "photos/m.png")
    with without_rights(): return explained(folder, folder / "photos"), each_is_its_own(store(folder))


def locked_folder(folder):
    pictures(folder / "photos", ["a.png", "deep/b.png"])
    (folder / "photos/deep").chmod(0)
    with without_rights():
        try: return explain_command(folder, folder / "photos")
        finally: (folder / "photos/deep").chmod(0o755)


def inside_locked(folder):
    pictures(folder / "photos", ["a.png"])
    (folder / "photos").chmod(0)
    with without_rights():
        try: return find_photos(folder / "photos/a.png")
        finally: (folder / "photos").chmod(0o755)


NAMES = ["with space.png", "quo'te\".png", "\U0001f426.png", "new\nline.png", "-dash.png", "tab\t.png", "semi;comma,.png", "%s.png", "\x1b[31mred.png", "back\\slash.png", "<b>tag&amp;.png", "CON.png",
         "\u202egnp.png", "UPPER.PNG", "\U0001f426" * 62 + ".png", "x" * 251 + ".png", "\u6f22" * 83 + ".png", "a.png", "A.png", unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png"), b"\xff\xfebytes\xe9.png"]


def odd_names(head: bool):
    "Every name that a file system takes; each row has its own maps, and the page, the tables and the pictures are there."
    def do(folder):
        pictures(folder / "photos", NAMES)
        there = len(list((folder / "photos").iterdir()))                   # some systems take two of the names for one
        done = explained(folder, folder / "photos", head=head, pictures=100, classes=None)
        assert len(done.strips) == there == done.photographs and all(p.stat().st_size > 1000 for p in done.strips)
        json.dumps(done.figures()).encode(); "\n".join(done.lines()).encode()
        if head: assert each_is_its_own(store(folder)) == there
    return do


def odd_names_by_command(folder):
    pictures(folder / "photos", NAMES)
    found = explain_command(folder, *sorted((folder / "photos").iterdir()))
    assert found["photographs"] == len(list((folder / "photos").iterdir()))


def broken_with_odd_name(folder):
    pictures(folder / "photos", ["good.png"])
    for name in NAMES[:6] + NAMES[-1:]: put(Path(os.fsdecode(os.path.join(os.fsencode(folder / "photos"), os.fsencode(name)))), b"junk")
    found = explain_command(folder, folder / "photos")
    assert (found["photographs"], found["left_out"]) == (1, 7)
    assert (folder / "out/skipped.csv").read_text(encoding="utf-8").count("is not a picture") == 7
    return each_is_its_own(store(folder))


def bytes_in_folder_name(folder):
    "Photographs below a folder whose name is no UTF-8 are explained; results cannot be written there."
    below = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe"))
    pictures(below / "photos", ["a.png", "b.png"])
    explained(folder, below / "photos")
    return each_is_its_own(store(folder))


def mixed(folder: Path) -> Path:
    "Eight photographs; the third is no picture, the sixth is cut, the eighth leads nowhere."
    pictures(folder / "photos", [f"{c}.png" for c in "abcdefgh"])
    put(folder / "photos/c.png", b"<!DOCTYPE html><title>404</title>")
    put(folder / "photos/f.png", (folder / "photos/f.png").read_bytes()[:300])
    (folder / "photos/h.png").unlink(); (folder / "photos/h.png").symlink_to("nowhere.png")
    return folder / "photos"


def mixed_skip(folder):
    found = explain_command(folder, mixed(folder), on_error="skip", batch_size=2, shard_size=3)
    assert [r["photograph"] for r in found["rows"]] == ["a.png", "b.png", "d.png", "e.png", "g.png"] and found["left_out"] == 3
    assert [Path(s["file"]).name for s in found["skipped"]] == ["c.png", "f.png", "h.png"]
    assert each_is_its_own(store(folder)) == 5
    pictures(folder / "good", ["a.png", "b.png"])                            # what lies beside changes no map
    explained(folder / "other", folder / "good")
    assert torch.equal(store(folder)[[0, 1]].weights, store(folder / "other")[[0, 1]].weights)


def mixed_batches(folder):
    "The same through the reader of batches: pictures, paths and boxes stay together."
    found = list(photo_batches(mixed(folder), SIDE, 2))
    for batch in found:
        for x, path in zip(batch.images, batch.paths): assert torch.equal(x, Photos([path], SIDE)[0])
    assert [p.name for b in found for p in b.paths] == ["a.png", "b.png", "d.png", "e.png", "g.png"] and [p.name for b in found for p, _ in b.skipped] == ["c.png", "f.png", "h.png"]


def mixed_compare(folder):
    "Explainers are compared on the good ones."
    from brnpa_nb.comparing import open_cases
    cases = open_cases(mixed(folder), 50, SIDE)
    assert list(cases.names) == ["a.png", "b.png", "d.png", "e.png", "g.png"]
    for i, name in enumerate(cases.names): assert torch.equal(cases[i].image, Photos([folder / "photos" / name], SIDE)[0])


def while_explaining(what):
    "Something happens to c.png between the reading of its pixels and the reading of its checksum."
    def do(folder):
        from brnpa_nb.data.files import file_checksum
        pictures(folder / "photos", ["a.png", "b.png", "c.png", "d.png"])
        def late(path):
            if Path(path).name == "c.png": what(Path(path))
            return file_checksum(path)
        with mock.patch("brnpa_nb.explaining.file_checksum", late): done = explained(folder, folder / "photos", threads=1)
        assert [p.name for p, _ in done.skipped] == ["c.png"]
        return done, each_is_its_own(store(folder))
    return do


def vanished(folder):
    "A photograph goes between the listing and the reading."
    pictures(folder / "photos", ["a.png", "b.png", "c.png"])
    from brnpa_nb.explaining import make_plan
    def then(*args):
        made = make_plan(*args)
        (folder / "photos/b.png").unlink()
        return made
    with mock.patch("brnpa_nb.explaining.make_plan", then): done = explained(folder, folder / "photos")
    return done, each_is_its_own(store(folder))


def gone_before_pictures(folder):
    "A photograph changes after it was explained and before its picture is drawn: maps are kept, no picture pairs them with another photograph."
    from brnpa_nb.explaining import write_shard
    pictures(folder / "photos", ["a.png", "b.png"])
    def then(*args):
        kept = write_shard(*args)
        scene(seed=99).save(folder / "photos/b.png")
        return kept
    with mock.patch("brnpa_nb.explaining.write_shard", then): done = explained(folder, folder / "photos")
    assert done.photographs == 2 and [p.name for p in done.strips] == ["00000_a.jpg"]


def again(change):
    "Explained, changed, explained again: what is told is of the photographs as they are."
    def do(folder):
        pictures(folder / "photos", ["a.png", "b.png", "c.png"])
        put(folder / "photos/d.png", b"not yet")
        explained(folder, folder / "photos")
        change(folder / "photos")
        return explained(folder, folder / "photos"), each_is_its_own(store(folder))
    return do


def all_mended(folder):
    put(folder / "photos/a.png", b"junk")
    assert "none of the 1" in refusal(lambda: explained(folder, folder / "photos"))
    scene().save(folder / "photos/a.png")
    return explained(folder, folder / "photos"), each_is_its_own(store(folder))


def other_kinds(folder):
    pictures(folder / "photos", ["a.png"])
    for i in range(3): put(folder / f"photos/IMG_{i}.HEIC", b"x")
    return explained(folder, folder / "photos").photographs


def hidden(folder):
    for name in ("._a.jpg", ".DS_Store", "Thumbs.db", "__MACOSX/a.jpg", ".thumbnails/a.png"): put(folder / "photos" / name, b"x")
    return explain_command(folder, folder / "photos")


def many_names(folder):
    "A photograph named outright, in a folder, and through a link: three rows, each of it."
    pictures(folder / "photos", ["a.png", "b.png"])
    (folder / "link.png").symlink_to(folder / "photos/a.png")
    done = explained(folder, [folder / "photos", folder / "photos/a.png", folder / "link.png"])
    assert done.photographs == 4 and each_is_its_own_of_two(folder)


def each_is_its_own_of_two(folder):
    maps = store(folder)
    return torch.equal(maps[0].weights, maps[2].weights) and torch.equal(maps[0].weights, maps[3].weights) and not torch.equal(maps[0].weights, maps[1].weights)


def grey16(values: np.ndarray) -> bytes: return png(16, 0, [(row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in values])
def scene_array(mode: str = "RGB") -> np.ndarray: return np.array(scene().convert(mode))
def depth16() -> bytes: return png(16, 2, [(row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in scene_array()])
def grey_alpha16() -> bytes: return png(16, 4, [np.stack([row.astype(np.uint16) * 257, np.full(len(row), 65535)], -1).astype(">u2").tobytes() for row in scene_array("L")])
def one_clear16() -> bytes: return png(16, 0, [(row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in scene_array("L")], chunk(b"tRNS", struct.pack(">H", 257)))


def clear_colour(folder):
    a = scene_array()
    x = read_photo(put(folder / "x.png", png(8, 2, [row.tobytes() for row in a], chunk(b"tRNS", struct.pack(">HHH", *map(int, a[0, 0]))))))
    assert (x[:, 0, 0] - .5).abs().max() < .01 and torch.equal((x[:, 20, 40] * 255).round().int(), torch.tensor(a[20, 40]).int())


def tiff(values: np.ndarray): return lambda folder: explained(folder, put(folder / "x.tif", encoded("TIFF", Image.fromarray(values))))


ROWS: list[Row] = [
    row("zero bytes", lambda f: read_photo(put(f / "x.jpg", b"")), "is empty (zero bytes)"),
    row("zero bytes, by the command", lambda f: explain_command(f, put(f / "x.jpg", b""), on_error="raise"), "is empty (zero bytes)", keeps=("plan.json", "photographs.parquet")),
    row("a JPEG cut at every sixteenth", cuts("JPEG")),
    row("a progressive JPEG cut at every sixteenth", cuts("JPEG", progressive=True)),
    row("a PNG cut at every sixteenth", cuts("PNG")),
    row("a WebP cut at every sixteenth", cuts("WEBP")),
    row("a GIF cut at every sixteenth", cuts("GIF")),
    row("a TIFF cut at every sixteenth", cuts("TIFF")),
    row("a BMP cut at every sixteenth", cuts("BMP")),
    row("a JPEG that is zeros from any sixteenth on", cuts("JPEG", zeros=True), first="silent"),
    row("a progressive JPEG that is zeros from any sixteenth on", cuts("JPEG", zeros=True, progressive=True)),
    row("a PNG that is zeros from any sixteenth on", cuts("PNG", zeros=True), first="silent"),
    row("a WebP that is zeros from any sixteenth on", cuts("WEBP", zeros=True), first="silent"),
    row("a lossless WebP that is zeros from any sixteenth on", cuts("WEBP", zeros=True, lossless=True), first="silent"),
    row("a flipped bit in a PNG", lambda f: read_photo(put(f / "x.png", (d := encoded("PNG"))[:5000] + bytes([d[5000] ^ 1]) + d[5001:])), "cannot be decoded"),
    row("text named .jpg", lambda f: explain_command(f, put(f / "x.jpg", b"I am a letter.")), "none of the 1 photographs could be read", keeps=("plan.json", "photographs.parquet", "shards", "table.csv", "skipped.csv")),
    row("an error page named .jpg", lambda f: read_photo(put(f / "x.jpg", b"<!DOCTYPE html><html><h1>404 Not Found</h1></html>")), "is not a picture that can be read here"),
    row("an SVG named .png", lambda f: read_photo(put(f / "x.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")), "is not a picture that can be read here"),
    row("PostScript named .jpg starts no program", lambda f: read_photo(put(f / "x.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")), "is not a picture that can be read here"),
    row("a PNG named .jpg", shows("x.jpg", lambda: encoded("PNG", scene()))),
    row("CMYK, inverted as Adobe writes it", shows("x.jpg", lambda: encoded("JPEG", scene().convert("CMYK"), quality=97), tolerance=4)),
    row("CMYK in a TIFF", shows("x.tif", lambda: encoded("TIFF", scene().convert("CMYK")))),
    row("16 bits of grey", shows("x.png", lambda: grey16(scene_array("L")), lambda: scene().convert("L"))),
    row("16 bits of red, green and blue", shows("x.png", depth16)),
    row("16 bits of grey with alpha", shows("x.png", grey_alpha16, lambda: scene().convert("L"))),
    row("16 bits of grey, one of them transparent", lambda f: read_photo(put(f / "x.png", one_clear16())), "of which one value (257) is transparent", first="silent"),
    row("one bit", shows("x.png", lambda: encoded("PNG", scene().convert("1")), lambda: scene().convert("1"))),
    row("two bits of grey", lambda f: (read_photo(put(f / "x.png", png(2, 0, [[0b00011011]], size=(4, 1))))[0, 0] * 255).tolist(), check=lambda found: np.testing.assert_allclose(found, [0, 85, 170, 255], atol=.1)),
    row("a palette with alpha", see_through("P", "png")),
    row("red, green, blue and alpha", see_through("RGBA", "png")),
    row("alpha in a WebP", see_through("RGBA", "webp", lossless=True)),
    row("grey and alpha", see_through("LA", "png")),
    row("one colour that is transparent", clear_colour),
    row("a TIFF of floats to 255", tiff(scene_array("L").astype(np.float32)), "its values run from", keeps=("plan.json", "photographs.parquet", "shards", "table.csv", "skipped.csv")),
    row("a TIFF with NaN", tiff(np.where(np.eye(36, 48) > 0, np.nan, .5).astype(np.float32)), "its values run from nan", keeps=("plan.json", "photographs.parquet", "shards", "table.csv", "skipped.csv")),
    row("a colour profile that is junk", shows("x.jpg", lambda: encoded("JPEG", scene(), icc_profile=b"junk" * 99, quality=97, subsampling=0), tolerance=2)),
    *(row(f"eight orientations, .{s}", every_turn(s), first="silent" if s == "tif" else "right") for s in SAVED),
    row("eight orientations: maps in the upright photograph's place", turned_maps, check=lambda n: np.testing.assert_equal(n, 8)),
    row("EXIF data that are nonsense", broken_exif, first="silent"),
    row("orientations that do not exist", odd_orientation, first="silent"),
    row("an animated GIF", frames("x.gif", 8)),
    row("a TIFF of several pages", frames("x.tif")),
    row("an animated WebP", frames("x.webp", lossless=True)),
    row("an animated PNG", frames("x.png")),
    *([row("a second picture inside a JPEG", frames("x.jpg", 2, format="MPO", quality=97, subsampling=0))] if int(PIL.__version__.split(".")[0]) >= 12 else []),     # older Pillows write such a file wrong
    row("1 x 1", extreme(1, 1)),
    row("1 x 4000", extreme(1, 4000)),
    row("4000 x 1", extreme(4000, 1)),
    row("1 x 4000, kept whole", lambda f: (scene(1, 4000).save(f / "x.png"), Photos(f / "x.png", 256, "whole")[0]), "would get 256 x 1024000", first="crash"),
    *(row(f"4 GB of pixels, .{s}", bomb(s), "claims more pixels than", keeps=("plan.json", "photographs.parquet", "shards", "table.csv", "skipped.csv")) for s in ("png", "jpg", "gif", "bmp")),
    row("81 million pixels in 1 kB", small_bomb, first="silent"),
    row("100 MB of text in a PNG", inflated(b"zTXt", b"a\0\0"), "has a damaged header"),
    row("100 MB of colour profile in a PNG", inflated(b"iCCP", b"a\0\0"), "has a damaged header"),
    row("a folder named .png", special(lambda p: p.mkdir()), check=left_out(0, 2, "")),
    row("a folder named .jpg, read as one", lambda f: ((f / "x.jpg").mkdir(), read_photo(f / "x.jpg")), "is a folder and one photograph was expected"),
    row("a link that leads nowhere", special(lambda p: p.symlink_to("nowhere.png")), check=left_out(1, 3, "was not found")),
    row("a link to itself", special(lambda p: p.symlink_to(p.name)), check=left_out(1, 3, "was not found")),
    row("a pipe", special(os.mkfifo), check=left_out(1, 3, "is neither a file nor a folder")),
    row("unreadable", unreadable, check=left_out(1, 3, "may not be read by this user")),
    row("a folder that cannot be listed", locked_folder, "deep cannot be listed (Permission denied)", first="cryptic"),
    row("inside a folder that cannot be entered", inside_locked, "lies in a folder that this user may not enter", first="cryptic"),
    row("22 odd names", odd_names(True), first="crash"),
    row("22 odd names, no classifier", odd_names(False), first="crash"),
    row("22 odd names, by the command", odd_names_by_command, first="crash"),
    row("broken files with odd names", broken_with_odd_name, check=lambda n: np.testing.assert_equal(n, 1), first="crash"),
    row("a folder whose name is no text", bytes_in_folder_name, check=lambda n: np.testing.assert_equal(n, 2)),
    row("a name too long for any file", lambda f: find_photos(f / ("x" * 300 + ".jpg")), "cannot be looked up (File name too long)", first="cryptic"),
    row("an upper-case suffix", lambda f: [p.name for p in find_photos(pictures(f, ["a.PNG", "b.Jpg", "c.JPEG"]))], check=lambda found: np.testing.assert_equal(found, ["a.PNG", "b.Jpg", "c.JPEG"])),
    row("kinds that are not read, beside one that is", other_kinds, check=lambda n: np.testing.assert_equal(n, 1), warns="3 files in", first="silent"),
    row("hidden files only", hidden, "no photograph was found in"),
    row("a folder with nothing in it", lambda f: ((f / "photos").mkdir(), explain_command(f, f / "photos")), "no photograph was found in"),
    row("a folder of broken files only", lambda f: (put(f / "photos/a.jpg", b"x"), put(f / "photos/b.png", b""), explained(f, f / "photos")), "none of the 2 photographs could be read", keeps=("plan.json", "photographs.parquet", "shards", "table.csv", "skipped.csv")),
    row("three bad among eight, left out", mixed_skip),
    row("three bad among eight, raised", lambda f: explain_command(f, mixed(f), on_error="raise"), "c.png is not a picture", keeps=("plan.json", "photographs.parquet", "shards")),
    row("three bad among eight, in batches", mixed_batches),
    row("three bad among eight, compared", mixed_compare, warns="skipped: "),
    row("an unknown wish for bad files", lambda f: explained(f, pictures(f / "photos"), on_error="ignore"), "on_error is 'ignore'"),
    row("a photograph that changes while it is read", while_explaining(lambda p: scene(seed=50, width=70).save(p)), check=left_out(1, 4, "changed while it was read"), first="silent"),
    row("a photograph that goes while it is read", while_explaining(lambda p: p.unlink(missing_ok=True)), check=left_out(1, 4, "c.png")),
    row("a photograph that goes before it is read", vanished, check=left_out(1, 3, "was not found")),
    row("a photograph that changes before its picture is drawn", gone_before_pictures, warns="has changed since it was explained", first="silent"),
    row("another photograph under an old name", again(lambda p: scene(seed=60, width=70).save(p / "b.png")), check=left_out(1, 4, "is not a picture"), warns="is another photograph than it was", first="silent"),
    row("a broken photograph, mended", again(lambda p: scene(seed=61).save(p / "d.png")), check=left_out(0, 4, ""), warns="could not be read, and now it can", first="silent"),
    row("broken ones only, mended", all_mended, check=left_out(0, 1, ""), first="wrong"),
    row("one photograph under three names", many_names),
]

"""What the modules say about themselves: signatures, the comment on each parameter, docstrings. Read from their source; nothing is imported or run."""
import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Parameter:
    "One parameter, field or result."
    name: str
    type: str = ""
    default: str = ""
    comment: str = ""
    star: str = ""      # * or **

    def __str__(self) -> str:
        return f"{self.star}{self.name}" + (f": {self.type}" if self.type else "") + (f" = {self.default}" if self.default else "")


@dataclass
class Thing:
    "A function, class, method, property or constant."
    kind: str           # function, class, method, property, data
    name: str
    doc: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)    # before which parameter a bare / or * stands
    result: Parameter | None = None
    inside: list["Thing"] = field(default_factory=list)
    base: str = ""

    @property
    def signature(self) -> str:
        if self.kind in ("data", "property"): return self.name
        parts = [m for i in range(len(self.parameters) + 1) for m in [self.marks.get(i), *map(str, self.parameters[i:i + 1])] if m]
        return f"{self.name}({', '.join(parts)})" + (f" -> {self.result.type}" if self.result and self.result.type else "")

    @property
    def lines(self) -> str:
        "The signature as Python, one parameter a line with its comment, as nbdev shows it."
        if not self.parameters: return f"{'class' if self.kind == 'class' else 'def'} {self.signature}"
        rows = []
        for i, p in enumerate(self.parameters):
            if i in self.marks: rows.append((f"{self.marks[i]},", ""))
            rows.append((f"{p},", p.comment))
        width = min(max(len(r) for r, _ in rows), 60)
        body = "\n".join(f"    {r:{width}}  # {c}" if c else f"    {r}" for r, c in rows)
        end = f") -> {self.result.type}:" if self.result and self.result.type else ")"
        return f"{'class' if self.kind == 'class' else 'def'} {self.name}(\n{body}\n{end}" + (f"  # {self.result.comment}" if self.result and self.result.comment else "")


@dataclass
class Module:
    "One module of the package."
    name: str           # without the package: views.export
    doc: str
    notebook: str       # nbs/views/04_export.ipynb
    exported: list[str]
    things: list[Thing]
    known: dict[str, str] = field(default_factory=dict)     # name → where it comes from, for names of this package


def _comments(text: str) -> dict[int, str]:
    "Line → what stands behind # there."
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT}


def _parameters(args: ast.arguments, comments: dict[int, str]) -> tuple[list[Parameter], dict[int, str]]:
    "All parameters in order, and where bare marks stand."
    def one(a: ast.arg, default: ast.expr | None = None, star: str = "") -> Parameter:
        end = (default or a).end_lineno or a.lineno
        return Parameter(a.arg, ast.unparse(a.annotation) if a.annotation else "", ast.unparse(default) if default else "", comments.get(end, ""), star)
    plain = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
    found, marks = [one(a, d) for a, d in zip(plain, defaults)], {}
    if args.posonlyargs: marks[len(args.posonlyargs)] = "/"
    if args.vararg: found.append(one(args.vararg, star="*"))
    elif args.kwonlyargs: marks[len(found)] = "*"
    found += [one(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults)]
    if args.kwarg: found.append(one(args.kwarg, star="**"))
    return found, marks


def _function(node: ast.FunctionDef, comments: dict[int, str], kind: str) -> Thing:
    parameters, marks = _parameters(node.args, comments)
    if kind in ("method", "property") and parameters and parameters[0].name in ("self", "cls"):
        parameters, marks = parameters[1:], {i - 1: m for i, m in marks.items()}
    line = node.returns.end_lineno if node.returns else None
    if line and line in {p.end_lineno for p in ast.walk(node.args) if isinstance(p, ast.arg)}:       # all on one line: its comment is the result's
        for p in parameters:
            if p.comment == comments.get(line): p.comment = ""
    return Thing(kind, node.name, ast.get_docstring(node) or "", parameters, marks, Parameter("", ast.unparse(node.returns) if node.returns else "", comment=comments.get(line or 0, "")))


def _class(node: ast.ClassDef, comments: dict[int, str]) -> Thing:
    fields = [Parameter(n.target.id, ast.unparse(n.annotation), ast.unparse(n.value) if n.value else "", comments.get(n.end_lineno or 0, ""))
              for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and not n.target.id.startswith("_")]
    thing = Thing("class", node.name, ast.get_docstring(node) or "", fields, base=", ".join(map(ast.unparse, node.bases)))
    for n in node.body:
        if not isinstance(n, ast.FunctionDef): continue
        if n.name == "__init__":
            made = _function(n, comments, "method")
            thing.parameters, thing.marks = made.parameters, made.marks
        elif not n.name.startswith("_"):
            marks = [ast.unparse(d) for d in n.decorator_list]
            if any(d.endswith(".setter") for d in marks): continue
            kind = "property" if any("property" in d for d in marks) else "method"
            if ast.get_docstring(n) or kind == "property" or n.name in ("forward",): thing.inside.append(_function(n, comments, kind))
    return thing


def _things(tree: ast.Module, comments: dict[int, str], exported: list[str]) -> Iterator[Thing]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in exported: yield _function(node, comments, "function")
        elif isinstance(node, ast.ClassDef) and node.name in exported: yield _class(node, comments)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for t in (n for target in targets for n in ast.walk(target) if isinstance(n, ast.Name) and n.id in exported and node.value is not None):
                value = ast.unparse(node.value) if t in targets else ""
                yield Thing("data", t.id, comments.get(node.end_lineno or 0, ""), [Parameter(t.id, default=value if len(value) <= 160 else "")])


def read(path: Path) -> Module:
    "One module, from its source."
    text = path.read_text(encoding="utf-8")
    tree, comments = ast.parse(text), _comments(text)
    exported = next((ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"), [])
    source = re.search(r"File to edit: (\S+\.ipynb)", text)
    notebook = (path.parent / source[1]).resolve().relative_to(ROOT).as_posix() if source else ""
    name = ".".join(path.relative_to(ROOT / "brnpa_nb").with_suffix("").parts)
    package = ("brnpa_nb." + name).split(".")[:-1]
    known = {a.asname or a.name: ".".join([*package[:len(package) - n.level + 1], n.module, a.name]) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level and n.module for a in n.names}
    return Module(name, ast.get_docstring(tree) or "", notebook, exported, list(_things(tree, comments, exported)), known | {e: f"brnpa_nb.{name}.{e}" for e in exported})


def order() -> list[str]:
    "Module names in reading order: the table of rooms in the README."
    return re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)


def modules() -> dict[str, Module]:
    "All modules in reading order; those that the table forgets come last."
    found = {m.name: m for m in map(read, sorted((ROOT / "brnpa_nb").rglob("*.py"))) if m.notebook}
    place = {name: i for i, name in enumerate(order())}
    return dict(sorted(found.items(), key=lambda pair: place.get(pair[0], len(place))))


def prose(text: str) -> str:
    "A docstring as markdown: what could be taken for HTML or a formula is not."
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([<$])", r"\\\1", p) for p in parts)


def _full(thing: Thing, known: dict[str, str]) -> Thing:
    "The same with types named in full, so that a link to one of two classes with the same name leads to the right one."
    def whole(p: Parameter) -> Parameter: return replace(p, type=re.sub(r"(?<![\w.])[A-Za-z_]\w*", lambda m: known.get(m[0], m[0]), p.type))
    return replace(thing, parameters=[whole(p) for p in thing.parameters], result=whole(thing.result) if thing.result else None)


def _block(thing: Thing, known: dict[str, str], colons: int) -> list[str]:
    "A Python object as Sphinx knows it, with its parameters beneath."
    thing = _full(thing, known)
    fence = ":" * colons
    out = [f"{fence}{{py:{thing.kind}}} {thing.signature}"]
    if thing.kind == "data" and thing.parameters[0].default: out += [f":value: {thing.parameters[0].default}"]
    if thing.kind == "property" and thing.result and thing.result.type: out += [f":type: {thing.result.type}"]
    out += ["", prose(thing.doc), ""]
    if thing.kind == "property" and thing.result and thing.result.comment: out += [prose(thing.result.comment), ""]
    if thing.kind not in ("data", "property"):
        for p in thing.parameters: out.append(f":param {p.star}{p.name}: {prose(p.comment)}".rstrip())
        if thing.result and thing.result.comment: out.append(f":returns: {prose(thing.result.comment)}")
    for inner in thing.inside: out += ["", *_block(inner, known, colons - 1)]
    return [*out, "", fence, ""]


def api_page(module: Module, room: str) -> str:
    "The page of one module: every exported name with signature, parameters and docstring."
    out = [f"# {module.name}", "", f"> {prose(module.doc)}", "", f"`brnpa_nb.{module.name}` · the room that it comes from: [{room}](/rooms/{module.notebook.removeprefix('nbs/')})", "",
           f"```{{py:currentmodule}} brnpa_nb.{module.name}", "```", ""]
    groups = [("Functions", "function"), ("Classes", "class"), ("Constants", "data")]
    for title, kind in groups:
        some = [t for t in module.things if t.kind == kind]
        if some: out += [f"## {title}", ""]
        for thing in some: out += _block(thing, module.known, 5)
    return "\n".join(out)

"""Every message that the package can raise or warn with, read from its source.

What is filled in at run time stands as "…". A message may be written where it is
raised, be a constant of its module, or be what a function of the package returns.
"""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiterkit

PACKAGE = Path(str(aiterkit.__file__)).parent
GAP = "…"
NONE: Mapping[str, ast.expr] = {}
DEPTH = 5  # of names for names, after which a text is a gap
_MANY = re.compile(rf"{GAP}(?:\s*{GAP})+")


@dataclass(frozen=True)
class Message:
    """One message, the exception that carries it, and where it is raised."""

    kind: str
    text: str
    place: str


def _named(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """Return what *function* gives a name to once, such as a part of a message."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


class _Source:
    """The constants and functions of the package, by their names."""

    def __init__(self) -> None:
        self.trees: dict[Path, ast.Module] = {}
        self.constants: dict[str, ast.expr] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        for path in sorted(PACKAGE.rglob("*.py")):
            if "testing" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            self.trees[path] = tree
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.functions[node.name] = node
            for node in tree.body:
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            self.constants[target.id] = node.value

    def texts(
        self, node: ast.expr, known: Mapping[str, ast.expr] = NONE, depth: int = 0
    ) -> Iterator[str]:
        """Return what *node* may be as text; *known* are names of its function."""
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=values):
                yield "".join(self._part(part, known, depth) for part in values)
            case ast.IfExp(body=body, orelse=orelse):
                yield from self.texts(body, known, depth)
                yield from self.texts(orelse, known, depth)
            case ast.BinOp():
                yield from self._combined(node, known, depth)
            case ast.Name(id=name) if depth < DEPTH and name in known:
                yield from self.texts(known[name], known, depth + 1)
            case ast.Name(id=name) if depth < DEPTH and name in self.constants:
                yield from self.texts(self.constants[name], NONE, depth + 1)
            case ast.Call():
                yield from self._called(node, known, depth)
            case _:
                yield GAP

    def _combined(
        self, node: ast.BinOp, known: Mapping[str, ast.expr], depth: int
    ) -> Iterator[str]:
        """Return what two texts are together, or a text with what is filled in."""
        for text in self.texts(node.left, known, depth):
            if isinstance(node.op, ast.Add):
                for end in self.texts(node.right, known, depth):
                    yield text + end
            else:
                yield re.sub(r"%\w", GAP, text)

    def _called(
        self, node: ast.Call, known: Mapping[str, ast.expr], depth: int
    ) -> Iterator[str]:
        """Return what a call of ``format`` or of a function of ours may return."""
        match node.func:
            case ast.Attribute(value=value, attr="format"):
                for text in self.texts(value, known, depth):
                    yield re.sub(r"\{[^}]*\}", GAP, text)
            case ast.Name(id=name) if depth < DEPTH and name in self.functions:
                function = self.functions[name]
                for each in ast.walk(function):
                    if isinstance(each, ast.Return) and each.value is not None:
                        yield from self.texts(each.value, _named(function), depth + 1)
            case _:
                yield GAP

    def _part(self, part: ast.expr, known: Mapping[str, ast.expr], depth: int) -> str:
        """Return a part of an f-string; what has one text only is filled in."""
        if isinstance(part, ast.FormattedValue):
            found = list(self.texts(part.value, known, depth))
            return found[0] if len(found) == 1 else GAP
        return part.value if isinstance(part, ast.Constant) else GAP

    def messages(self) -> Iterator[Message]:
        """Return the messages of all modules."""
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                match node:
                    case ast.Call(func=ast.Name(id=kind), args=[text]) if kind.endswith(
                        "Error"
                    ) and hasattr(builtins, kind):
                        yield from self._of(kind, text, path)
                    case ast.Call(
                        func=ast.Attribute(attr="warn"),
                        args=[text, ast.Name(id=kind), *_],
                    ):
                        yield from self._of(kind, text, path)
                    case _:
                        pass

    def _of(self, kind: str, node: ast.expr, path: Path) -> Iterator[Message]:
        place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for text in self.texts(node):
            yield Message(kind, _MANY.sub(GAP, text), place)


def messages() -> list[Message]:
    """Return every message of the package, `aiterkit.testing` apart."""
    return list(_Source().messages())


def answers(heading: str, message: str) -> bool:
    """Whether *heading*, such as ``… must be callable, not …``, is of *message*."""

    def fits(pattern: str, text: str) -> bool:
        parts = map(re.escape, pattern.split(GAP))
        return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None

    return fits(heading, message) or fits(message, heading)

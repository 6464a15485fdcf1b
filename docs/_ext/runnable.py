"""Each block of code of the guide as a program that runs as a file.

The pages are written as one would type them into ``python -m asyncio``: a block
uses the names of the blocks before it, and awaits at the top level. A program has
what it needs of the earlier blocks, and its awaits in ``main()``.
"""

import ast
import builtins
import symtable
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

_BUILTINS = frozenset(dir(builtins)) | {"__class__", "__file__", "__name__"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith)


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement at the top level of a block, with the comments above it."""

    text: str
    node: ast.stmt

    @property
    def is_import(self) -> bool:
        """Whether it stands at the top of a file."""
        return isinstance(self.node, (ast.Import, ast.ImportFrom))

    @property
    def is_definition(self) -> bool:
        """Whether it defines a function or a class."""
        return isinstance(self.node, _FUNCTIONS)

    @cached_property
    def _table(self) -> symtable.SymbolTable:
        # Around it an async function, in which it may wait.
        code = f"async def around():\n{textwrap.indent(self.text, ' ')}\n"
        return symtable.symtable(code, "block", "exec").get_children()[0]

    @cached_property
    def binds(self) -> set[str]:
        """The names that it gives a value to."""
        return {
            symbol.get_name()
            for symbol in self._table.get_symbols()
            if symbol.is_assigned() or symbol.is_imported()
        }

    @cached_property
    def reads(self) -> set[str]:
        """The names that it needs, those in functions inside among them."""
        found = {
            symbol.get_name()
            for symbol in self._table.get_symbols()
            if symbol.is_referenced()
        }
        tables = list(self._table.get_children())
        while tables:
            table = tables.pop()
            found |= {
                symbol.get_name()
                for symbol in table.get_symbols()
                if symbol.is_global() or symbol.is_free()
            }
            tables += table.get_children()
        own = self.binds if self.is_definition else set[str]()
        return found - _BUILTINS - own

    @cached_property
    def waits(self) -> bool:
        """Whether it can stand in an async function only."""
        return not self.is_definition and any(_waits(self.node))

    @cached_property
    def shares(self) -> set[str]:
        """The names that a function inside declares as global."""
        return {
            name
            for node in ast.walk(self.node)
            if isinstance(node, ast.Global)
            for name in node.names
        }

    def indented(self) -> str:
        """Return the text as it stands in a function; strings keep their lines."""
        kept: set[int] = set()
        first = self.text.count("\n") - ((self.node.end_lineno or 0) - 1)
        for node in ast.walk(self.node):
            if isinstance(node, (ast.Constant, ast.JoinedStr)):
                lines = range(node.lineno, node.end_lineno or node.lineno)
                kept |= {line + first for line in lines}
        return "\n".join(
            line if not line or number in kept else f"    {line}"
            for number, line in enumerate(self.text.splitlines())
        )


def _waits(node: ast.AST) -> Iterator[bool]:
    """Yield for each part of *node* that waits, functions inside it apart."""
    if isinstance(node, _WAITING):
        yield True
    if isinstance(node, ast.comprehension) and node.is_async:
        yield True
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda)):
            yield from _waits(child)


def statements(code: str) -> list[Statement]:
    """Return the statements of a block, each with the comments above it."""
    lines = code.splitlines()
    found: list[Statement] = []
    done = 0
    for node in ast.parse(code).body:
        end = node.end_lineno or 0
        text = "\n".join(lines[done:end]).strip("\n")
        found.append(Statement(text, node))
        done = end
    return found


def is_whole(code: str) -> bool:
    """Whether *code* is a file as it stands: it needs no names, and waits nowhere."""
    block = statements(code)
    return not _external(block) and not any(each.waits for each in block)


def _external(block: Sequence[Statement]) -> set[str]:
    """Return the names that *block* reads and does not bind before."""
    everywhere = {name for statement in block for name in statement.binds}
    found: set[str] = set()
    bound: set[str] = set()
    for statement in block:
        if statement.is_definition:  # which runs later
            found |= statement.reads - everywhere
        elif isinstance(statement.node, (ast.Assign, ast.AugAssign)):
            found |= statement.reads - bound
        else:
            found |= statement.reads - bound - statement.binds
        bound |= statement.binds
    return found


def _needed(
    earlier: Sequence[Statement], block: Sequence[Statement]
) -> list[Statement]:
    """Return those of the *earlier* statements that *block* needs."""
    wanted = _external(block)
    own = {name for each in block if not each.is_definition for name in each.binds}
    kept: list[Statement] = []
    for statement in reversed(earlier):
        if statement.binds & wanted and not statement.is_import:
            kept.append(statement)
            reads = (
                statement.reads - own if statement.is_definition else statement.reads
            )
            wanted = (wanted - statement.binds) | reads
    return kept[::-1]


def _imports(found: Sequence[Statement], needed: set[str]) -> list[str]:
    """Return the imports of what is *needed*, a line for each module."""
    lines: dict[tuple[bool, bool, str], set[str]] = {}
    for statement in found:
        node = statement.node
        module = getattr(node, "module", None)
        for alias in getattr(node, "names", ()):
            if (alias.asname or alias.name.partition(".")[0]) in needed:
                said = ast.unparse(alias)
                key = module or said
                first = key.partition(".")[0]
                place = (first not in sys.stdlib_module_names, module is not None, key)
                lines.setdefault(place, set()).add(said)
    return [
        f"from {key} import {', '.join(sorted(names))}" if is_from else f"import {key}"
        for (_, is_from, key), names in sorted(lines.items())
    ]


def _needs_loop(statement: Statement) -> bool:
    """Whether what is assigned can be had only while an event loop runs."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "current_time"
        for node in ast.walk(statement.node)
    )


def _shared(body: Sequence[Statement]) -> set[str]:
    """Return the names that a function reads or changes, and ``main()`` binds."""
    needed = {
        name for each in body if each.is_definition for name in each.reads | each.shares
    }
    changed = {name for statement in body for name in statement.shares}
    late = {
        name
        for statement in body
        if not statement.is_definition and _needs_loop(statement)
        for name in statement.binds
    }
    return changed | (late & needed)


def _lifted(body: Sequence[Statement], known: set[str]) -> list[Statement]:
    """Return what stands before ``main()``: the functions, and what they need."""
    bound = [name for statement in body for name in statement.binds]
    found = [
        statement
        for statement in body
        if statement.is_definition
        or (
            isinstance(statement.node, ast.Assign)
            and not statement.waits
            and not _needs_loop(statement)
        )
        if all(bound.count(name) == 1 for name in statement.binds)
    ]
    while True:
        names = known | _shared(body) | {name for each in found for name in each.binds}
        fitting = [each for each in found if each.reads <= names]
        if len(fitting) == len(found):
            break
        found = fitting
    needed: set[str] = set()
    for statement in reversed(found):
        if statement.is_definition or statement.binds & needed:
            needed |= statement.reads
    return [each for each in found if each.is_definition or each.binds & needed]


def program(earlier: Sequence[str], code: str) -> str:
    """Return *code* as a program, with what it needs of the *earlier* blocks."""
    block = statements(code)
    before = [statement for each in earlier for statement in statements(each)]
    body = [*_needed(before, block), *(each for each in block if not each.is_import)]
    found = [each for each in [*_ANYIO, *before, *block] if each.is_import]
    needed = {name for each in body for name in each.reads}
    if not any(statement.waits for statement in body):
        return _joined(_imports(found, needed), *(each.text for each in body))
    imports = _imports(found, needed | {"anyio"})
    before_main = _lifted(body, {name for each in found for name in each.binds})
    inside = [statement for statement in body if statement not in before_main]
    lines = ["async def main():"]
    if names := sorted(
        _shared(body) & {name for each in inside for name in each.binds}
    ):
        lines.append(f"    global {', '.join(names)}")
    for number, statement in enumerate(inside):
        if number and (statement.is_definition or inside[number - 1].is_definition):
            lines.append("")
        lines.append(statement.indented())
    return _joined(
        imports,
        *(statement.text for statement in before_main),
        "\n".join(lines),
        'if __name__ == "__main__":\n    anyio.run(main)',
    )


def _joined(imports: Sequence[str], *parts: str) -> str:
    """Return the text of a file: a blank line around whatever has several lines."""
    pieces = ["\n".join(imports)] if imports else []
    for number, part in enumerate(parts):
        if number and "\n" not in part and "\n" not in parts[number - 1]:
            pieces[-1] += f"\n{part}"
        else:
            pieces.append(part)
    return "\n\n".join(pieces) + "\n"


_ANYIO = statements("import anyio")

_TYPE = (
    "You can type the code on this page into `python -m asyncio`, from top to bottom; "
    "below each block it unfolds as a program."
)
WORDS = {
    "virtual": f"{_TYPE} The output is from virtual time: on a real clock the waits "
    "take as long as they say, and times come out slightly longer.",
    "real": _TYPE,
    "plain": "The code on this page runs in plain `python`, from top to bottom.",
    "whole": "Each program is followed by its output, from virtual time: on a real "
    "clock the waits take as long as they say, and times come out slightly longer.",
}
"""The line that introduces the code of a page, by how that code is run."""


def way(page: str, blocks: Sequence[str]) -> str:
    """Return how the code of a *page* is run, or nothing if there is none."""
    if not blocks:
        return ""
    if all(is_whole(code) for code in blocks):
        return "whole"
    first = page.partition("\n")[0]
    if first == "<!-- no event loop -->":
        return "plain"
    return "real" if first.startswith("<!-- on real time") else "virtual"

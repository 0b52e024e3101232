"""The identity of a run: the same inputs and the same code are the same run. Imports no torch.

The inputs are the content of the marts that the family reads, not the snapshot: a snapshot whose
marts are equal to those of an earlier one needs no run of its own.

The code of a run is what can change its result: the modules that its family imports, directly or
not and in functions too, and those of the evaluators that its family needs. They are hashed as
parsed code, so that comments, docstrings and formatting are no part of it.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.manifest import read_marts
from penchant.settings import PROJECT_ROOT
from training.names import READ_EVERY_MART, TASKS

OURS = ("penchant", "training")
NOT_HASHED = {"penchant.settings", "penchant.artifacts", "training.names", "training.configs"}
"""A run's identity has the values that they give, and records have format versions of their own."""
READ_BY_ALL = ("items", "sequences", "users")
"""The marts that every family reads."""
READ_TOO = dict.fromkeys(
    ("content", "rnn", "gru", "lstm", "sasrec", "bert4rec", "hstu", "fusion"), ("item_embeddings",)
)
"""Further marts, by family."""
STAGE = {"training.commands.train", "training.commands.warm_fit"}
"""Hashed alone: they import the evaluators of every family."""


def run_id_of(
    snapshot: Snapshot,
    family: str,
    config: Any,
    seed: int,
    members: Sequence[str] = (),
    parent: str | None = None,
) -> str:
    """The id of a run. ``members``: ids of the runs that it combines; ``parent``: of the run that
    it starts from."""
    inputs = inputs_of(snapshot, family)
    identity = [inputs, family, asdict(config), seed, code_version(family), sorted(members)]
    if parent:
        identity.append(parent)
    content = json.dumps(identity, sort_keys=True)
    return f"{family}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def inputs_of(snapshot: Snapshot, family: str) -> str:
    """Hash of what a family reads: the marts' content, and for a family that reads every mart,
    what the dbt project says about them. A snapshot that doesn't describe its marts has inputs of
    its own."""
    marts = snapshot.description.marts
    if not all(name in marts for name in READ_BY_ALL):
        return snapshot.id
    own = [*READ_BY_ALL, *(name for name in READ_TOO.get(family, ()) if name in marts)]
    names = sorted(marts) if family in READ_EVERY_MART else own
    content: list[Any] = [snapshot.as_of, [(name, marts[name].content_hash) for name in names]]
    if family in READ_EVERY_MART and snapshot.manifest.is_file():
        content.append([asdict(mart) for mart in read_marts(snapshot.manifest)])
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


@cache
def code_version(family: str, root: Path = PROJECT_ROOT) -> str:
    """Hash of the code of a family's runs. ``root``: of the source tree."""
    evaluators = [f"training.evaluation.{task}" for task in TASKS[family]]
    return _hash(root, _closure(root, [f"training.families.{family}", *evaluators]) | STAGE)


def code_version_of(module: str, root: Path = PROJECT_ROOT) -> str:
    """Hash of a module and those of ours that it imports."""
    return _hash(root, _closure(root, [module]))


def _hash(root: Path, modules: set[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(modules):
        digest.update(f"{name} {_module(root, name).code}\n".encode())
    return digest.hexdigest()[:12]


def _closure(root: Path, names: Sequence[str]) -> set[str]:
    """The modules, and those of ours that they import, directly or not."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and name not in NOT_HASHED:
            found.add(name)
            pending += _module(root, name).imports
    return found


@dataclass(frozen=True)
class _Module:
    """``code``: hash of the parsed code. ``imports``: of our own modules."""

    code: str
    imports: frozenset[str]


@cache
def _module(root: Path, name: str) -> _Module:
    path = _path(root, name)
    if path is None:
        raise UsageError(
            f"no module {name} in {root}",
            "correct the name of the family or task in training/names.py",
        )
    reader = _Reader()
    reader.read(ast.parse(path.read_bytes()))
    imports = frozenset(each for each in reader.imported if _path(root, each))
    return _Module(hashlib.sha256("".join(reader.parts).encode()).hexdigest(), imports)


@cache
def _path(root: Path, name: str) -> Path | None:
    """The file of one of our modules; None for other names."""
    if name.partition(".")[0] not in OURS:
        return None
    path = root.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


class _Reader:
    """What has an effect on a run in a syntax tree: not strings that are statements (of modules,
    classes, functions and attributes), nor imports for type checkers alone.

    One pass without the generators of ``ast.walk`` and ``ast.dump``: each training run reads about
    fifty modules. ``parts``: the tree as text. ``imported``: every name that is imported; of
    ``from a import b`` both ``a`` and ``a.b``.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.imported: set[str] = set()

    def read(self, value: Any) -> None:
        """Read a node, or the value of a node's field."""
        if isinstance(value, ast.AST):
            if isinstance(value, ast.Import | ast.ImportFrom):
                self.imported.update(_imported(value))
            self.parts.append(f"{type(value).__name__}(")
            for field in value._fields:
                self.read(getattr(value, field))
            self.parts.append(")")
        elif isinstance(value, list):
            self.parts.append("[")
            for each in value:
                if not _is_ineffective(each):
                    self.read(each)
            self.parts.append("]")
        else:
            self.parts.append(f"{value!r},")


def _is_ineffective(node: Any) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return False


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)

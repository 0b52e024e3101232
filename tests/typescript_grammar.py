"""The grammar of the TypeScript declarations that Penchant generates, so that a test can check them
without a compiler: interfaces of fields, unions, literals, arrays, records and object types."""

import re

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*\*(?:(?!\*/)[\s\S])*\*/"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_$][\w$]*)"""
    r"""|(?P<mark>[{}<>:;?|,])"""
)
_BUILT_IN = {"string", "number", "boolean", "null", "unknown", "true", "false"}


class Declarations:
    """Parses declarations. Raises ValueError where they are malformed, declare a name twice or use
    one that isn't declared."""

    def __init__(self, text: str) -> None:
        self._tokens, self._used = _tokens(text), set[str]()
        self.interfaces: dict[str, dict[str, object]] = {}
        while self._tokens:
            for word in ("export", "interface"):
                self._take(word)
            name = self._word()
            if name in self.interfaces:
                raise ValueError(f"interface {name} is declared twice")
            self.interfaces[name] = self._object()
        if unknown := self._used - set(self.interfaces):
            raise ValueError(f"not declared: {', '.join(sorted(unknown))}")

    def _object(self) -> dict[str, object]:
        """Fields by name; those of an object type are nested."""
        fields: dict[str, object] = {}
        self._take("{")
        while self._tokens[0] != "}":
            name = self._word()
            if name in fields:
                raise ValueError(f"field {name} is declared twice")
            if self._tokens[0] == "?":
                self._take("?")
            self._take(":")
            fields[name] = self._union()
            self._take(";")
        self._take("}")
        return fields

    def _union(self) -> object:
        parts = [self._one()]
        while self._tokens[0] == "|":
            self._take("|")
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else parts

    def _one(self) -> object:
        first = self._tokens[0]
        if first == "{":
            return self._object()
        self._tokens.pop(0)
        if first[0] == '"' or first[0] in "-0123456789" or first in _BUILT_IN:
            return first
        if first in ("Array", "Record"):
            self._take("<")
            if first == "Record":
                self._take("string")
                self._take(",")
            inner = self._union()
            self._take(">")
            return first, inner
        if not first.isidentifier():
            raise ValueError(f"a type can't begin with {first!r}")
        self._used.add(first)
        return first

    def _take(self, wanted: str) -> None:
        found = self._tokens.pop(0) if self._tokens else "the end"
        if found != wanted:
            raise ValueError(f"expected {wanted!r}, found {found!r}")

    def _word(self) -> str:
        found = self._tokens.pop(0)
        if not found.isidentifier():
            raise ValueError(f"expected a name, found {found!r}")
        return found


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"unexpected {text[at : at + 20]!r}")
        if token.lastgroup:
            found.append(token[0])
        at = token.end()
    return found

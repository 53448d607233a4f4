"""Syntax of the Common Expression Language.

Source: CEL language definition, https://github.com/google/cel-spec/blob/master/doc/langdef.md.
Only the grammar is known here: names and types are left to whoever runs the expression.
"""

from __future__ import annotations

import re

from meshlint.patterns import regexp

_TOKEN = regexp(
    r"""\s+|//[^\n]*
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?)
    |(?P<text>[bBrR]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)
    |(?P<sign>\|\||&&|<=|>=|==|!=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_BINARY = frozenset({"||", "&&", "<", "<=", ">", ">=", "==", "!=", "in", "+", "-", "*", "/", "%"})
_RESERVED = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "package",
        "return",
        "var",
        "void",
        "while",
    }
)
_DEEPEST = 200


class _SyntaxFault(Exception):
    pass


def is_expression(text: str) -> bool:
    """Whether a text is an expression of CEL as far as its syntax goes."""
    try:
        parser = _Parser(text)
        parser.expression(0)
    except _SyntaxFault:
        return False
    return parser.at_end


class _Parser:
    """Recursive descent over the tokens; precedence does not matter for syntax alone."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise _SyntaxFault
            at = found.end()
            if found.lastgroup is not None:
                self._tokens.append((found.lastgroup, found[0]))
        self._next = 0

    @property
    def at_end(self) -> bool:
        return self._next == len(self._tokens)

    def _peek(self) -> tuple[str, str]:
        return ("end", "") if self.at_end else self._tokens[self._next]

    def _take(self, *signs: str) -> str:
        """The next token where it is one of the signs; nothing is taken otherwise."""
        kind, token = self._peek()
        if kind in ("sign", "name") and token in signs:
            self._next += 1
            return token
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise _SyntaxFault

    def expression(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise _SyntaxFault
        self._unary(depth)
        while self._take(*_BINARY):
            self._unary(depth)
        if self._take("?"):
            self.expression(depth + 1)
            self._need(":")
            self.expression(depth + 1)

    def _unary(self, depth: int) -> None:
        while self._take("!", "-"):
            pass
        self._primary(depth)
        while True:
            if self._take("."):
                self._take("?")
                if self._peek()[0] != "name":
                    raise _SyntaxFault
                self._next += 1
            elif self._take("["):
                self._take("?")
                self.expression(depth + 1)
                self._need("]")
            elif self._take("("):
                self._list(")", depth)
            elif self._peek() == ("sign", "{") and self._tokens[self._next - 1][0] == "name":
                self._next += 1
                self._pairs(depth)
            else:
                return

    def _primary(self, depth: int) -> None:
        if self._take("("):
            self.expression(depth + 1)
            self._need(")")
        elif self._take("["):
            self._list("]", depth)
        elif self._take("{"):
            self._pairs(depth)
        else:
            self._take(".")
            kind, token = self._peek()
            if kind not in ("number", "text", "name") or token in _RESERVED:
                raise _SyntaxFault
            self._next += 1

    def _list(self, end: str, depth: int) -> None:
        while not self._take(end):
            self._take("?")
            self.expression(depth + 1)
            if not self._take(","):
                self._need(end)
                return

    def _pairs(self, depth: int) -> None:
        while not self._take("}"):
            self._take("?")
            self.expression(depth + 1)
            self._need(":")
            self.expression(depth + 1)
            if not self._take(","):
                self._need("}")
                return

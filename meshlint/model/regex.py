"""Regular expressions as RE2 understands them, which Envoy and istiod use.

Source: the syntax of RE2 as Go reads it (regexp/syntax, Perl flags). Matching is not done here.
"""

from __future__ import annotations

from meshlint.patterns import regexp

LONGEST = 1024
"""Bytes that istiod takes for one expression."""

_MOST_REPEATS = 1000
_DEEPEST = 200
_REPEAT = regexp(r"\{(\d+)(,?)(\d*)\}")
_NAMED = regexp(r"\(\?P?<([^>]*)>")
_NAME = regexp(r"[0-9A-Za-z_]+")
_FLAGS = regexp(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])")
_HEX = regexp(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})")
_OCTAL = regexp(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_UNICODE = regexp(r"\\[pP](?:\{(\^?)([^}]*)\}|([A-Za-z]))")
_PROPERTY = regexp(r"[A-Z][a-z]*(?:_[A-Z][a-z]+)*")
_CLASSES = regexp(
    "alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit"
)
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_NOT_OF_RE2 = {
    "(?=": "look-ahead `(?=`",
    "(?!": "look-ahead `(?!`",
    "(?<=": "look-behind `(?<=`",
    "(?<!": "look-behind `(?<!`",
    "(?>": "an atomic group `(?>`",
    "(?#": "a comment `(?#`",
    "(?(": "a condition `(?(`",
    "(?P=": "a back-reference `(?P=`",
    "(?P>": "a call of a group `(?P>`",
}


class _BadRegexError(Exception):
    """Carries what is wrong with an expression."""


def regex_fault(pattern: str) -> str:
    """What keeps a pattern from being compiled by RE2, to follow its name; empty for nothing."""
    parser = _Parser(pattern)
    try:
        parser.alternatives(0)
        if parser.at < len(pattern):
            return "has a `)` without its `(`"
    except _BadRegexError as problem:
        return str(problem)
    return ""


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.names: set[str] = set()

    def alternatives(self, depth: int) -> int:
        """Reads up to the end or a `)`; the most repeats that stand inside one another."""
        if depth > _DEEPEST:
            raise _BadRegexError("nests groups too deeply")
        most = 1
        while True:
            most = max(most, self._sequence(depth))
            if not self.text.startswith("|", self.at):
                return most
            self.at += 1

    def _sequence(self, depth: int) -> int:
        most = 1
        last = 0  # repeats inside the last item; 0 where there is none to repeat
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            char = self.text[self.at]
            if char in "*+?" or (char == "{" and _REPEAT.match(self.text, self.at)):
                last = self._repeat(last)
            elif char == "(":
                last = self._group(depth) or last
            elif char == "[":
                self._class()
                last = 1
            elif char == "\\":
                self._escape()
                last = 1
            else:
                self.at += 1
                last = 1
            most = max(most, last)
        return most

    def _repeat(self, inside: int) -> int:
        start = self.at
        times = self._operator()
        first = self.text[start : self.at]
        if not inside:
            raise _BadRegexError(f"has `{first}` with nothing before it to repeat")
        following = self.text[self.at : self.at + 1]
        counted = _REPEAT.match(self.text, self.at)
        if following in ("*", "+", "?") or counted:
            twice = first + (counted[0] if counted else following)
            kind = "a possessive quantifier" if following == "+" else "two quantifiers in a row"
            raise _BadRegexError(f"uses {kind} `{twice}`, which RE2 does not have")
        total = max(times, 1) * inside
        if total > _MOST_REPEATS:
            raise _BadRegexError(f"repeats more than {_MOST_REPEATS} times, which RE2 refuses")
        return total

    def _operator(self) -> int:
        """Steps over one quantifier with its `?`; how often it repeats at most, 1 for no limit."""
        times = 1
        counted = _REPEAT.match(self.text, self.at)
        if counted:
            low = int(counted[1][:9])
            high = int(counted[3][:9]) if counted[3] else low
            if max(low, high) > _MOST_REPEATS:
                raise _BadRegexError(f"repeats more than {_MOST_REPEATS} times, which RE2 refuses")
            if high < low:
                raise _BadRegexError(f"has `{counted[0]}`, whose first number is the larger one")
            times = high
            self.at = counted.end()
        else:
            self.at += 1
        if self.text.startswith("?", self.at):
            self.at += 1
        return times

    def _group(self, depth: int) -> int:
        """Reads a group; 0 for mere flags, which nothing can repeat."""
        for start, what in _NOT_OF_RE2.items():
            if self.text.startswith(start, self.at):
                raise _BadRegexError(f"uses {what}, which RE2 does not have")
        opened = self.at
        if self.text.startswith("(?", self.at):
            flags = _FLAGS.match(self.text, self.at)
            named = _NAMED.match(self.text, self.at)
            if flags:
                self.at = flags.end()
                if flags[2] == ")":
                    return 0
            elif named:
                self._name(named[1])
                self.at = named.end()
            else:
                start = self.text[opened : opened + 4]
                raise _BadRegexError(f"has a group `{start}` that RE2 does not know")
        else:
            self.at += 1
        most = self.alternatives(depth + 1)
        if not self.text.startswith(")", self.at):
            raise _BadRegexError("has a `(` without its `)`")
        self.at += 1
        return most

    def _name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise _BadRegexError(f"has a group of the illegal name `{name}`")
        if name in self.names:
            raise _BadRegexError(f"has two groups of the name `{name}`")
        self.names.add(name)

    # -------------------------------------------------------------------------- escapes

    def _escape(self) -> None:
        """Steps over an escape outside of a class."""
        following = self.text[self.at + 1 : self.at + 2]
        if following == "Q":
            end = self.text.find("\\E", self.at)
            self.at = len(self.text) if end < 0 else end + 2
        elif following and following in "AbBzdDsSwW":
            self.at += 2
        elif following and following in "123456789" and not _OCTAL.match(self.text, self.at):
            raise _BadRegexError(f"uses a back-reference `\\{following}`, which RE2 does not have")
        elif following and following in "pP":
            self._property()
        else:
            self._character()

    def _property(self) -> None:
        found = _UNICODE.match(self.text, self.at)
        if found is None:
            raise _BadRegexError(f"has an incomplete `{self.text[self.at : self.at + 2]}`")
        name = found[2] or found[3] or ""
        if not _PROPERTY.fullmatch(name):
            raise _BadRegexError(f"uses `{found[0]}`, which is no class of RE2")
        self.at = found.end()

    def _character(self) -> int:
        """Steps over an escape for one character; its code point."""
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            raise _BadRegexError("ends in a backslash")
        if following == "x":
            found = _HEX.match(self.text, self.at)
            code = int((found[1] or found[2])[:9], 16) if found else -1
            if found is None or code > 0x10FFFF:
                raise _BadRegexError(f"has an incomplete `{self.text[self.at : self.at + 4]}`")
            self.at = found.end()
            return code
        octal = _OCTAL.match(self.text, self.at)
        if octal:
            self.at = octal.end()
            return int(octal[1], 8)
        if following in _CONTROLS:
            self.at += 2
            return _CONTROLS[following]
        if following.isascii() and not following.isalnum():
            self.at += 2
            return ord(following)
        raise _BadRegexError(f"uses the escape `\\{following}`, which RE2 does not have")

    # -------------------------------------------------------------------------- classes

    def _class(self) -> None:
        self.at += 1
        if self.text.startswith("^", self.at):
            self.at += 1
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise _BadRegexError("has a `[` without its `]`")
            first = False
            if self._class_of_class():
                continue
            low = self._member()
            rest = self.text[self.at : self.at + 2]
            if len(rest) == 2 and rest[0] == "-" and rest[1] != "]":
                range_start = self.at
                self.at += 1
                high = self._member()
                if high < low:
                    shown = self.text[range_start - 1 : self.at]
                    raise _BadRegexError(f"has the range `{shown}`, which ends before it begins")
        self.at += 1

    def _class_of_class(self) -> bool:
        if self.text.startswith("[:", self.at):
            end = self.text.find(":]", self.at + 2)
            if end >= 0:
                name = self.text[self.at + 2 : end].removeprefix("^")
                if not _CLASSES.fullmatch(name):
                    raise _BadRegexError(f"uses `[:{name}:]`, which is no class of RE2")
                self.at = end + 2
                return True
        following = self.text[self.at : self.at + 2]
        if len(following) == 2 and following[0] == "\\":
            if following[1] in "dDsSwW":
                self.at += 2
                return True
            if following[1] in "pP":
                self._property()
                return True
        return False

    def _member(self) -> int:
        if self.at >= len(self.text):
            raise _BadRegexError("has a `[` without its `]`")
        char = self.text[self.at]
        if char == "\\":
            return self._character()
        self.at += 1
        return ord(char)

"""Strict reader of TOML tables. It collects every problem with its key, and reads on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from volumes.address import Address, InvalidAddress, parse_address
from volumes.cluster import NAME_PATTERN

T = TypeVar("T")

PLACEHOLDER_ADDRESS = Address("0.0.0.0", 1)  # noqa: S104  # not listened on
"""Value of an invalid address. Its config is rejected."""

_NAME = re.compile(NAME_PATTERN)
_NAME_RULE = "must be a-z, 0-9, and dashes, a letter first, at most 32 characters"

# Events are confidential: https, or http to this machine only.
_WEBHOOK_URL = re.compile(
    r"(?:https://[^\s/@]+|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?)(?:/\S*)?"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a config: its key, a message, and its line if it has one."""

    key: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class InvalidConfig(ValueError):
    """The config is invalid; `problems` lists every reason."""

    def __init__(self, problems: tuple[Problem, ...], *, where: str = "the config") -> None:
        self.problems = problems
        lines = [f"  {f'line {p.line}: ' if p.line else ''}{p}" for p in problems]
        super().__init__("\n".join([f"{where} has {len(problems)} problem(s):", *lines]))


@dataclass(slots=True)
class Table:
    """A TOML table. A missing or invalid value adds a problem and gives a placeholder."""

    key: str
    values: Mapping[str, Any]
    problems: list[Problem]
    _read: set[str] = field(default_factory=set)
    _unreadable: set[str] = field(default_factory=set)

    def text(self, name: str, default: str | None = None) -> str:
        """Read a string. Without a default it is required and must not be empty."""
        value = self._value(name, str, default, "")
        if default is None and not value:
            self._add_unreadable(name, "must not be empty")
        return value

    def plain_name(self, name: str) -> str:
        """Read a name that matches NAME_PATTERN."""
        value = self.text(name)
        if not _NAME.fullmatch(value):
            self.add_problem(name, f"{_NAME_RULE}; is {value!r}")
        return value

    def http_url(self, name: str) -> str:
        """Read an http or https URL; strip the slash at its end."""
        value = self.text(name)
        if not value.startswith(("http://", "https://")):
            self.add_problem(name, f"must begin with http:// or https://; is {value!r}")
        return value.rstrip("/")

    def integer(
        self, name: str, default: int | None = None, *, least: int = 0, most: int | None = None
    ) -> int:
        """Read an integer from `least` to `most`."""
        value = self._value(name, int, default, least)
        if value < least:
            self.add_problem(name, f"must be at least {least}, is {value}")
            return least
        if most is not None and value > most:
            self.add_problem(name, f"must be at most {most}, is {value}")
            return most
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Read a number from `least` to `most`."""
        kind = int if isinstance(self.values.get(name), int) else float
        value = float(self._value(name, kind, default, default))
        if not least <= value <= most:
            self.add_problem(name, f"must be from {least} to {most}, is {value}")
            return default
        return value

    def texts(self, name: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Read a list of strings."""
        values: list[Any] = self._value(name, list, default, [])
        if not all(isinstance(value, str) for value in values):
            self._add_unreadable(name, "must be a list of strings")
            return ()
        return tuple(values)

    def flag(self, name: str, *, default: bool) -> bool:
        """Read a boolean."""
        return self._value(name, bool, default, default)

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Read a string that is one of the choices."""
        value = self.text(name, default)
        if value not in choices:
            self.add_problem(name, f"must be one of {', '.join(choices)}; is {value!r}")
            return choices[0]
        return value

    def address(self, name: str) -> Address:
        """Read a host and port, as in "127.0.0.1:7101"."""
        text = self.text(name)
        try:
            return parse_address(text)
        except InvalidAddress as error:
            self.add_problem(name, str(error))
            return PLACEHOLDER_ADDRESS

    def addresses(self, name: str, default: list[str] | None = None) -> tuple[Address, ...]:
        """Read a list of hosts and ports."""
        found = []
        for text in self.texts(name, default):
            try:
                found.append(parse_address(text))
            except InvalidAddress as error:
                self.add_problem(name, str(error))
        return tuple(found)

    def webhook_urls(self, name: str) -> tuple[str, ...]:
        """Read a list of receivers of events."""
        urls = self.texts(name, [])
        for url in urls:
            if not _WEBHOOK_URL.fullmatch(url):
                self.add_problem(
                    name, f"must be https, or http on this machine; {url!r} is neither"
                )
        return urls

    def table(self, name: str) -> "Table":
        """Return a nested table; empty if it is missing."""
        return Table(self._at(name), self._value(name, dict, {}, {}), self.problems)

    def named_tables(self, name: str) -> Iterator[tuple[str, "Table"]]:
        """Yield the tables `[name.x]` with x, which must match NAME_PATTERN."""
        for child in (parent := self.table(name)).values:
            if not _NAME.fullmatch(child):
                parent.add_problem(child, _NAME_RULE)
                continue
            yield child, parent.table(child)

    def tables(self, name: str) -> Iterator["Table"]:
        """Yield the tables `[[name]]`, in order."""
        for index, values in enumerate(self._value(name, list, [], [])):
            if isinstance(values, dict):
                yield Table(f"{self._at(name)}[{index}]", values, self.problems)
            else:
                self.add_problem(name, "must be a list of tables")

    def add_problem(self, name: str, message: str) -> None:
        """Add a problem at one of this table's keys, unless its value was already unreadable."""
        if name not in self._unreadable:
            self.problems.append(Problem(self._at(name), message))

    def report_unknown_keys(self) -> None:
        """Add a problem for every key that was not read; most are misspelled."""
        for name in self.values:
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                self.add_problem(name, f"unknown key; known keys: {known}")

    def _at(self, name: str) -> str:
        return f"{self.key}.{name}" if self.key else name

    def _value(self, name: str, kind: type[T], default: T | None, placeholder: T) -> T:
        self._read.add(name)
        if name not in self.values:
            if default is None:
                self._add_unreadable(name, "is missing")
                return placeholder
            return default
        value = self.values[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._add_unreadable(name, f"must be {_KIND_WORDS[kind]}, is {value!r}")
            return placeholder
        return value

    def _add_unreadable(self, name: str, message: str) -> None:
        self.add_problem(name, message)
        self._unreadable.add(name)


_KIND_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    list: "a list",
    bool: "true or false",
    dict: "a table",
}

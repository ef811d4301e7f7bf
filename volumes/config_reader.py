"""Reading a TOML table strictly: every mistake is kept with its key, and none stops the reading."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from volumes.address import Address, InvalidAddress, parse_address
from volumes.cluster import NAME_PATTERN

T = TypeVar("T")

_NAME = re.compile(NAME_PATTERN)
_NAME_RULE = "must be a-z, 0-9 and dashes, a letter first, at most 32 characters"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a config: the key it is at, and what to do about it."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class InvalidConfig(ValueError):
    """A config has mistakes; `problems` holds all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"the config has {len(problems)} mistake(s):\n{lines}")


@dataclass(slots=True)
class Table:
    """A TOML table at a key, read key by key; a bad value gives the default and a problem."""

    key: str
    values: Mapping[str, Any]
    problems: list[Problem]
    _read: set[str] = field(default_factory=set)
    _unreadable: set[str] = field(default_factory=set)

    def text(self, name: str, default: str | None = None) -> str:
        """A string. Without a default it must be there, and not be empty."""
        value = self._value(name, str, default, "")
        if default is None and not value:
            self._refuse_for_good(name, "must not be empty")
        return value

    def plain_name(self, name: str) -> str:
        """The name of a colo, as of any other part."""
        value = self.text(name)
        if not _NAME.fullmatch(value):
            self.refuse(name, f"{_NAME_RULE}; is {value!r}")
        return value

    def http_url(self, name: str) -> str:
        """An http or https URL, without the slash at its end."""
        value = self.text(name)
        if not value.startswith(("http://", "https://")):
            self.refuse(name, f"must begin with http:// or https://; is {value!r}")
        return value.rstrip("/")

    def integer(
        self, name: str, default: int | None = None, *, least: int = 0, most: int | None = None
    ) -> int:
        """A whole number, not below `least` and not above `most`."""
        value = self._value(name, int, default, least)
        if value < least:
            self.refuse(name, f"must be at least {least}, is {value}")
            return least
        if most is not None and value > most:
            self.refuse(name, f"must be at most {most}, is {value}")
            return most
        return value

    def texts(self, name: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        values: list[Any] = self._value(name, list, default, [])
        if not all(isinstance(value, str) for value in values):
            self._refuse_for_good(name, "must be a list of strings")
            return ()
        return tuple(values)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        return self._value(name, bool, default, default)

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(name, default)
        if value not in choices:
            self.refuse(name, f"must be one of {', '.join(choices)}; is {value!r}")
            return choices[0]
        return value

    def address(self, name: str) -> Address:
        """A host and port, as in "127.0.0.1:7101"."""
        text = self.text(name)
        try:
            return parse_address(text)
        except InvalidAddress as error:
            self.refuse(name, str(error))
            return Address("0.0.0.0", 1)  # noqa: S104  # a stand-in; the config is refused

    def addresses(self, name: str, default: list[str] | None = None) -> tuple[Address, ...]:
        """A list of hosts and ports."""
        found = []
        for text in self.texts(name, default):
            try:
                found.append(parse_address(text))
            except InvalidAddress as error:
                self.refuse(name, str(error))
        return tuple(found)

    def table(self, name: str) -> "Table":
        """A table within this one; empty when it is not there."""
        return Table(self._at(name), self._value(name, dict, {}, {}), self.problems)

    def named_tables(self, name: str) -> Iterator[tuple[str, "Table"]]:
        """The tables of `[name.x]`, by x, which must be a short plain name."""
        for child in (parent := self.table(name)).values:
            if not _NAME.fullmatch(child):
                parent.refuse(child, _NAME_RULE)
                continue
            yield child, parent.table(child)

    def tables(self, name: str) -> Iterator["Table"]:
        """The tables of `[[name]]`, in order."""
        for index, values in enumerate(self._value(name, list, [], [])):
            if isinstance(values, dict):
                yield Table(f"{self._at(name)}[{index}]", values, self.problems)
            else:
                self.refuse(name, "must be a list of tables")

    def refuse(self, name: str, message: str) -> None:
        """Note a problem at one of this table's keys.

        One that has no readable value is noted once, not again for what its stand-in is not.
        """
        if name not in self._unreadable:
            self.problems.append(Problem(self._at(name), message))

    def report_unknown_keys(self) -> None:
        """Note every key that nobody asked for: most are misspelt."""
        for name in self.values:
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                self.refuse(name, f"is not a key here; known are: {known}")

    def _at(self, name: str) -> str:
        return f"{self.key}.{name}" if self.key else name

    def _value(self, name: str, kind: type[T], default: T | None, handoff: T) -> T:
        self._read.add(name)
        if name not in self.values:
            if default is None:
                self._refuse_for_good(name, "is missing")
                return handoff
            return default
        value = self.values[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._refuse_for_good(name, f"must be {_KIND_WORDS[kind]}, is {value!r}")
            return handoff
        return value

    def _refuse_for_good(self, name: str, message: str) -> None:
        self.refuse(name, message)
        self._unreadable.add(name)


_KIND_WORDS = {
    str: "a string",
    int: "a whole number",
    list: "a list",
    bool: "true or false",
    dict: "a table",
}

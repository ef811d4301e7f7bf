"""Text that is HTML already, which templates of Jinja and Django do not escape again."""

from collections.abc import Mapping
from html import escape


class Html(str):
    """Safe HTML. Text that is added to it is not safe, and the sum is a plain string."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the text for Jinja, Django, and MarkupSafe."""
        return str(self)


def attributes(values: Mapping[str, object]) -> Html:
    """Return attributes of an element, escaped and in order. One with the value None is left out.

    >>> attributes({"alt": 'a "b" & c', "width": 4, "loading": None})
    'alt="a &quot;b&quot; &amp; c" width="4"'
    """
    return Html(
        " ".join(
            f'{name}="{escape(str(value))}"' for name, value in values.items() if value is not None
        )
    )

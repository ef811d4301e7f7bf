"""Templates to text, with nothing undefined and nothing escaped: configs are not HTML."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  # every value is checked before it gets here
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_template(name: str, values: dict[str, object]) -> str:
    """The text of one template.

    Raises:
        jinja2.UndefinedError: The template wants a value that is not there.
    """
    return _ENVIRONMENT.get_template(name).render(values)

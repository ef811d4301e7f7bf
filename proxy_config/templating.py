"""Template rendering, without undefined values, and without escaping, because configs are text."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  # callers check every value
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_template(name: str, values: dict[str, object]) -> str:
    """Render one template.

    Raises:
        jinja2.UndefinedError: The template uses a value that is missing.
    """
    return _ENVIRONMENT.get_template(name).render(values)

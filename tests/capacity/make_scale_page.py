"""`python -m tests.capacity.make_scale_page` rewrites the table of docs/scale.md.

The figures are what the commands of the page print. Run it after `python -m bench.unit_costs`.
"""

from pathlib import Path

from tests.capacity.test_scale_page import COMMAND, PAGE, planned

FIRST_ROW = "| figure |"


def main() -> None:
    """Replace the rows below the head of the table."""
    page = Path(PAGE)
    lines = page.read_text().split("\n")
    first = next(at for at, line in enumerate(lines) if line.startswith(FIRST_ROW)) + 2
    last = next(at for at in range(first, len(lines)) if not lines[at].startswith("|"))
    plans = [planned(command) for command in COMMAND.findall(page.read_text())]
    lines[first:last] = [
        f"| {' | '.join([row[0][0], *(value for _, value in row)])} |"
        for row in zip(*plans, strict=True)
    ]
    page.write_text("\n".join(lines))


if __name__ == "__main__":
    main()

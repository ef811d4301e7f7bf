"""Entry point of the command `glassplate`, and of `python -m glassplate`."""

from runtime.extras import needs_packages


def main() -> None:
    """Run the command line."""
    with needs_packages("glassplate"):
        from glassplate.cli.main import main as run
    run()


if __name__ == "__main__":
    main()

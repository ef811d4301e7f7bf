"""Entry point of `python -m glassplate`."""

from glassplate.cli.main import main

if __name__ == "__main__":
    main()

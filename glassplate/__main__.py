"""`python -m glassplate` is the command line."""

from glassplate.cli.main import main

if __name__ == "__main__":
    main()

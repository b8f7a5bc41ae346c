"""`python -m wolter`."""

from wolter.cli import main

if __name__ == "__main__":
    main()

"""`python -m wolter.cli`."""

from wolter.cli import main

if __name__ == "__main__":
    main()

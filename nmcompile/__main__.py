"""`python -m nmcompile` is `nmc`."""

from .cli import main

if __name__ == "__main__":
    main()

"""`python -m distrnn` is the command `distrnn`."""

from distrnn.cli.main import main

if __name__ == "__main__":
    main()

"""`python -m ci`: the same as `mlops`, from a checkout where nothing is installed."""

from ci.cli import main

if __name__ == "__main__":
    main()

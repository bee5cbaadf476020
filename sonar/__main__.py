"""``python -m sonar``."""

from sonar.cli import main

if __name__ == "__main__":
    main()

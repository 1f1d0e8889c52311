"""`python -m inference.bench`: the bench without the line, so without policies."""

from __future__ import annotations

from inference.bench.alone import main

if __name__ == "__main__":
    main()

"""Tests of the workflow run under the Python that has Snakemake."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

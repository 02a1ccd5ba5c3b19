"""Reading LaTeX in two stages, as ANTLR's makers advise: first by its fast prediction, whose decisions it remembers.

Fast (SLL) prediction looks at the tokens alone, full (LL) prediction also at how the parser came there. Where the first finds a
reading it is the one that the second would have found; where it finds none the second decides
(Parr, Harwell and Fisher, "Adaptive LL(*) Parsing", OOPSLA 2014, section 3.2). Measured on questions about MATH500: half the time.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def read_in_two_stages() -> None:
    """From here on latex2sympy, below math-verify, reads so in this process."""
    from antlr4.atn.PredictionMode import PredictionMode
    from latex2sympy2_extended import latex2sympy2

    reader: Any = latex2sympy2._Latex2Sympy
    made, read = reader.create_parser, reader.parse

    def create_parser(self: Any, text: str) -> Any:
        parser = made(self, text)
        parser._interp.predictionMode = self.prediction
        return parser

    def parse(self: Any, text: str) -> Any:
        self.prediction = PredictionMode.SLL
        try:
            return read(self, text)
        except Exception:
            self.prediction = PredictionMode.LL
            return read(self, text)

    reader.create_parser, reader.parse = create_parser, parse

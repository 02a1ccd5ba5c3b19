r"""Ways of writing become one: Unicode, plain words and older or decorative LaTeX as the LaTeX that the other rules read."""

from __future__ import annotations

import re

from verizero.reward.spelled import spelled_number

_SIGNS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": r"\div ", "π": r"\pi ", "∞": r"\infty ", "°": r"^{\circ}",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ",
    "∈": r"\in ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "\u00a0": " ", "\u2009": " ",
    "\u202f": " ", "。": ".", "．": ".", "，": ",", "：": ":", "（": "(", "）": ")", "θ": r"\theta ", "α": r"\alpha ",
    "β": r"\beta ", "λ": r"\lambda ", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}", "¢": r"\text{ cents}", "′": "'", "∛": r"\sqrt[3]", **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    **{character: f"^{number}" for number, character in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}  # fmt: skip
_TABLE = str.maketrans(_SIGNS)

_NAMED_BASES = frozenset((*range(2, 13), 16))

_REWRITES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # a radical sign reaches over one number, letter or bracket
        (r"√\s*(?:\{([^{}]*)\}|\(([^()]*)\)|(\d+(?:\.\d+)?|[A-Za-z]))", r"\\sqrt{\1\2\3}"),
        (r"√", r"\\sqrt "),
        (r"\\sqrt\[3\]\s*(\d+)", r"\\sqrt[3]{\1}"),
        # words of programs and of plain text
        (r"(?<![A-Za-z\\])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![A-Za-z\\])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        # decoration
        (r"\\(?:boldsymbol|bm|pmb|mathnormal|underline)(?=\s*\{)", ""),
        (r"^\\text\{(?![^{}]*\b(?:not|never)\b)[^{}]*(?:\bis|[Aa]nswer)\s*:?\s*\}\s*:?", ""),
        (r"\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])", ""),
        (r"\\(?:color|textcolor)\s*\{[^{}]*\}", ""),
        (r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm)\s*\]", r"\\\\"),
        (r"(?:\\\\|\\newline)\s*$", ""),
        (r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![A-Za-z]))", "'"),
        (r"\\colon(?![A-Za-z])|\{:\}", ":"),
        (r"\\(?:pmod|mod|bmod)\s+(\d+)", r"\\pmod{\1}"),
        (r"\(\s*\\(?:text|mathrm)\s*\{\s*mod\s*\}\s*(\d+)\s*\)", r"\\pmod{\1}"),
        (r"\((\d+)\)\s*\((\d+)\)", r"(\1)\\cdot (\2)"),
        # roots of odd degree are real
        (r"\\sqrt\[([357])\]\s*\{\s*-\s*(\d+)\s*\}", r"-\\sqrt[\1]{\2}"),
        (r"\{\s*\}_\s*\{?\s*(\d+)\s*\}?\s*C_\s*\{?\s*(\d+)\s*\}?", r"\\binom{\1}{\2}"),
        # older forms
        (r"\{([^{}]*)\\choose([^{}]*)\}", r"\\binom{\1}{\2}"),
        (r"^([^{}]*)\\choose([^{}]*)$", r"\\binom{\1}{\2}"),
        (r"[(\[]\s*\\begin\{array\}\{[^{}]*\}(.*?)\\end\{array\}\s*[)\]]", r"\\begin{pmatrix}\1\\end{pmatrix}"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"(?<![A-Za-z\\])np\.(?=[a-z])", r"\\"),
        # infinity, and what does not exist
        (r"\\(?:text|mathrm)\s*\{\s*(?:(?:[Pp]ositive|[Pp]lus)\s+)?[Ii]nfinity\s*\}", r"\\infty "),
        (r"\\(?:text|mathrm)\s*\{\s*(?:(?:[Nn]egative|[Mm]inus)\s+|-\s*)[Ii]nfinity\s*\}", r"-\\infty "),
        (r"^(?:(?:[Pp]ositive|[Pp]lus)\s+|\+\s*)?[Ii]nfinity$", r"\\infty "),
        (r"^(?:(?:[Nn]egative|[Mm]inus)\s+|-\s*)[Ii]nfinity$", r"-\\infty "),
        (
            r"^(?:\\(?:text|mathrm)\s*\{)?\s*(?:DNE|D\.N\.E\.?|[Dd]oes\s*(?:not|n't)\s+exist)\s*\}?$",
            r"\\text{does not exist}",
        ),
        # the natural logarithm
        (r"\\log_\s*(?:\{\s*e\s*\}|e)(?![A-Za-z^_])", r"\\ln "),
        # counters, which say nothing of the value; measures (`3米`, `3元`) stay
        (r"(?<=\d)\s*(?:\\text\s*\{\s*)?[个個只條条张張件名位人次头匹棵朵颗支枝双对组套辆架艘座层页本]\s*\}?$", ""),
        # units
        (r"\\(?:text|mathrm)\s*\{\s*[Aa]\.?\s?[Mm]\.?\s*\}", r"\\text{ am}"),
        (r"\\(?:text|mathrm)\s*\{\s*[Pp]\.?\s?[Mm]\.?\s*\}", r"\\text{ pm}"),
        (r"\^\s*\{?\s*\\circ\s*\}?\s*(?:\\(?:text|mathrm)\s*\{\s*C\s*\}|C$)", r"\\text{ celsius}"),
        (r"\^\s*\{?\s*\\circ\s*\}?\s*(?:\\(?:text|mathrm)\s*\{\s*F\s*\}|F$)", r"\\text{ fahrenheit}"),
        (
            r"\\frac\s*\{\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z]+)\s*\}\s*\}\s*\{\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z]+)\s*\}\s*\}",
            r"\\text{ \1/\2}",
        ),
        # numbers
        (r"(?<=\d),\s*\\!\s*(?=\d{3}(?!\d))", ","),
        (r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ""),
        (r"(?<=\d)\.(?=\s*[/}])", ""),
        (r"\\bar(?=\s*\{?\d)", r"\\overline"),
        (r"\\dot\{?(\d)\}?(\d*)\\dot\{?(\d)\}?", r"\\overline{\1\2\3}"),
        (r"\\dot\{?(\d)\}?", r"\\overline{\1}"),
        (r"\\overline\s*(\d)", r"\\overline{\1}"),
        (r"^(-?\d*\.\d*)\((\d+)\)$", r"\1\\overline{\2}"),
        # bases
        (r"\(\s*([0-9A-F]+)\s*\)(?=_)", r"\1"),
        (r"_\s*\{\s*\\text\s*\{\s*base\s*\}\s*(\d+)\s*\}", r"_{\1}"),
        # money
        (r"^(-?)\s*\\\$\s*([\d.,]*\d)$", r"\1\2\\text{ dollars}"),
        (r"^(-?)\s*(?:€|\\euro)\s*([\d.,]*\d)$|^(-?[\d.,]*\d)\s*€$", r"\1\2\3\\text{ euros}"),
        (r"^\\(?:text|mathrm)\{\s*(USD|EUR|GBP)\s*\}\s*([\d.,]*\d)$", r"\2\\text{ \1}"),
    )
]
_IN_WORDS = re.compile(r"\$?\s*(?:\\(?:text|mathrm|textbf|mbox)\s*\{\s*)?([A-Za-z][A-Za-z -]*?)\s*\}?\s*\$?\.?")
_AND_SO_ON = re.compile(r"(-?\d*\.\d{0,12}?)(\d{1,12}?)\2+\s*(?:\.\.\.|…|\\(?:ldots|dots|cdots))")
_LONGEST_AND_SO_ON = 60
_BASE_WORD = re.compile(r"_\s*\{?\s*\\text\s*\{\s*(?:base\s+)?([a-z]+|\d+)\s*\}\s*\}?")


def latex(text: str) -> str:
    r"""An answer in one notation: `½`, `√13`, `{20 \choose 10}`, `\large 17`, `0.(3)`, `52_{\text{eight}}`, `\$5`."""
    text = text.translate(_TABLE)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    if (spelled := _IN_WORDS.fullmatch(text)) and (number := spelled_number(spelled[1])) is not None:
        return str(number)
    if len(text) <= _LONGEST_AND_SO_ON and (match := _AND_SO_ON.fullmatch(text)):
        text = f"{match[1]}\\overline{{{match[2]}}}"
    return _BASE_WORD.sub(_numbered_base, text)


def _numbered_base(match: re.Match[str]) -> str:
    named = spelled_number(match[1])
    base = str(named) if named in _NAMED_BASES else match[1]
    return f"_{{{base}}}" if base.isdecimal() else match[0]

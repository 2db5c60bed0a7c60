"""The number that is written at the end of a text, in whatever digits, signs and notation; nothing is worked out.

The last expression of the text that holds a number is read. It is a number if it is just that, in brackets or not:

- digits with a decimal point (`.5` too) and commas between groups of three, ASCII or full-width; an exponent
  (`1e5`, `2.5×10^3`); `p/q` without spaces, `\\frac{p}{q}`, `q分之p`, `½`, with a whole number before them or not;
- after one sign: every dash that serves as a minus, `+`, 负, minus; a space between sign and number does not matter;
- before `%` (a hundredth, unless `unit` says that the answer is a percentage), a number word (万 is ten thousand,
  but 万元 is a unit, as is what `unit` names) or a unit, which is not read.

It is none, and so is the text, if something is left to be done (`5 - 20`, `3 / 4`, `-(-5)`, `√4`, `10^5`, `2x`), if
its digits are a chain (`1.1.1`, `1,23`, `12:30`, `1/2/3`), if it is a list, a range, a bound or one of two (`5 或 6`,
`±2`), or if an equals sign without a number follows.
"""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

Final = Decimal | tuple[Decimal, Decimal]


class Written(NamedTuple):
    """A number, the text in its plain form, and where in it the number's digits end."""

    value: Final
    text: str
    end: int


FACTORS = {"%": -2, "‰": -3, "十": 1, "百": 2, "千": 3, "万": 4, "亿": 8, "兆": 12}  # powers of ten
SIGNS = {
    "-": "‐‑‒–—―−－﹣﹘˗⁃⁻₋➖֊־᠆⸗⹀ー─",
    "+": "⁺₊➕﹢",
    "*": "×✕✖⨯·⋅∙∗",
    "/": "∕⁄",
    " / ": "÷➗",
    "~": "〜∼",
    "%": "﹪٪",
    ".": "﹒",
    ",": "﹐",
    "(": "[{【〔",
    ")": "]}】〕",
    "<": "≤≥≠≦≧＞>＜±∓",  # what follows is a bound, or one of several
    "≈": "≒≅≃",
    ":": "∶",
    " ": "$￥¥€£“”\"'‘’「」『』`",
    "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f",
}
PLAIN = {
    # The full-width comma stays: it is also the one that ends a clause.
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code != ord("，")},
    **{ord(c): f" {unicodedata.normalize('NFKC', c).replace('⁄', '/')}" for c in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"},
}
PLAIN |= {ord(c): sign for sign, every in SIGNS.items() for c in every} | {
    ord("＄"): " ",
    0xFF3B: "(",
    0xFF3D: ")",
}
PLAIN |= {ord("｛"): "(", ord("｝"): ")"}
MACROS = {
    **dict.fromkeys(("times", "cdot"), "*"),
    **dict.fromkeys(("ne", "neq", "le", "leq", "ge", "geq", "lt", "gt", "pm", "mp"), "<"),
    **dict.fromkeys(("approx", "simeq"), "≈"),
    **dict.fromkeys(("to", "rightarrow", "Rightarrow", "implies", "\\"), "\n"),
    **dict.fromkeys(("left", "right", "big", "Big", "boxed", "fbox", "quad", "qquad", "displaystyle"), " "),
    **{"div": " / ", "circ": "°", "%": "%", "!": ""},
}
# Applied in this order; each is linear: it begins with a fixed sign, or a lookbehind holds its repetition.
REWRITTEN = (
    (re.compile(r"</?[A-Za-z]++<"), " "),  # a tag: all bounds have one sign here
    (re.compile(r"\(,\)"), ","),  # 1{,}234
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|mbox)\(([^()]*)\)"), r" \1"),
    (re.compile(r"\\[dtc]?frac ?\( ?([+-]?) ?([0-9,]++) ?\) ?\( ?([+-]?) ?([0-9]++) ?\)"), r" \1\2/\3\4"),
    (re.compile(r"\\[dtc]?frac ?([0-9]) ?([0-9])(?![0-9])"), r" \1/\2"),
    (re.compile(r"\\([A-Za-z]+|.)", re.S), lambda m: MACROS.get(m[1], "√" if m[1].isalpha() else " ")),
    (re.compile(r"(?<=[0-9)]) ?\*\* ?(?=[0-9+-]|\([0-9+-])"), "^"),
    (re.compile(r"\*\*|__"), " "),  # bold
    (re.compile(r"(?m)^ ?[*•] (?=.)"), ""),  # a list's point
    (re.compile(r"\^ ?\( ?([+-]?) ?([0-9]++) ?\)"), r"^\1\2"),
    (re.compile(r"百分之 ?([+-]? ?[0-9]++(?:[.,][0-9]++)*+)"), r"\1%"),
    (re.compile(r"个?百分点|(?<=[0-9]) ?per ?cent(?![A-Za-z])"), "%"),
    (re.compile(r"(?<![0-9])([0-9]++) ?分之 ?([0-9]++)"), r"\2/\1"),
    (re.compile(r"(?<=[0-9])又(?=[0-9])"), " "),
    (re.compile(r"正负"), "<"),
    (re.compile(r"(?:(?:负的?|零下|减)|(?i:(?<![a-z])(?:minus|negative))) *+(?=[0-9.(])"), "-"),
)
SPACE = re.compile(r"[^\S\n]+")
# Arrows, and dashes between clauses: no minus and no equals sign.
RULES = re.compile("(?<![-=])[-=]++[>＞]|-{3,}|[—―─]{2,}|[→⇒]")
RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")

# Digits and whatever stands between them without a space; VALUE says whether that is a number.
RUN = r"(?:(?<!\.)\.)?[0-9]++(?:(?:[.:_]++|,|，(?=[0-9]{3}(?![0-9]))|[年月点时分])[0-9]++)*+(?:\.(?=[eE][+-]?[0-9]))?"
RUN = rf"{RUN}(?:[eE][+-]?{RUN})*+"
INTEGER = "(?:[0-9]{1,3}(?:[,，][0-9]{3})++|[0-9]++)"
VALUE = re.compile(
    rf"(?P<above>{INTEGER})/(?P<below>[+-]?[0-9]+)|"
    rf"(?P<plain>{INTEGER}(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE](?P<power>[+-]?[0-9]{{1,18}}))?"
)
UNIT = (
    r"(?:(?:平方|立方)?(?:厘米|毫米|分米|公里|米)|毫升|升|万?元|角|块|公斤|克|吨|个|度|°C?|小时|分钟|秒|"
    r"(?:[cdkm]?m|[km]?g|m?[lL]|s|h|t)(?![A-Za-z_]))(?:\^?-?[1-3](?![0-9]|\.[0-9]))?"
)
TOKEN = re.compile(
    rf"""
    (?P<places>[0-9]++\ ?位)  # as in 保留2位小数
  | (?P<N>(?:(?P<whole>[0-9]++)\ (?=[0-9]++/[0-9]))?
        (?P<digits>{RUN}(?:/[+-]?{RUN})*+)
        (?:\ ?[*xX]\ ?10\ ?\^\ ?(?P<ten>[+-]?\ ?[0-9]{{1,18}})(?![0-9]|\.[0-9]))?
        (?:\ ?(?P<factor>(?!万元)(?:[%‰]|[十百千万亿兆]+)))?
        (?:\ ?{UNIT}(?:\ ?[/*]\ ?{UNIT}|/(?=[一-鿿]))?)?)
  | (?P<unit>(?:(?<=\))|(?<=\)\ )){UNIT})
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*+(?:\.[0-9]++)*+)
  | (?P<R><|不等于|不是|大于|小于|超过|不到|至少|至多)
  | (?P<equals>[=≈]|等于)
  | (?P<choice>或)
  | (?P<P>次方|次幂|折(?!扣)|的(?=\ ?(?:平方|立方|倒数|相反数|绝对值|阶乘|[0-9]+\ ?次))|(?<=\ ):(?=\ )
        |(?:加上?|减去?|乘以?|除以?|至|到)(?=\ ?[0-9(+.-]))
  | (?P<S>[+-]) | (?P<A>~|大?约(?!等)) | (?P<O>[*/^√]) | (?P<open>\() | (?P<close>\)) | (?P<V>[π∞]|分之|(?![0-9])\d)
  | (?P<mark>[|#&@_]) | (?P<comma>[,，、;]) | (?P<line>\n) | (?P<stop>。) | (?P<text>\S)
    """,
    re.VERBOSE,
)
NAMES = {"sqrt", "log", "ln", "lg", "exp", "sin", "cos", "tan", "gcd", "lcm", "abs", "mod"}
# What one number's expression may consist of: a sign right behind a closing bracket is a subtraction.
SINGLE = re.compile(r"A?(?:(?:\)*\(+)?S\(*N|\)*\(*N)\)*\(?")


def final_number(text: str, unit: str = "") -> Final | None:
    """Return the number that a text ends with, a fraction `p/q` as a pair, or None. Never raises.

    `unit` is the sign or the number word that an answer may have or leave out: `%`, 万.
    """
    found = read(text, unit)
    return found.value if found else None


def read(text: str, unit: str = "") -> Written | None:
    """Return the number that a text ends with, and its place, or None; as `final_number`."""
    text = normal(text)
    last = last_expression(text)
    if last is None or not SINGLE.fullmatch("".join(last.kinds)):
        return None
    try:
        value = value_of(last.number, last.sign, unit)
    except (InvalidOperation, ValueError, OverflowError):  # an exponent that no Decimal holds
        return None
    return Written(value, text, last.number.end("digits")) if value is not None else None


def normal(text: str) -> str:
    """Return a text in ASCII digits, signs and brackets, LaTeX and words for signs gone, runs of spaces as one."""
    text = RULES.sub("\n", text)
    text = RAISED.sub(lambda m: "^" + unicodedata.normalize("NFKC", m[0]).replace("−", "-"), text)
    text = SPACE.sub(" ", text.translate(PLAIN))
    for pattern, to in REWRITTEN:
        text = pattern.sub(to, text)
    return SPACE.sub(" ", text)


class Expression:
    """Numbers (N), signs (S), operators (O), variables (V), bounds (R) and brackets that stand side by side."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.depth = 0
        self.sign = ""
        self.number: re.Match[str]
        self.second = False  # the other one of two numbers

    def add(self, kind: str, token: re.Match[str]) -> None:
        self.depth += (kind == "(") - (kind == ")" and self.depth > 0)
        self.kinds.append(kind)
        if kind == "S":
            self.sign = token[0]
        if kind == "N":
            self.number = token


def last_expression(text: str) -> Expression | None:
    """Return a plain text's last expression that holds a number; None if there is none, or it is not its result."""
    last, now = None, Expression()
    waiting = choice = False  # for the right side of an equals sign; for the other of two numbers
    for token in TOKEN.finditer(text):
        kind = kind_of(token, now)
        if kind == "unit":  # of a number in brackets
            continue
        if len(kind) == 1:
            now.add(kind, token)
            if kind == "N" and now is not last:
                now.second = choice
                last, waiting, choice = now, False, False
        elif not (
            kind == "line" and now.kinds and now.kinds[-1] in "SAO"
        ):  # else its operand is on the next line
            now = Expression()
            waiting = waiting or kind == "equals"
            choice = (choice or (kind == "choice" and last is not None)) and kind not in ("line", "stop")
    return None if last is None or waiting or last.second else last


def kind_of(token: re.Match[str], now: Expression) -> str:
    """Return what a token is in the expression that it would continue: one letter, or a name if it ends it."""
    kind = str(token.lastgroup)
    if kind == "word":
        word = token[0]
        if word in ("or", "equals"):
            return "choice" if word == "or" else "equals"
        # A variable, `x_1`, `R2`, or a function's name; two letters right after digits are no word either.
        glued = len(word) < 3 and now.kinds[-1:] == ["N"] and now.number.end() == token.start()
        named = len(word) == 1 or word in NAMES or not word.isalpha()
        return "V" if named or glued else "text"
    if kind == "P":
        return "O" if now.kinds and now.kinds[-1] in "N)" else "text"
    if kind == "mark":
        return "O" if now.kinds[-1:] == ["S"] else "text"  # no sign is lost in `-|20|`
    if kind == "comma":
        return "L" if now.depth else "text"
    return {"open": "(", "close": ")"}.get(kind, kind)


def value_of(number: re.Match[str], sign: str, unit: str) -> Final | None:
    """Return the value of a number's token; raises where no Decimal holds it, None if its digits are a chain."""
    found = VALUE.fullmatch(number["digits"])
    if not found:
        return None
    minus = "-" if sign == "-" else ""
    factor, ten = number["factor"] or "", number["ten"]
    if found["below"]:
        return (
            None if factor or ten else fraction(number["whole"], minus, bare(found["above"]), found["below"])
        )
    if number["whole"]:
        return None
    shift = 0 if factor == unit else sum(FACTORS[word] for word in factor)
    shift += int(ten.replace(" ", "")) if ten else 0
    value = Decimal(f"{minus}{bare(found['plain'])}e{found['power'] or 0}")
    if not shift:
        return value
    sign_bit, digits, exponent = value.as_tuple()
    return Decimal((sign_bit, digits, int(exponent) + shift))


def fraction(whole: str | None, minus: str, above: str, below: str) -> Final | None:
    """Return a fraction as a pair, a mixed number as an improper one; None for a zero divisor."""
    if not Decimal(below):
        return None
    if whole:
        above = str(int(whole) * int(below) + int(above))
    return Decimal(minus + above), Decimal(below)


def bare(digits: str) -> str:
    """Return digits without the commas between their groups."""
    return digits.replace(",", "").replace("，", "")

"""Fuzz targets without files: the classifier against one of another make, number extraction and the scorers."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

from abacus.data.audit import judge
from abacus.data.rows import Row
from abacus.problems.alike import key, keys
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import RECIPES, recognise, working
from abacus.scoring import arithmetic
from abacus.scoring import mindformers_f1 as em_f1
from abacus.scoring import squad_f1 as squad
from abacus.scoring.graded import NOTHING
from tests.fuzz.contract import Finding, Target, check_line

# The published templates, typed anew: a blank is D (decimal), I (integer), N (natural exponent), O (sign), L (list).
TEMPLATES = {
    "direct": ("计算 ", "D", " ", "O", " ", "D", " 等于多少？"),
    "equation": ("解方程 ", "I", "x + ", "I", " = 0"),
    "root": ("计算 ", "D", " 的平方根？"),
    "power": ("计算 ", "D", " 的 ", "N", " 次方？"),
    "function": ("当 x = ", "D", " 时，求函数 y = ", "I", "x^", "N", " 的值"),
    "mean": ("求以下数据的平均值：[", "L", "]"),
    "area": ("一个长方形的长为 ", "I", " 厘米，宽为 ", "I", " 厘米，请计算其面积。"),
    "discount": ("商品原价为 ", "I", " 元，打折后的价格为 ", "I", " 元，请计算打折的折扣比例。"),
    "sales": ("去年销售额为 ", "I", " 万元，今年销售额增加了 ", "I", "%，请计算今年的销售额。"),
    "mass": ("某物体的密度为 ", "I", " 克/立方厘米，体积为 ", "I", " 立方厘米，请计算该物体的质量。"),
    "fraction": ("将分数 ", "I", "/", "I", " 进行简化。"),
}
DIGITS = "0123456789"
ALPHABETS = {"D": DIGITS + "-.", "I": DIGITS + "-", "N": DIGITS, "O": "+-*/", "L": DIGITS + "-, "}


def is_natural(text: str, most: int) -> bool:
    """Whether a text is one to `most` digits."""
    return 1 <= len(text) <= most and all(sign in DIGITS for sign in text)


def is_spelling(kind: str, text: str) -> bool:
    """Whether a text spells an operand of this kind, by the bounds that the README gives."""
    if kind == "O":
        return len(text) == 1
    if kind == "N":
        return is_natural(text, 3)
    if kind == "L":
        items = text.split(", ")
        return len(items) <= 100 and all(is_spelling("I", item) for item in items)
    bare = text[1:] if text[:1] == "-" else text
    if kind == "I":
        return is_natural(bare, 9)
    whole, point, part = bare.partition(".")
    return is_natural(whole, 12) and (is_natural(part, 12) if point else True)


def operands(template: tuple[str, ...], text: str) -> list[str] | None:
    """Return the spellings of a template's blanks in a text, or None: character by character, no pattern."""
    found = []
    for part in template:
        if part not in ALPHABETS:
            if not text.startswith(part):
                return None
            text = text[len(part) :]
            continue
        size = 0
        while size < len(text) and text[size] in ALPHABETS[part] and not (part == "O" and size == 1):
            size += 1
        if not is_spelling(part, text[:size]):
            return None
        found.append(text[:size])
        text = text[size:]
    return None if text else found


SPELLINGS = (
    *(
        "0",
        "-0",
        "0.0",
        "-0.0",
        "00",
        "1",
        "-1",
        "1e9999",
        "1e5",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "١٢",
        "１２",
        "²",
    ),
    *(
        "9" * 4000,
        "9" * 5000,
        "9" * 12,
        "9" * 13,
        "9" * 9,
        "9" * 10,
        "0.000000000001",
        "999999999999.999999999999",
    ),
    *(
        "1.",
        ".5",
        "+5",
        "--5",
        "1,000",
        "1 000",
        "9**9**9",
        "0x10",
        "1_0",
        "",
        "100",
        "999",
        "1000",
        "½",
        "一",
        "-",
        "/",
    ),
)
SIGNS = "0123456789-+*/.,，。 \n\t\u00a0\u200b\u2028\u202e\x00١１²eExX^√%？?[]()计算的值"


def make_problem(random: Random) -> bytes:
    """Draw a problem of the table and damage it; one in eight stays as it is."""
    category = random.choice(CATEGORIES)
    text = category.text(category.draw(random))
    other = random.choice(CATEGORIES)
    kind = random.randrange(8)
    if kind in (1, 2):
        spelled = category.draw(random).spelled
        text = category.problem.format(
            **{
                key: random.choice(SPELLINGS) if random.random() < 0.5 else one
                for key, one in spelled.items()
            }
        )
    elif kind == 3:
        text += random.choice(("", " ", "\n", "，")) + other.text(other.draw(random))
    elif kind == 4:
        second = other.text(other.draw(random))
        text = text[: random.randint(0, len(text))] + second[random.randint(0, len(second)) :]
    elif kind > 4:
        for _ in range(random.randint(1, 3)):
            at, size = random.randint(0, len(text)), random.randint(0, 2)
            text = text[:at] + random.choice(("", *SIGNS)) + text[at + size :]
    return text.encode("utf-8")


def check_problem(data: bytes, folder: Path) -> bool:
    """A text is recognised as what the templates say it is, with their operands, or it is refused."""
    text = data.decode("utf-8")
    wanted = {
        name: found for name, parts in TEMPLATES.items() if (found := operands(parts, text)) is not None
    }
    if len(wanted) > 1:
        raise AssertionError(f"the templates themselves are not unique: {text}")
    verdict = judge(Row(1, text, ""))  # never raises
    try:
        problem = recognise(text)
    except ValueError as error:
        check_line(str(error))
        keys(text)  # never raises
        if wanted:
            raise Finding(f"refused, although of category {list(wanted)}: {error}") from error
        return False
    if keys(text) != {key(problem)}:
        raise Finding(f"has the keys {keys(text)}, expected {key(problem)}")
    found = {problem.category.name: list(problem.spelled.values())}
    if found != wanted or problem.category.text(problem) != text:
        raise Finding(f"recognised as {found}, by the templates {wanted}")
    if verdict.expected != "no value":
        check_workings(problem, random=Random(text))
    return True


def check_workings(problem, random: Random) -> None:
    """Every recipe writes one printable line, whose answer scores in full."""
    decimals = random.randint(0, 10)
    for recipe in RECIPES:
        line = working(problem, recipe, decimals)
        if not line.isprintable():
            raise Finding(f"the working of {recipe} is no line: {line!r}")
        if not arithmetic.strict(problem, line, recipe, decimals):
            raise Finding(f"the working of {recipe} with {decimals} decimals scores nothing: {line}"[:300])
        if arithmetic.graded(problem, line, recipe, decimals) != (True, True, True, 1.0):
            raise Finding(
                f"the working of {recipe} with {decimals} decimals is not graded in full: {line}"[:300]
            )


FILLERS = (
    " = ",
    " 答案是 ",
    "。结果为：",
    "\n",
    " ≈ ",
    " ١٢ ",
    " １２ ",
    " ² ",
    " ½ ",
    " NaN ",
    " inf ",
    " x ",
    " √",
    " \x00",
    " “",
    "",
)
BREAKERS = (
    "e",
    "E+",
    "-",
    "−",
    "/",
    "//",
    ",",
    ".",
    "1e9999",
    "1e-9999",
    "1E+9999999999999999999",
    "9/0",
    "0/0",
    "1.2.3",
)
ENDS = ("", " ", "。", "\n", " 元", "，", "）", "；所以")


def make_completion(random: Random) -> bytes:
    """Draw a completion: number-like rubbish, and now and then one good number at its end, marked by a tab."""
    parts = []
    for _ in range(random.randint(0, 8)):
        kind = random.randrange(5)
        if kind == 0:
            parts.append(random.choice(SPELLINGS))
        elif kind == 1:
            parts.append(str(random.randint(-(10 ** random.randint(1, 30)), 10**12)))
        elif kind == 2:
            parts.append(random.choice(BREAKERS))
        elif kind == 3:
            parts.append(
                "".join(
                    chr(random.choice((random.randrange(0xD800), random.randrange(128)))) for _ in range(3)
                )
            )
        parts.append(random.choice(FILLERS))
    text = "".join(parts).replace("\t", " ")
    if random.random() < 0.5:
        spelled = spelling(random)
        text += "。。" + random.choice(("= ", " ", "：", "\n")) + f"\t{spelled}\t" + random.choice(ENDS)
    return text.encode("utf-8", "surrogatepass")


def spelling(random: Random) -> str:
    """Draw a number as somebody may write it."""
    whole = str(random.randrange(10 ** random.choice((1, 3, 6, 28, 300, 4000))))
    if random.random() < 0.3 and len(whole) < 400:
        whole = f"{int(whole):,}"
    part = f".{random.randrange(10**6)}" if random.random() < 0.5 else ""
    power = f"E{random.choice('+-')}{random.randrange(40)}" if random.random() < 0.2 else ""
    return random.choice(("", "", "-")) + whole + part + power


def check_completion(data: bytes, folder: Path) -> bool:
    """Extraction gives the marked number, if there is one; nothing raises, whatever the text and the problem."""
    before, *marked = data.decode("utf-8", "surrogatepass").split("\t")
    text = "".join((before, *marked))
    found = arithmetic.final_number(text)
    random = Random(text.encode("utf-8", "surrogatepass"))
    if marked and found != Decimal(marked[0].replace(",", "")):
        raise Finding(f"extracted {str(found)[:80]}, expected {marked[0][:80]}")
    category = random.choice(CATEGORIES)
    problem, recipe, decimals = category.draw(random), random.choice(RECIPES), random.randint(0, 10)
    strict = arithmetic.strict(problem, text, recipe, decimals)
    if strict and not arithmetic.tolerant(problem, text, recipe, decimals):
        raise Finding(f"strict and not tolerant: {problem.published}")
    graded = arithmetic.graded(problem, text, recipe, decimals)
    if (graded.digits == 1) != strict or (graded != NOTHING and found is None):
        raise Finding(f"graded {graded} where {problem.published} is published")
    return found is not None


MINUSES = "-−－‐‑‒–—―﹣⁻➖"
WIDE = str.maketrans("0123456789.,%/", "０１２３４５６７８９．，％／")
BEFORE = (
    "",
    "x = ",
    "x=",
    "=",
    "答案是",
    "答案：",
    "12, ",
    "(1 + 1) = ",
    "≈ ",
    "所以。",
    "第一行\n",
    "answer: ",
    r"\[ ",
)
AFTER = ("", "。", ".", " ", "\n", " 元", " 平方厘米", "cm^2", "。所以", "（答）", r" \]", "，完")
AROUND = ("{}", "{}", "({})", "（{}）", "${}$", "**{}**", r"\boxed{{{}}}", r"\({}\)", "【{}】", "“{}”")
SCALES = {"%": 100, "万": Fraction(1, 10**4), "": 1}


def form(random: Random) -> tuple[str, Fraction]:
    """Draw a number without sign in one of the notations that are read, and its value."""
    whole, part = random.randrange(10 ** random.randint(1, 7)), f"{random.randrange(1, 10**4):04}"
    below, power = random.randint(2, 99), random.randint(-9, 9)
    decimal, ten = Fraction(f"{whole}.{part}"), Fraction(10) ** power
    return random.choice(
        [
            (str(whole), Fraction(whole)),
            (f"{whole}.{part}", decimal),
            (f".{part}", Fraction(f".{part}")),
            (f"{whole:,}.{part}", decimal),
            (f"{whole}.{part}e{power}", decimal * ten),
            (f"{whole}.{part}×10^{power}", decimal * ten),
            (rf"{whole}.{part} \times 10^{{{power}}}", decimal * ten),
            (f"{whole}/{below}", Fraction(whole, below)),
            (rf"\frac{{{whole}}}{{{below}}}", Fraction(whole, below)),
            (rf"\dfrac {{ {whole} }} {{ {below} }}", Fraction(whole, below)),
            (rf"{whole}\frac{{1}}{{{below}}}", whole + Fraction(1, below)),
            (f"{whole} 1/{below}", whole + Fraction(1, below)),
            ("¾", Fraction(3, 4)),
            (f"{whole}%", Fraction(whole, 100)),
            (rf"{whole}.{part} \%", decimal / 100),
            (f"百分之{whole}", Fraction(whole, 100)),
            (f"{whole}万", Fraction(whole * 10**4)),
        ]
    )


def make_signed(random: Random) -> bytes:
    """Draw what a text is worth, a tab, and the text: it ends with a signed number, or with a difference."""
    spelled, value = form(random)
    if random.random() < 0.3 and "\\" not in spelled:
        spelled = spelled.translate(WIDE)
    around, gap = random.choice(AROUND), random.choice(("", "", " ", "\u3000", "\u200b"))
    sign = random.choice((*MINUSES, "负", "minus "))
    wanted, kind = str(value), random.randrange(5)
    text = around.format(spelled)
    if kind in (1, 2, 3):
        wanted = str(-value)
        text = around.format(sign + gap + spelled) if kind < 3 else random.choice(MINUSES) + gap + text
    if kind == 4:
        operand = random.choice(("7", "７", "x", "7.5", "(7)", "7 元", "7%", "3/4"))
        wanted, text = "", operand + random.choice(("", " ")) + random.choice((*MINUSES, "减")) + gap + text
    return "\t".join((wanted, random.choice(BEFORE) + text + random.choice(AFTER))).encode("utf-8")


def check_signed(data: bytes, folder: Path) -> bool:
    """A number is read with its sign, a difference as none; a text is right only if it holds the answer."""
    wanted, _, text = data.decode("utf-8").partition("\t")
    found = arithmetic.final_number(text)
    value = Fraction(*map(Fraction, found)) if isinstance(found, tuple) else found
    if value != (Fraction(wanted) if wanted else None):
        raise Finding(f"read {found}, written {wanted or 'none'}: {text}")
    random = Random(data)
    problem, recipe = random.choice(CATEGORIES).draw(random), random.choice(RECIPES)
    check_credit(problem, text, Fraction(wanted) if wanted else None, recipe)
    check_answer(problem, recipe, random)
    return found is not None


def check_credit(problem, text: str, value: Fraction | None, recipe: str) -> None:
    """Any text is right only if what it is worth is about what is taught."""
    if not arithmetic.tolerant(problem, text, recipe, 4):
        return
    taught = Fraction(
        working(problem, recipe, 4)
        .replace("：", " ")
        .replace(" 平方厘米", "")
        .removesuffix(" 克")
        .split()[-1]
    )
    scales = {1, SCALES[problem.category.unit]}
    if value is None or all(
        abs(value * s - taught) > max(Fraction(1, 100), abs(taught) / 10**5) for s in scales
    ):
        raise Finding(f"credit for {text} where {taught} is taught")


def check_answer(problem, recipe: str, random: Random) -> None:
    """A working is right with every minus; it is wrong with its sign turned, cut, or with the question alone."""
    line, question = working(problem, recipe, 4), problem.category.text(problem)
    start = max(line.removesuffix(" 平方厘米").removesuffix(" 克").rfind(sign) for sign in " ：;=") + 1
    head, bare, minus = line[:start], line[start:].removeprefix("-"), random.choice(MINUSES)
    negative, zero = line[start] == "-", not any(digit in bare.partition("E")[0] for digit in "123456789")
    texts = {
        head + (minus if negative else "") + bare: True,
        head + ("" if negative else minus) + bare: zero,
        question: False,
        question + random.choice(("", " ", "\n")) + question: False,
        question[random.randint(0, len(question) // 5) :]: False,
    }
    for text, right in texts.items():
        if arithmetic.strict(problem, text, recipe, 4) != right:
            raise Finding(f"{'no ' if right else ''}credit for {text} as an answer to {question}")
        if arithmetic.strict(problem, text, recipe, 4, ended=False):
            raise Finding(f"credit for what was cut: {text}")


def make_reading(random: Random) -> bytes:
    """Draw a prediction and a reference, divided by a tab."""
    words = (
        "The",
        "a",
        "15",
        "miles)",
        "（9",
        "计算",
        "，",
        "\n",
        "\x00",
        "١٢",
        "\u200b",
        "İ",
        "ß",
        "\u0301",
        "-",
        "`",
        "",
    )
    texts = (" ".join(random.choices(words, k=random.randint(0, 12))) for _ in range(2))
    return "\t".join(texts).encode("utf-8")


def check_reading(data: bytes, folder: Path) -> bool:
    """All four reading scores are between 0 and 100, and 100 for a text against itself if it is not empty."""
    prediction, _, reference = data.decode("utf-8", "replace").partition("\t")
    scores = (
        *(em_f1.f1(prediction, reference), em_f1.exact_match(prediction, reference)),
        *(squad.f1(prediction, [reference]), squad.exact_match(prediction, [reference])),
    )
    if not all(0 <= score <= 100 for score in scores):
        raise Finding(f"scores of {scores}")
    if em_f1.tokens(reference) and em_f1.f1(reference, reference) != 100:
        raise Finding("a text against itself scores less than 100")
    return scores[0] > 0


TARGETS = (
    Target("classifier", 160, make_problem, check_problem),
    Target("number extraction", 80, make_completion, check_completion),
    Target("signs", 55, make_signed, check_signed),
    Target("reading scores", 20, make_reading, check_reading),
)

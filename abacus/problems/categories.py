"""The category table: everything about a kind of problem stands in its row, and nowhere else.

Templates, rules and counts are those of the 2024 Ascend contest's train.json.
"""

import functools
import math
import operator
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any, Literal, NamedTuple, Protocol

from abacus.problems import stepwise
from abacus.problems.operands import Operand, choice, exponent, hundredths, integer, integers
from abacus.problems.printed import as_float, in_brackets

# The published solutions were computed at Python's default of 28 significant digits; its traps stay on.
PUBLISHED = Context(prec=28)
Number = int | float | Decimal | Fraction
Precision = Literal["decimals", "percent", "full"]


class Problem(NamedTuple):
    """A recognised problem: its category, the spelling and the value of each operand, the rule to solve it by."""

    category: "Category"
    spelled: Mapping[str, str]
    values: Mapping[str, Any]
    exact: bool = False

    @property
    def answer(self) -> Number:
        """The value by the published rule, or by the exact one if there is another.

        Raises ArithmeticError where there is none (a zero divisor).
        """
        rule = self.category.solve_exactly if self.exact else None
        return (rule or self.category.solve)(**self.values)

    @property
    def published(self) -> str:
        """The published solution, to the character."""
        return self.category.solution.format(answer=self.answer, **self.spelled)


class Show(Protocol):
    """Prints a number at the recipe's precision: so many decimals, or as it is."""

    @property
    def places(self) -> int | None: ...

    def __call__(self, value: Number, /) -> str: ...


Writer = Callable[[Problem, Show], str]  # writes a problem's working


@dataclass(frozen=True)
class Category:
    """One row of the table.

    `problem` is both the pattern and the generator; `solution` prints the published line; `solve` takes the operands
    in the order of the problem and gives the published answer, `solve_exactly` the true one where the published rule
    rounds on its way. `writers` holds what writes the working after the prefix: `reference`, and each recipe that works
    this category out otherwise.
    `precision` says what a recipe rounds to: `decimals` (the parameter), `percent` (two decimals, or fewer if the
    parameter is less) or `full`. `raw` rows, duplicates among them, hold `unique` different problems; where an
    operand has its own published counts, `unique` gives one count a spelling of `split`. `drawn` says which operands
    may be drawn together. `unit` is the sign or number word that the published answer leaves out: a percentage is
    20, not 0.2, and 万元 are counted in 万. `alike` returns the operands, the same for problems that ask the same in
    another order.
    """

    name: str
    problem: str
    solution: str
    operands: Mapping[str, Operand]
    solve: Callable[..., Number]
    writers: Mapping[str, Writer]
    raw: int
    unique: Mapping[str, int]
    precision: Precision = "decimals"
    split: str | None = None
    solve_exactly: Callable[..., Fraction] | None = None
    drawn: Callable[..., bool] = lambda **values: True
    unit: str = ""
    alike: Callable[..., tuple[object, ...]] = lambda **values: tuple(values.values())

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The regular expression that a problem of this category matches in full."""
        parts = []
        for text, name, _, _ in string.Formatter().parse(self.problem):
            parts.append(re.escape(text))
            if name:
                parts.append(f"(?P<{name}>{self.operands[name].pattern})")
        return re.compile("".join(parts))

    @functools.cached_property
    def end(self) -> str:
        """The words after the last operand."""
        return self.problem.rpartition("}")[2]

    def parse(self, problem: str) -> Problem | None:
        """Recognise a problem, or return None."""
        match = self.pattern.fullmatch(problem)
        return self.read(match.groupdict()) if match else None

    def read(self, spelled: Mapping[str, str]) -> Problem:
        """Return the problem with these spellings of the operands."""
        return Problem(self, spelled, self.values(spelled))

    def values(self, spelled: Mapping[str, str]) -> dict[str, Any]:
        """The values of operands that are spelled so."""
        return {name: self.operands[name].read(text) for name, text in spelled.items()}

    @functools.cached_property
    def by_place(self) -> tuple[tuple[Callable[[str], Any], ...], str]:
        """What reads each operand, and `solution` with places for names: those of the operands, then the answer's."""
        places = {name: str(place) for place, name in enumerate((*self.operands, "answer"))}
        reads = tuple(operand.read for operand in self.operands.values())
        return reads, re.sub(
            r"\{(\w+)(.*?)\}", lambda found: f"{{{places[found[1]]}{found[2]}!s}}", self.solution
        )

    def published(self, spellings: Sequence[str]) -> str:
        """The published solution, as `Problem.published`, of the problem whose operands are spelled so, in their order.

        Every raw row is solved here, so nothing is looked up by name. ArithmeticError where there is no solution.
        """
        reads, template = self.by_place
        return template.format(*spellings, self.solve(*map(operator.call, reads, spellings)))

    def draw(self, random: Random, **fixed: str) -> Problem:
        """Draw a problem; operands in `fixed` have that spelling."""
        while True:
            spelled = {k: fixed.get(k) or o.draw(random) for k, o in self.operands.items()}
            problem = self.read(spelled)
            if self.drawn(**problem.values):
                return problem

    def text(self, problem: Problem) -> str:
        """Return the problem's text."""
        return self.problem.format(**problem.spelled)


def exact_power(base: Decimal, times: int, factor: int = 1) -> Decimal:
    """Return factor * base ** times rounded once, to 28 digits; the published rule rounds twice."""
    if base == 0:
        return Decimal(factor if times == 0 else 0)
    wide = Context(prec=len(base.as_tuple().digits) * max(times, 1) + 12)
    return PUBLISHED.plus(wide.multiply(Decimal(factor), wide.power(base, times)))


def digitwise(steps: Callable[[Problem, Show], stepwise.Steps]) -> dict[str, Writer]:
    """The writers of the two recipes that go digit by digit: `stepwise` without blanks, `spaced` with them."""
    return {
        "stepwise": lambda p, show: steps(p, show).tight(),
        "spaced": lambda p, show: steps(p, show).spaced(),
    }


def equation_working(p: Problem, show: Show) -> str:
    a, right = p.spelled["a"], show(-p.values["b"])
    return f"{a}x = {right}, x = {right} / {a}, x = {show(p.answer)}"


def fraction_working(p: Problem, show: Show) -> str:
    a, b = p.values["a"], p.values["b"]
    divisor = math.gcd(a, b)
    return f"gcd({a}, {b}) = {divisor}, {a} / {divisor} = {a // divisor}, {b} / {divisor} = {b // divisor}, {p.published}"


DIRECT = {"+": PUBLISHED.add, "-": PUBLISHED.subtract, "*": PUBLISHED.multiply, "/": PUBLISHED.divide}
EXACT = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}

CATEGORIES: tuple[Category, ...] = (
    Category(
        name="direct",
        problem="计算 {a} {op} {b} 等于多少？",
        solution="{a} {op} {b} = {answer}",
        operands={
            "a": hundredths(-999999, 999999),
            "op": choice("+-*/"),
            "b": hundredths(-999999, 999999),
        },
        solve=lambda a, op, b: DIRECT[op](a, b),
        solve_exactly=lambda a, op, b: EXACT[op](Fraction(a), Fraction(b)),
        drawn=lambda a, op, b: op != "/" or b != 0,
        alike=lambda a, op, b: (op, *sorted((a, b))) if op in "+*" else (op, a, b),
        writers={
            "reference": lambda p, show: "{a} {op} {b} = {}".format(show(p.answer), **p.spelled),
            **digitwise(
                lambda p, show: stepwise.direct(**p.values, answer=show(p.answer), places=show.places or 0)
            ),
        },
        raw=360_000,
        split="op",
        unique={"+": 90_113, "-": 89_366, "*": 89_902, "/": 89_966},
    ),
    Category(
        name="equation",
        problem="解方程 {a}x + {b} = 0",
        solution="方程的解为：{answer}",
        operands={"a": integer(-100, 100, without=0), "b": integer(-100, 100)},
        solve=lambda a, b: -b / a,
        solve_exactly=lambda a, b: Fraction(-b, a),
        writers={
            "reference": equation_working,
            **digitwise(
                lambda p, show: stepwise.equation(**p.values, answer=show(p.answer), places=show.places or 0)
            ),
        },
        raw=239_900,
        unique={"": 40_080},
    ),
    Category(
        name="root",
        problem="计算 {a} 的平方根？",
        solution="√{a} = {answer}",
        operands={"a": hundredths(0, 999999)},
        solve=lambda a: PUBLISHED.sqrt(a),
        writers={
            "reference": lambda p, show: f"√{p.spelled['a']} = {show(p.answer)}",
            **digitwise(lambda p, show: stepwise.root(p.values["a"], show(p.answer), show.places or 0)),
        },
        raw=40_000,
        unique={"": 39_227},
    ),
    Category(
        name="power",
        problem="计算 {a} 的 {n} 次方？",
        solution="{a}^{n} = {answer}",
        operands={"a": hundredths(-99999, 99999), "n": exponent(0, 5)},
        solve=lambda a, n: PUBLISHED.power(a, n),
        writers={
            "reference": lambda p, show: p.published,
            "exact": lambda p, show: (
                f"{in_brackets(p.spelled['a'])}^{p.spelled['n']} = {exact_power(p.values['a'], p.values['n'])}"
            ),
            **digitwise(
                lambda p, show: stepwise.power(
                    **p.values, answer=str(exact_power(p.values["a"], p.values["n"]))
                )
            ),
        },
        precision="full",
        drawn=lambda a, n: a != 0 or n != 0,  # 0^0 has no value
        raw=40_000,
        unique={"": 39_207},
    ),
    Category(
        name="function",
        problem="当 x = {x} 时，求函数 y = {c}x^{n} 的值",
        solution="函数的值为：{answer}",
        operands={"x": hundredths(0, 999), "c": integer(1, 100), "n": exponent(1, 100)},
        solve=lambda x, c, n: PUBLISHED.multiply(Decimal(c), PUBLISHED.power(x, n)),
        writers={
            "reference": lambda p, show: "{c} * {} ^ {n} = {}".format(
                float(p.values["x"]), p.answer, **p.spelled
            ),
            "exact": lambda p, show: "{c} * {} ^ {n} = {}".format(
                in_brackets(as_float(p.values["x"])),
                exact_power(p.values["x"], p.values["n"], p.values["c"]),
                **p.spelled,
            ),
            **digitwise(
                lambda p, show: stepwise.function(
                    **p.values, answer=str(exact_power(p.values["x"], p.values["n"], p.values["c"]))
                )
            ),
        },
        precision="full",
        # The published raw mix is inferred as 20 000 a kind, fewer than this kind's different problems.
        raw=20_100,
        unique={"": 20_028},
    ),
    Category(
        name="mean",
        problem="求以下数据的平均值：[{v}]",
        solution="平均值为 {answer}",
        operands={"v": integers((3, 10), 1, 100)},
        solve=lambda v: sum(v) / len(v),
        solve_exactly=lambda v: Fraction(sum(v), len(v)),
        writers={
            "reference": lambda p, show: (
                f"({' + '.join(map(str, p.values['v']))}) / {len(p.values['v'])} = {show(p.answer)}"
            ),
            **digitwise(lambda p, show: stepwise.mean(p.values["v"], show(p.answer), show.places or 0)),
        },
        raw=20_000,
        unique={"": 19_709},
        alike=lambda v: tuple(sorted(v)),
    ),
    Category(
        name="area",
        problem="一个长方形的长为 {a} 厘米，宽为 {b} 厘米，请计算其面积。",
        solution="面积为 {answer} 平方厘米",
        operands={"a": integer(1, 100), "b": integer(1, 100)},
        solve=lambda a, b: a * b,
        writers={
            "reference": lambda p, show: f"{p.spelled['a']} * {p.spelled['b']} = {p.answer}",
            **digitwise(lambda p, show: stepwise.area(**p.values)),
        },
        precision="full",
        raw=20_000,
        unique={"": 8_665},
        alike=lambda a, b: tuple(sorted((a, b))),
    ),
    Category(
        name="discount",
        problem="商品原价为 {a} 元，打折后的价格为 {b} 元，请计算打折的折扣比例。",
        solution="{answer}",
        operands={"a": integer(1, 100), "b": integer(1, 100)},
        solve=lambda a, b: (a - b) / a * 100,
        solve_exactly=lambda a, b: Fraction((a - b) * 100, a),
        writers={
            # The reference run left out the `* 100`: its training text is false as an equation.
            "reference": lambda p, show: "({a} - {b}) / {a} = {}".format(show(p.answer), **p.spelled),
            "exact": lambda p, show: "({a} - {b}) / {a} * 100 = {}".format(show(p.answer), **p.spelled),
            **digitwise(
                lambda p, show: stepwise.discount(**p.values, answer=show(p.answer), places=show.places or 0)
            ),
        },
        precision="percent",
        unit="%",
        raw=10_000,
        unique={"": 6_275},
    ),
    Category(
        name="sales",
        problem="去年销售额为 {a} 万元，今年销售额增加了 {b}%，请计算今年的销售额。",
        solution="{answer}",
        operands={"a": integer(1, 100), "b": integer(1, 100)},
        solve=lambda a, b: a + a * b / 100,
        solve_exactly=lambda a, b: a + Fraction(a * b, 100),
        writers={
            "reference": lambda p, show: (
                f"{p.spelled['a']} * (1 + {as_float(Decimal(p.values['b']).scaleb(-2))}) = {show(p.answer)}"
            ),
            **digitwise(lambda p, show: stepwise.sales(**p.values, answer=show(p.answer))),
        },
        unit="万",
        raw=10_000,
        unique={"": 6_266},
    ),
    Category(
        name="mass",
        problem="某物体的密度为 {a} 克/立方厘米，体积为 {b} 立方厘米，请计算该物体的质量。",
        solution="{answer} 克",
        operands={"a": integer(1, 10), "b": integer(1, 10)},
        solve=lambda a, b: a * b,
        writers={
            "reference": lambda p, show: f"{p.spelled['a']} * {p.spelled['b']} = {p.answer}",
            **digitwise(lambda p, show: stepwise.area(**p.values)),
        },
        precision="full",
        raw=20_000,
        unique={"": 100},
        alike=lambda a, b: tuple(sorted((a, b))),
    ),
    Category(
        name="fraction",
        problem="将分数 {a}/{b} 进行简化。",
        solution="最简化的形式为：{answer.numerator}/{answer.denominator}",
        operands={"a": integer(1, 9), "b": integer(2, 10)},
        solve=lambda a, b: Fraction(a, b),
        drawn=lambda a, b: a < b,
        writers={
            "reference": fraction_working,
            **digitwise(lambda p, show: stepwise.fraction(**p.values)),
        },
        precision="full",
        raw=20_000,
        unique={"": 45},
    ),
)

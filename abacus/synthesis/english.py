r"""Short English mathematics problems in LaTeX, each with a worked solution that ends in \boxed{}.

`for row in rows(count=100, seed=1)` gives a hundred of them, as `problem` and `solution`.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count as count_from
from math import comb, gcd, isqrt, lcm
from random import Random

Values = dict[str, int | Fraction | str]

REPEATS = 1000  # that many repeated problems in a row, and a family counts as exhausted
PRIMES = tuple(n for n in range(2, 1000) if all(n % d for d in range(2, isqrt(n) + 1)))
NONZERO = tuple(n for n in range(-12, 13) if n)


@dataclass(frozen=True)
class Family:
    """Problems that differ in operands; `<name>` in a text is an operand or a solved value."""

    name: str
    draw: Callable[[Random], dict[str, int]]
    problem: str
    solve: Callable[..., Values]
    solution: str

    def row(self, random: Random) -> dict[str, str]:
        """One problem with its solution."""
        operands = self.draw(random)
        values = operands | self.solve(**operands)
        return {"problem": fill(self.problem, values), "solution": fill(self.solution, values)}


def choose(**spaces: Sequence[int]) -> Callable[[Random], dict[str, int]]:
    """A draw that takes each operand from its own space."""
    return lambda random: {name: random.choice(space) for name, space in spaces.items()}


def fill(template: str, values: Values) -> str:
    """The template with each `<name>` replaced by its value in LaTeX; KeyError if there is none."""

    def spelled(match: re.Match[str]) -> str:
        value = values[match[1]]
        return value if isinstance(value, str) else latex(value)

    return re.sub(r"<(\w+)>", spelled, template)


def latex(value: int | Fraction, unit: str = "") -> str:
    r"""The value in lowest terms times a unit, such as `-\frac{3}{4}`, `\frac{5\pi}{2}`, `\pi`."""
    top, bottom = abs(value.numerator), value.denominator
    digits = unit if unit and top == 1 else f"{top}{unit}"
    return ("-" if value < 0 else "") + (digits if bottom == 1 else rf"\frac{{{digits}}}{{{bottom}}}")


def total(*terms: tuple[int, str]) -> str:
    """The sum of coefficient-unit pairs, such as `x^2 - 3x + 4`; zero terms are left out."""
    signed = [(" - " if n < 0 else " + ") + latex(abs(n), unit) for n, unit in terms if n]
    text = "".join(signed) or " + 0"
    return ("-" if text[1] == "-" else "") + text[3:]


def solve_linear(a: int, b: int, c: int, x: int) -> Values:
    d = (a - c) * x + b
    left, right = total((a, "x"), (b, "")), total((c, "x"), (d, ""))
    moved = f"{total((a - c, 'x'))} = {d - b}"
    return {"left": left, "right": right, "moved": moved, "answer": Fraction(d - b, a - c)}


def solve_quadratic(small: int, gap: int) -> Values:
    large = small + gap
    square = total((1, "x^2"), (-small - large, "x"), (small * large, ""))
    factors = f"({total((1, 'x'), (-small, ''))})({total((1, 'x'), (-large, ''))})"
    return {"square": square, "factors": factors, "answer": large}


def solve_power(a: int, n: int, p: int) -> Values:
    order = next(k for k in count_from(1) if pow(a, k, p) == 1)
    return {"order": order, "times": n // order, "rest": n % order, "answer": pow(a, n, p)}


def solve_dice(a: int, b: int, s: int) -> Values:
    low, high = max(1, s - b), min(a, s - 1)
    return {"low": low, "high": high, "all": a * b, "answer": Fraction(high - low + 1, a * b)}


def solve_value(a: int, b: int, c: int, t: int) -> Values:
    rule, added = total((a, "x^2"), (b, "x"), (c, "")), total((a * t * t, ""), (b * t, ""), (c, ""))
    return {"rule": rule, "added": added, "answer": a * t * t + b * t + c}


def solve_primes(low: int, width: int) -> Values:
    found = [p for p in PRIMES if low <= p <= low + width]
    return {"high": low + width, "found": " + ".join(map(str, found)), "answer": sum(found)}


FAMILIES = (
    Family(
        name="linear equation",
        draw=choose(a=range(9, 20), b=NONZERO, c=range(2, 9), x=NONZERO),
        problem="Solve for $x$: $<left> = <right>$.",
        solve=solve_linear,
        solution=r"Collecting the terms in $x$ gives $<moved>$. Therefore $x = \boxed{<answer>}$.",
    ),
    Family(
        name="quadratic equation",
        draw=choose(small=range(-39, 40, 2), gap=range(2, 60, 2)),  # odd roots: none is zero
        problem="What is the larger solution of $<square> = 0$?",
        solve=solve_quadratic,
        solution=r"The left side is $<factors>$. The larger of its roots is $\boxed{<answer>}$.",
    ),
    Family(
        name="arithmetic series",
        draw=choose(a=range(1, 40), d=range(2, 15), n=range(8, 40)),
        problem="An arithmetic sequence starts with $<a>$ and has common difference $<d>$. "
        "Find the sum of its first $<n>$ terms.",
        solve=lambda a, d, n: {"z": a + (n - 1) * d, "answer": sum(range(a, a + n * d, d))},
        solution="The last of these terms is $<z>$. "
        r"The sum is $\frac{<n>}{2} \cdot (<a> + <z>) = \boxed{<answer>}$.",
    ),
    Family(
        name="geometric series",
        draw=choose(a=range(1, 91), q=range(2, 7), n=range(4, 9)),
        problem="A geometric series has first term $<a>$ and common ratio $<q>$. "
        "What do the first $<n>$ terms add up to?",
        solve=lambda a, q, n: {"answer": sum(a * q**k for k in range(n))},
        solution=r"The sum is $\frac{<a> \cdot (<q>^{<n>} - 1)}{<q> - 1} = \boxed{<answer>}$.",
    ),
    Family(
        name="power remainder",
        draw=choose(a=range(2, 11), n=range(40, 200), p=PRIMES[4:12]),
        problem="What is the remainder when $<a>^{<n>}$ is divided by $<p>$?",
        solve=solve_power,
        solution=r"We have $<a>^{<order>} \equiv 1 \pmod{<p>}$ and $<n> = <order> \cdot <times> + "
        r"<rest>$. So the remainder is that of $<a>^{<rest>}$, which is $\boxed{<answer>}$.",
    ),
    Family(
        name="triangle angles",
        draw=choose(a=range(5, 101), half=range(5, 36)),
        problem=r"In triangle $ABC$, $\angle A = <a>^\circ$ and $\angle B = <b>^\circ$. The "
        r"bisector of $\angle C$ meets $AB$ at $D$. How many degrees are in $\angle ACD$?",
        solve=lambda a, half: {"b": 180 - a - 2 * half, "c": 2 * half, "answer": half},
        solution=r"Since $\angle C = 180^\circ - <a>^\circ - <b>^\circ = <c>^\circ$, "
        r"its half in degrees is $\boxed{<answer>}$.",
    ),
    Family(
        name="right triangle",
        draw=choose(n=range(1, 10), gap=range(1, 10), k=range(1, 25)),
        problem="A right triangle has legs $<a>$ and $<b>$. Find the length of its hypotenuse.",
        solve=lambda n, gap, k: {
            "a": (a := k * gap * (2 * n + gap)),
            "b": (b := 2 * k * n * (n + gap)),
            "answer": isqrt(a * a + b * b),
        },
        solution=r"By the Pythagorean theorem it is $\sqrt{<a>^2 + <b>^2} = \boxed{<answer>}$.",
    ),
    Family(
        name="combinations",
        draw=choose(t=range(4, 21), s=range(4, 21), i=range(2, 5), j=range(2, 5)),
        problem="In how many ways can a committee of $<i>$ teachers and $<j>$ students be formed "
        "from $<t>$ teachers and $<s>$ students?",
        solve=lambda t, s, i, j: {"answer": comb(t, i) * comb(s, j)},
        solution="Teachers and students are chosen independently. "
        r"The number of ways is $\binom{<t>}{<i>} \cdot \binom{<s>}{<j>} = \boxed{<answer>}$.",
    ),
    Family(
        name="dice",
        draw=choose(a=range(4, 25), b=range(4, 25), s=range(3, 9)),
        problem="Two fair dice have faces numbered $1$ to $<a>$ and $1$ to $<b>$. "
        "What is the probability that their numbers sum to $<s>$?",
        solve=solve_dice,
        solution=r"The first number can be any from $<low>$ to $<high>$ and fixes the second. Of "
        r"$<a> \cdot <b> = <all>$ equally likely outcomes that is a share of $\boxed{<answer>}$.",
    ),
    Family(
        name="percentage",
        draw=choose(price=range(100, 6001, 100), up=range(10, 91, 10), down=range(10, 91, 10)),
        problem=r"A price of $\$<price>$ rises by $<up>\%$ and then falls by $<down>\%$. "
        "What is it now, in dollars?",
        solve=lambda price, up, down: {"answer": Fraction(price * (100 + up) * (100 - down), 100 * 100)},
        solution=r"The price is now $<price> \cdot \frac{100 + <up>}{100} "
        r"\cdot \frac{100 - <down>}{100} = \boxed{<answer>}$.",
    ),
    Family(
        name="function value",
        draw=choose(a=NONZERO, b=NONZERO, c=NONZERO, t=NONZERO),
        problem="Let $f(x) = <rule>$. What is $f(<t>)$?",
        solve=solve_value,
        solution=r"Putting $x = <t>$ into the rule gives $f(<t>) = <added> = \boxed{<answer>}$.",
    ),
    Family(
        name="least common multiple",
        draw=choose(a=range(12, 200, 4), b=range(204, 500, 6)),
        problem="What is the least common multiple of $<a>$ and $<b>$?",
        solve=lambda a, b: {"gcd": gcd(a, b), "answer": lcm(a, b)},
        solution="The greatest common divisor is $<gcd>$. "
        r"The least common multiple is $\frac{<a> \cdot <b>}{<gcd>} = \boxed{<answer>}$.",
    ),
    Family(
        name="sector area",
        draw=choose(r=range(2, 90), angle=range(15, 360, 15)),
        problem=r"A sector of a circle of radius $<r>$ has a central angle of $<angle>^\circ$. "
        r"Find its area in terms of $\pi$.",
        solve=lambda r, angle: {"answer": latex(Fraction(angle * r * r, 360), r"\pi")},
        solution=r"The area is $\frac{<angle>}{360} \cdot \pi \cdot <r>^2 = \boxed{<answer>}$.",
    ),
    Family(
        name="sum of primes",
        draw=choose(low=range(1, 900), width=range(40, 61)),
        problem="Find the sum of all primes from $<low>$ to $<high>$.",
        solve=solve_primes,
        solution=r"Adding the primes in this range gives $<found> = \boxed{<answer>}$.",
    ),
)


def rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """`count` different problems, the families taking turns; ValueError when all run out."""
    random, seen, turns = Random(seed), set(), deque(FAMILIES)
    while len(seen) < count:
        if not turns:
            raise ValueError(f"asked for {count} different problems, found only {len(seen)}")
        family = turns.popleft()
        drawn = (family.row(random) for _ in range(REPEATS))
        row = next((row for row in drawn if row["problem"] not in seen), None)
        if row is not None:
            seen.add(row["problem"])
            turns.append(family)
            yield row

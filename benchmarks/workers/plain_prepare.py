"""The reference's steps from raw rows to training rows, as a short script does them: nothing is audited.

    python plain_prepare.py train.json train-v2.json

English rows and repeated problems go, each solution is rewritten as a working that is evaluated (what the reference takes
from the published line is taken), each category gets its share of 100 000 rows, and the rows are shuffled.
"""

import json
import math
import random
import re
import sys
from decimal import Decimal
from pathlib import Path

SIZE, CHINESE = 100_000, 538_949
PREFIX = "计算过程："


def number(value, places=4):
    """A number as the reference prints it."""
    if value == int(value):
        return str(int(value))
    return format(Decimal(str(round(value, places))), "f").rstrip("0").rstrip(".")


def evaluated(text):
    """An expression and its value."""
    return f"{text} = {number(eval(text))}"


def equation(a, b, published):
    return f"{a}x = {-int(b)}, x = {-int(b)} / {a}, x = {number(-int(b) / int(a))}"


def mean(values, published):
    values = values.split(", ")
    return evaluated(f"({' + '.join(values)}) / {len(values)}")


def fraction(a, b, published):
    a, b = int(a), int(b)
    g = math.gcd(a, b)
    return (
        f"gcd({a}, {b}) = {g}, {a} / {g} = {a // g}, {b} / {g} = {b // g}, 最简化的形式为：{a // g}/{b // g}"
    )


def discount(a, b, published):
    return f"({a} - {b}) / {a} = {number(eval(f'({a} - {b}) / {a} * 100'), 2)}"


def sales(a, b, published):
    return f"{a} * (1 + {int(b) / 100}) = {number(eval(f'{a} + {a} * {b} / 100'))}"


def function(x, c, n, published):
    return f"{c} * {float(x)} ^ {n} = {published.split('：')[1]}"


KINDS = [
    ("direct", r"计算 (\S+ \S \S+) 等于多少？", lambda text, published: evaluated(text)),
    ("equation", r"解方程 (\S+)x \+ (\S+) = 0", equation),
    ("root", r"计算 (\S+) 的平方根？", lambda a, published: f"√{a} = {number(math.sqrt(float(a)))}"),
    ("power", r"计算 (\S+) 的 (\S+) 次方？", lambda a, n, published: published),
    ("function", r"当 x = (\S+) 时，求函数 y = (\S+)x\^(\S+) 的值", function),
    ("mean", r"求以下数据的平均值：\[(.+)\]", mean),
    ("area", r"一个长方形的长为 (\S+) 厘米，宽为 (\S+) 厘米，请计算其面积。",
     lambda a, b, published: evaluated(f"{a} * {b}")),
    ("discount", r"商品原价为 (\S+) 元，打折后的价格为 (\S+) 元，请计算打折的折扣比例。", discount),
    ("sales", r"去年销售额为 (\S+) 万元，今年销售额增加了 (\S+)%，请计算今年的销售额。", sales),
    ("mass", r"某物体的密度为 (\S+) 克/立方厘米，体积为 (\S+) 立方厘米，请计算该物体的质量。",
     lambda a, b, published: evaluated(f"{a} * {b}")),
    ("fraction", r"将分数 (\d+)/(\d+) 进行简化。", fraction),
]  # fmt: skip
KINDS = [(name, re.compile(pattern), write) for name, pattern, write in KINDS]


def rewritten(problem, published):
    """The kind of a problem, and its working."""
    for name, pattern, write in KINDS:
        match = pattern.fullmatch(problem)
        if match:
            return name, PREFIX + write(*match.groups(), published)
    raise ValueError(problem)


def main(raw, out):
    published = {}
    with Path(raw).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if re.search("[\u4e00-\u9fff]", row["problem"]):
                published.setdefault(row["problem"], row["solution"])
    rows = {}
    for problem, solution in published.items():
        kind, working = rewritten(problem, solution)
        rows.setdefault(kind, []).append({"problem": problem, "solution": working})
    taken = [row for some in rows.values() for row in some[: len(some) * SIZE // CHINESE]]
    random.Random(42).shuffle(taken)
    with Path(out).open("w", encoding="utf-8") as file:
        for row in taken:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

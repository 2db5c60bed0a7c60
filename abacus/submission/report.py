"""The contest's report in Markdown: Chinese, with the English terms; every number is from the run's files."""

import importlib.metadata
import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from abacus.scoring import summary, tables
from abacus.scoring.metrics import ACCURACIES
from abacus.submission.run import Finished
from abacus.text.prompt import READINGS, TEMPLATES

PACKAGES = ("mindspore", "mindformers", "numpy", "tokenizers", "jieba", "dvc")
REAL_QUESTIONS = 2067  # of SQuAD v1.1 dev, one a paragraph: what the contest asks
TRAINED = {"trained": "与训练相同的模板（trained）", "bare": "只给题目，不加模板（bare）"}
YES = {True: "是", False: "否"}
PASSED = {True: "通过", False: "未通过"}


def text(run: Finished, commit: str, clean: bool) -> str:
    """Return the report; `commit` is the code's, `clean` whether the files are as in it."""
    parts = (
        "# 模型微调作品报告（Fine-tuning Report）",
        "本报告由 `make submission` 生成，所有数字均来自本次运行写出的文件。",
        algorithm(run),
        settings(run),
        weights(run),
        environment(),
        reading(run),
        arithmetic(run),
        score(run),
        steps_to_repeat(run, commit, clean),
        FILES,
    )
    return "\n\n".join(parts) + "\n"


def table(titles: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table; a bar within a cell is escaped."""
    lines = [tuple(titles), *rows]
    cells = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    cells.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(cells)


def algorithm(run: Finished) -> str:
    """Model, LoRA and data."""
    model, prompt = run.run.model, run.prompt
    lora, data, recipe = model.pet_config, run.prepared, run.recipe
    before, after, lead = TEMPLATES[prompt.template]
    overlap = run.records.overlap_left_out
    left_out = "" if overlap is None else f"，与评测题目重叠而舍弃 {overlap} 条"
    unlearned = f"（不训练 {'、'.join(recipe.leave_out)}）" if recipe.leave_out else ""
    reading = f"（其中阅读题 {data.replay} 条）" if data.replay else ""
    kinds = [tuple(row[key] for key in ("category", "unique", "train", "test")) for row in run.kinds]
    return f"""## 1. 微调算法与数据集（Algorithm and Data）

基座模型（profile `{run.profile}`）：Llama 结构，{model.num_layers} 层，hidden {model.hidden_size}，注意力头 {model.num_heads}（KV {model.n_kv_heads}），FFN {model.intermediate_size}，词表 {model.vocab_size}，共 {run.asked.base_parameters} 个参数。

微调方法：LoRA，rank {lora.lora_rank}，alpha {lora.lora_alpha:g}，dropout {lora.lora_dropout}，作用于 `{lora.target_modules}`；其余参数全部冻结，参与微调的参数 {run.summary["trainable_parameters"]} 个。

数据集：原始 {data.rows} 条，去掉重复 {data.duplicate} 条后为 {data.unique} 条；再去掉英文 {data.english} 条、答案有误 {data.wrong} 条；其余 {data.verified} 条逐条重新计算，答案一致。抽样方式 `{recipe.mix}`{unlearned}，训练 {data.train} 条{reading}，按题目文本的哈希留出测试 {data.test} 条。解答改写为计算过程（`workings: {recipe.workings}`，`decimals: {recipe.decimals}`）。

{table(("类别（category）", "去重后（unique）", "训练（train）", "测试（test）"), kinds)}

写入 MindRecord {run.records.written} 条，最长 {run.records.longest} 个 token，过长而舍弃 {run.records.too_long} 条{left_out}。训练文本（模板 `{prompt.template}`，BOS：{YES[prompt.bos]}；只有解答与 EOS 计入 loss）：

```text
{before}{{problem}}{after}{lead}{{solution}}
```"""


def settings(run: Finished) -> str:
    """The hyper-parameters."""
    c = run.trained
    schedule, optimizer, parallel = c.lr_schedule, c.optimizer, run.run.typed.parallel_config
    model, settings = run.run.model, run.run.settings
    rate = f"{schedule.type}，峰值 {schedule.learning_rate}，终值 {schedule.lr_end}"
    rows = [
        ("学习率 learning rate", rate),
        ("预热 warmup ratio", schedule.warmup_ratio),
        ("总步数 total steps", schedule.total_steps),
        ("轮数 epochs（向上取整）", c.runner_config.epochs),
        ("全局 batch（行/步）", settings.batch_rows),
        ("seq_length", settings.seq_length),
        ("优化器 optimizer", f"{optimizer.type}，betas {optimizer.betas}，eps {optimizer.eps}"),
        ("weight decay", optimizer.weight_decay),
        ("梯度裁剪 clip by global norm", c.runner_wrapper.max_grad_norm),
        ("参数 / 计算精度 dtype", f"{model.param_init_type} / {model.compute_dtype}"),
        ("并行 data / model parallel", f"{parallel.data_parallel} / {parallel.model_parallel}"),
        ("设备 device", run.run.typed.context.device_target),
        ("随机种子 seed", c.seed),
    ]
    body = table(("参数（parameter）", "值（value）"), rows)
    return f"## 2. 超参配置（Hyper-parameters）\n\n完整配置见 `config.yaml`。\n\n{body}"


def weights(run: Finished) -> str:
    """The five checkpoints."""
    steps = run.run.settings.steps_per_checkpoint
    rows = [
        (
            entry.checkpoint,
            entry.step,
            f"`{entry.file}`" + ("（最优 best）" if entry.best else ""),
            f"`{entry.shard}`",
            entry.merged["sha256"] if entry.merged else "未导出",
        )
        for entry in run.checkpoints
    ]
    titles = (
        "序号",
        "步数（step）",
        "合并后的完整权重（merged）",
        "MindFormers 分片（rank 0）",
        "SHA-256（merged）",
    )
    return (
        "## 3. 微调后的权重（Checkpoints）\n\n"
        f"训练共 {run.trained.lr_schedule.total_steps} 步，每 {steps} 步保存一份，间隔相等，"
        f"共 {len(rows)} 份，以最优的一份计分。LoRA 权重的 SHA-256 见 `checkpoints.json`；"
        "合并后的完整权重由 `make export CHECKPOINT=序号` 生成。\n\n" + table(titles, rows)
    )


def environment() -> str:
    """Versions of what is installed here."""
    rows = [
        ("Python", platform.python_version()),
        ("系统（platform）", f"{platform.system()} {platform.machine()}"),
    ]
    rows += [(name, installed(name)) for name in PACKAGES]
    body = table(("软件（package）", "版本（version）"), rows)
    return f"## 4. 运行环境（Environment）\n\n全部依赖及其哈希见 `code/environment/run.lock`。\n\n{body}"


def installed(package: str) -> str:
    """Return a package's version."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "未安装"


def reading(run: Finished) -> str:
    """The gate: what is left of the base model's reading."""
    base, s, decode = run.metrics[0], run.summary, run.decode
    asked = base["squad_questions"]
    real = (
        "" if asked == REAL_QUESTIONS else f"**注意：只问了 {asked} 题，不是竞赛的 {REAL_QUESTIONS} 题。** "
    )
    rows = [
        ("F1", base["mindformers_f1"], s["gate_f1"], s["mindformers_f1"]),
        ("EM", base["mindformers_em"], s["gate_em"], s["mindformers_em"]),
    ]
    titles = ("MindFormers EmF1Metric", "基座（base）", "阈值（90 %）", f"checkpoint {s['best_checkpoint']}")
    return f"""## 5. 原有能力评估得分（Reading Comprehension）

评测文件 `{run.asked.squad}`，{asked} 题，贪心解码，最多 {decode.reading_new_tokens} 个新 token，min_new_tokens {decode.min_new_tokens}（基座与微调后相同），不加 BOS。{real}结论：**{PASSED[s["gate_passed"]]}**。

{table(titles, rows)}

各 checkpoint（0 为基座；MF 为 MindFormers 的 EmF1Metric，SQuAD 为官方定义，二者不可互比；方括号内为 95 % 置信区间，准确率为 Wilson，F1 为 bootstrap）：

{tables.aligned(tables.table(run.metrics))}

{tables.aligned(tables.finer(run.metrics))}

与基座在相同题目上的比较（McNemar 精确检验，p ≥ 0.05 即无法区分）：

{tables.aligned(tables.differences(run.outcomes, s["best_checkpoint"]))}

提示模板（prompt）：

```text
{READINGS[run.asked.reading]}
```"""


def arithmetic(run: Finished) -> str:
    """Math accuracy, and how an answer is made."""
    decode, best = run.decode, run.summary["best_checkpoint"]
    scores = run.metrics[best]
    rows = [("全部（all）", scores["math_problems"], *accuracies(scores))]
    rows += [(row["category"], row["math_problems"], *accuracies(row)) for row in run.categories]
    titles = ("类别（category）", "题数", "strict（%，95 % 区间）", "tolerant（%，95 % 区间）")
    return f"""## 6. 数学运算准确率与推理方式（Math Accuracy and Inference）

留出的测试题 {scores["math_problems"]} 道，checkpoint {best}。取输出中最后一个数作为答案：strict 按所教的精度相等；tolerant 另许四舍五入到两位小数（一百万以上为六位有效数字）后相等。

{table(titles, rows)}

推理时的提示：{TRAINED[run.asked.template]}；贪心解码，最多 {decode.math_new_tokens} 个新 token，min_new_tokens {decode.min_new_tokens}。任意 `{{"problem": ...}}` 的 JSON Lines 文件，行数不限：

```shell
make predict CHECKPOINT={best} INPUT=test.json OUTPUT=answers.json
```"""


def accuracies(found: Mapping[str, Any]) -> Iterator[str]:
    """Both accuracies of a row, with their intervals; numbers or their texts."""
    for name in ACCURACIES:
        value, low, high = (float(found[key]) for key in (name, *summary.INTERVAL[name]))
        yield tables.interval(f"{value:.2f}", low, high)


def score(run: Finished) -> str:
    """The low-parameter ratio and the final score, to the digit."""
    s: Mapping[str, Any] = run.summary
    ratio = s["ratio_of_8_03e9"]
    lines = [f"低参比例 = {s['trainable_parameters']} / {summary.FIXED_DENOMINATOR} = {ratio}", ""]
    for name in ("strict", "tolerant"):
        accuracy, final = s[f"math_{name}"] / 100, s[f"final_score_{name}"]
        weighted = f"(1 - {ratio}) * {summary.RATIO_WEIGHT} + {accuracy} * {summary.MATH_WEIGHT}"
        lines.append(f"- 最终得分（{name}）= {weighted} = {final}")
    return "## 7. 低参比例与最终得分（Low-parameter Ratio and Final Score）\n\n" + "\n".join(lines)


def steps_to_repeat(run: Finished, commit: str, clean: bool) -> str:
    """Commands, commit and the hashes of the data."""
    rows = [(f"`{out.path}`", out.md5, "" if out.size is None else out.size) for out in run.lock.outs]
    state = "" if clean else "，另有未提交的修改，已包含在 `code/` 中"
    return f"""## 8. 复现（How to Reproduce）

代码在 `code/`（commit `{commit}`{state}）；自备的基座模型如何放置，见 `code/README.md`：

```shell
cd code && git init --quiet && make repro    # 环境、数据、基座、训练、评测
```

各阶段产物的 MD5（取自 `dvc.lock`）：

{table(("文件（file）", "MD5", "字节（bytes）"), rows)}"""


FILES = """## 9. 文件说明（Files）

| 文件 | 内容 |
|---|---|
| `config.yaml` | 微调所用的完整 YAML 配置 |
| `checkpoints.json` | 每份权重的文件名、步数与 SHA-256 |
| `scores.json`、`checkpoints.csv`、`categories/` | 最优权重的得分；所有权重的全部指标；各权重按类别的准确率 |
| `logs/training.csv` | 每一步的 loss 与学习率 |
| `logs/*.log` | 微调与评测的日志（若有） |
| `predictions/` | 最优权重对测试题与阅读题的全部输出 |
| `code/` | 从数据预处理到推理的全部代码与参数 |
| `weights/` | 合并后的完整权重（仅 `WEIGHTS=1`） |"""

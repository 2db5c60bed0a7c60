"""What LoRA's size costs in the contest's final score: python -m benchmarks.ratio [profile] [--score 0.799233].

The final score is (1 - ratio) * 0.3 + accuracy * 0.7, the ratio that of what is trained to 8.03e9.
"""

import argparse

from tabulate import tabulate

from abacus.core.process import run
from abacus.profile.load import profile
from abacus.scoring.summary import FIXED_DENOMINATOR, final_score
from abacus.weights.architecture import lora_parameters

BEST = 0.799233  # the best public final score
MATRICES = {"q, v": ("wq", "wv"), "q, k, v, o": ("wq", "wk", "wv", "wo")}
MATRICES["all seven"] = (*MATRICES["q, k, v, o"], "w1", "w2", "w3")
RANKS = (8, 16, 32, 64, 128)


def rows(name: str, score: float) -> list[list[object]]:
    """A row for each set of matrices and rank: what is trained, and what the score then asks of the accuracy."""
    architecture, found = profile(name).llama.architecture, []
    for matrices, each in MATRICES.items():
        for rank in RANKS:
            trained = lora_parameters(architecture, rank, "|".join(f".*{matrix}" for matrix in each))
            ratio = trained / FIXED_DENOMINATOR
            lost = final_score(0.0, 0.0) - final_score(ratio, 0.0)
            needed = (score - final_score(ratio, 0.0)) / 0.7
            found.append(
                [matrices, rank, f"{trained:,}", f"{ratio:.6f}", f"{lost:.6f}", f"{100 * needed:.2f}"]
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What LoRA's size costs in the final score.")
    parser.add_argument("profile", nargs="?", default="llama3-8b")
    parser.add_argument("--score", type=float, default=BEST)
    asked = parser.parse_args()
    headers = ["matrices", "rank", "trained", "ratio", "score lost", f"accuracy for {asked.score}, %"]
    print(
        tabulate(rows(asked.profile, asked.score), headers=headers, tablefmt="github", disable_numparse=True)
    )


if __name__ == "__main__":
    run(main)

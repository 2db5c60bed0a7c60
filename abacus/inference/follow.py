"""One prompt and what follows it so far: which tokens greedy decoding takes, and a guess at the next ones."""

from collections.abc import Iterable, Sequence

from abacus.text.prompt import Completion, Prompt


class Following:
    """The greedy completion of a prompt, while it grows to at most `max_new` tokens; EOS not before `min_new`."""

    def __init__(self, prompt: Prompt, *, eos_id: int, min_new: int, max_new: int) -> None:
        self.prompt = prompt
        self.max_new = max_new
        self.done = max_new <= 0
        self.reference_nll: float | None = None
        self._eos, self._min_new = eos_id, min_new
        self._ended = False
        self._text: list[int] = []
        self._after: dict[tuple[int, int], int] = {}  # where in the text the token after two others stands
        for token in prompt.ids:
            self._append(token)

    @property
    def last(self) -> int:
        """The last token."""
        return self._text[-1]

    @property
    def position(self) -> int:
        """The position of the last token."""
        return len(self._text) - 1

    def guess(self, count: int) -> list[int]:
        """At most `count` tokens that may come next: those that followed the last two where they stood before.

        No more than are still wanted after the one that is known once the last has been computed.
        """
        place = self._after.get((self._text[-2], self._text[-1])) if self.position else None
        wanted = self.max_new - self._new - 1
        return [] if place is None else self._text[place : place + min(count, wanted)]

    @property
    def _new(self) -> int:
        return len(self._text) - len(self.prompt.ids)

    def accept(self, choices: Iterable[Sequence[int]], guess: Sequence[int]) -> None:
        """Take what the model says next, and next after each token of `guess`, as far as that is right.

        A choice is the likeliest token, and the likeliest that is not EOS.
        """
        for number, (best, other) in enumerate(choices):
            if self.done:
                return
            token = int(other if self._new < self._min_new else best)
            self._ended = token == self._eos
            if not self._ended:
                self._append(token)
            self.done = self._ended or self._new == self.max_new
            if number >= len(guess) or token != guess[number]:
                return

    def completion(self) -> Completion:
        """What has been taken."""
        return Completion(self._text[len(self.prompt.ids) :], self.reference_nll, self._ended)

    def _append(self, token: int) -> None:
        if len(self._text) > 1:
            self._after[self._text[-2], self._text[-1]] = len(self._text)
        self._text.append(token)

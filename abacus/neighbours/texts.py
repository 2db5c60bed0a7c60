"""A profile's prompt as text, for neighbours that make the tokens themselves: rows, and templates of a chat.

The tokens are those of `abacus.text.prompt.Prompter` where what is asked and what is learned are encoded apart, no
special tokens added: tests hold them to it.
"""

import json
import unicodedata
from pathlib import Path

from abacus.core.errors import InputError
from abacus.profile.model import Prompt
from abacus.text.prompt import ALONE, BEGINS, ENDS, READINGS, TEMPLATES
from abacus.text.tokenizer import Tokenizer, from_json


class Texts:
    """Turns problems and answers into a profile's texts; `bos` and `eos` are the tokens as they are spelled."""

    def __init__(self, prompt: Prompt, bos: str, eos: str) -> None:
        self.prompt, self.bos, self.eos = prompt, bos, eos
        self.template = TEMPLATES[prompt.template]

    @classmethod
    def load(cls, prompt: Prompt, base: Path) -> "Texts":
        """The texts for the tokenizer of the base model in the folder `base`."""
        used, inner = Tokenizer.load(base), from_json(base / "tokenizer.json")
        spelled = []
        for key, number in (("bos", used.bos_id), ("eos", used.eos_id)):
            token = inner.id_to_token(number)
            if token is None:
                raise InputError(base, f"{key}_token_id is {number}", "the id of one of its tokens")
            spelled.append(token)
        return cls(prompt, *spelled)

    def row(self, problem: str, answer: str) -> tuple[str, str]:
        """What is asked, and what is learned with its EOS; a reading prompt may be a problem, as in training."""
        alone = problem.startswith(BEGINS) and problem.endswith(ENDS)
        before, after, lead = ALONE if alone else self.template
        bos = self.bos if self.prompt.bos and not alone else ""
        return bos + composed(before + problem + after), composed(lead + answer) + self.eos

    def passage(self, context: str, question: str) -> str:
        """The reading prompt of a question; it never has a BOS."""
        return composed(READINGS[self.prompt.reading].format(context=context, question=question))

    def chat_template(self) -> str:
        """Jinja for a chat: each user's message in the template, each answer as it was learned; no system message."""
        before, after, lead = (json.dumps(text, ensure_ascii=False) for text in self.template)
        bos = f"{{{{ {json.dumps(self.bos)} }}}}" if self.prompt.bos else ""
        user = f"{{{{ {before} + message['content'] + {after} }}}}"
        assistant = f"{{{{ {lead} + message['content'] + {json.dumps(self.eos)} }}}}"
        return (
            f"{bos}{{% for message in messages %}}{{% if message['role'] == 'user' %}}{user}"
            f"{{% elif message['role'] == 'assistant' %}}{assistant}{{% endif %}}{{% endfor %}}"
        )

    def modelfile(self, weights: str, new_tokens: int) -> str:
        """An Ollama Modelfile for the GGUF file `weights` beside it: greedy, as `predict` answers."""
        before, after, _ = self.template
        return (
            f'FROM ./{weights}\nTEMPLATE """{before}{{{{ .Prompt }}}}{after}"""\n'
            f"PARAMETER temperature 0\nPARAMETER repeat_penalty 1\nPARAMETER num_predict {new_tokens}\n"
        )


def composed(text: str) -> str:
    """A text in Unicode's composed form, which is what is tokenised."""
    return unicodedata.normalize("NFC", text)

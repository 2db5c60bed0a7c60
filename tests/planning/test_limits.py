"""What a profile asks for and no run can give is one line that names the key."""

import pytest

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.planning import limits
from abacus.profile import load


def overlaid(name, change):
    document = load.merge(read_yaml(load.PROFILES / load.BASE), read_yaml(load.PROFILES / f"{name}.yaml"))
    return load.parsed(load.merge(document, change), "x", "profile 'x'")


@pytest.mark.parametrize("name", load.names())
def test_every_profile_is_possible(name):
    limits.check(load.profile(name))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("llama3-8b", {"abacus": {"prompt": {"seq_length": 100_000}}},
         "abacus.prompt.seq_length is 100000, expected at most max_position_embedding (8192)"),
        ("tiny", {"abacus": {"decode": {"math_new_tokens": 5000}}},
         "abacus.decode.math_new_tokens is 5000, expected at most 2047"),
        ("tiny", {"model": {"model_config": {"compute_dtype": "float7"}}},
         "model.model_config.compute_dtype is 'float7', expected one of: float32, bfloat16, float16"),
        ("tiny", {"model": {"model_config": {"use_flash_attention": True}}},
         "model.model_config.use_flash_attention is True, expected False on a CPU"),
        ("tiny", {"model": {"model_config": {"pet_config": {"target_modules": "(*"}}}},
         "pet_config.target_modules is '(*', expected a regular expression ("),
        ("tiny", {"model": {"model_config": {"pet_config": {"target_modules": ".*nothing"}}}},
         "pet_config.target_modules is '.*nothing', expected what matches a layer's matrix"),
        ("tiny", {"model": {"model_config": {"pet_config": {"lora_rank": 100_000}}}},
         "pet_config.lora_rank is 100000, expected at most hidden_size (64)"),
        ("tiny", {"lr_schedule": {"warmup_ratio": 2}}, "lr_schedule.warmup_ratio is 2, expected a number from 0"),
        ("tiny", {"optimizer": {"betas": [2, 3]}}, "optimizer.betas is [2, 3], expected two numbers from 0"),
        ("tiny", {"callbacks": [{"type": "MFLossMonitor"}]}, "callbacks is [], expected one AdapterMonitor"),
        ("tiny", {"callbacks": [{"type": "AdapterMonitor", "prefix": "a/b"}]},
         "callbacks is ['a/b'], expected one AdapterMonitor whose prefix is letters"),
        ("llama3-8b", {"context": {"max_device_memory": "58TB!"}},
         "context.max_device_memory is '58TB!', expected a number and GB, as in 58GB"),
        ("llama3-8b", {"context": {"max_device_memory": "infGB"}}, "context.max_device_memory is 'infGB', expected a"),
        ("llama3-8b", {"context": {"max_device_memory": "-5GB"}}, "context.max_device_memory is '-5GB', expected a"),
        ("tiny", {"optimizer": {"betas": [0.9]}}, "optimizer.betas is [0.9], expected two numbers from 0"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_line(name, change, said):
    with pytest.raises(InputError) as error:
        limits.check(overlaid(name, change))
    assert str(error.value).startswith("profile 'x': ")
    assert said in str(error.value)

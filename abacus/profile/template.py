"""The text of a profile for a model of your own, to be filled in by `make profile`."""

TEMPLATE = """\
# {name}: a Llama of {parameters:,} parameters, made by `make profile` from {origin}.
# The model lies in data/models/{name}.
abacus:
  base: {{source: directory}}
  # {why_template}
  prompt: {{template: {template}, bos: {bos}, seq_length: {seq_length}{packing}}} # {why_length}
  decode: {{engine: {engine}, batch_size: 32, math_new_tokens: {new_tokens}}}
  finetune: {{steps_per_checkpoint: {steps}, batch_rows: {batch_rows}}}

lr_schedule: {{learning_rate: {rate}}} # {why_rate}

model:
  model_config:
    hidden_size: {hidden_size}
    num_layers: {num_layers}
    num_heads: {num_heads}
    n_kv_heads: {n_kv_heads}
    intermediate_size: {intermediate_size}
    vocab_size: {vocab_size}
    max_position_embedding: {max_position_embedding}
    rms_norm_eps: {rms_norm_eps}
    theta: {rope_theta}
    bos_token_id: {bos_token_id}{why_bos}
    eos_token_id: {eos_token_id}
    pad_token_id: {pad_token_id}{why_pad}
    pet_config: # the reference run's
      lora_rank: 8
      lora_alpha: 16
      lora_dropout: 0.2
      target_modules: .*wq|.*wv
{device}"""
CPU = """\
    # what the CPU's kernels ask for
    compute_dtype: float32
    layernorm_compute_type: float32
    softmax_compute_type: float32
    rotary_dtype: float32
    param_init_type: float32
    use_rope_slice: true
    fused_rms_norm: false
    use_flash_attention: false

context: {device_target: CPU}
"""
LAYERWISE = """\

runner_wrapper: {type: LayerwiseTrainOneStepCell} # a layer at a time, in a quarter of the memory of MindSpore's one graph
"""
ASCEND = """\
    compute_dtype: bfloat16
    layernorm_compute_type: float32
    softmax_compute_type: float32
    rotary_dtype: float32
    param_init_type: bfloat16
    use_rope_slice: false
    fused_rms_norm: true
    use_flash_attention: true

runner_wrapper: {type: MFTrainOneStepCell}
recompute_config: {recompute: true}

# One NPU; for more of them see llama3-8b.yaml: parallel, parallel_config, use_parallel, auto_trans_ckpt.
context: {device_target: Ascend, max_device_memory: 58GB}
"""

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Decoders as prefill and decode over one cache: the tokens of eager mode, and sessions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import shark_turbine.runtime as rt
from shark_turbine import aot
from torch.export import Dim

LENGTH, VOCABULARY = 24, 64


def gpt2():
    config = transformers.GPT2Config(
        n_layer=2,
        n_embd=32,
        n_head=2,
        n_positions=LENGTH,
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.4,
    )
    return transformers.GPT2LMHeadModel(config)


def llama():
    config = transformers.LlamaConfig(
        num_hidden_layers=2,
        hidden_size=32,
        intermediate_size=48,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LENGTH,
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.4,
    )
    return transformers.LlamaForCausalLM(config)


class Decoder(torch.nn.Module):
    """A causal model over a cache of fixed length, whose tensors are buffers."""

    KEPT = ("keys", "values", "cumulative_length")

    def __init__(self, model, length=LENGTH):
        super().__init__()
        config = model.config
        heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
        self.model = model
        self.cache = transformers.StaticCache(config=config, max_cache_len=length)
        self.cache.early_initialization(
            batch_size=1,
            num_heads=heads,
            head_dim=config.hidden_size // config.num_attention_heads,
            dtype=torch.float32,
            device="cpu",
        )
        for i, layer in enumerate(self.cache.layers):
            for name in self.KEPT:
                self.register_buffer(f"{name}_{i}", getattr(layer, name))

    def forward(self, ids):
        for i, layer in enumerate(self.cache.layers):
            for name in self.KEPT:
                setattr(layer, name, getattr(self, f"{name}_{i}"))
        out = self.model(input_ids=ids, past_key_values=self.cache, use_cache=True)
        return out.logits[0, -1]

    def reset(self):
        for i in range(len(self.cache.layers)):
            getattr(self, f"cumulative_length_{i}").zero_()


def programs(model, length=LENGTH):
    fxb = aot.FxProgramsBuilder(Decoder(model, length))
    n = Dim("n", min=2, max=length)
    example = torch.ones(1, 5, dtype=torch.int64)

    @fxb.export_program(args=(example,), dynamic_shapes={"ids": {1: n}})
    def prefill(module, ids):
        return module(ids)

    @fxb.export_program(args=(example[:, :1],))
    def decode(module, ids):
        return module(ids)

    @fxb.export_program(args=())
    def reset(module):
        module.reset()

    return fxb


def export(model):
    return aot.export(programs(model))


def session(binary):
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


class Generation:
    """One token after the other, greedily."""

    def __init__(self, module, ids):
        self.module = module
        module["reset"]()
        self.logits = module.prefill(np.array([ids], np.int64)).to_host()

    def next(self, count):
        tokens = []
        for _ in range(count):
            tokens.append(int(self.logits.argmax()))
            self.logits = self.module.decode(
                np.array([tokens[-1:]], np.int64)
            ).to_host()
        return tokens


def eager(model, ids, count):
    tokens = list(ids)
    with torch.no_grad():
        for _ in range(count):
            logits = model(torch.tensor([tokens]), use_cache=False).logits
            tokens.append(int(logits[0, -1].argmax()))
    return tokens[len(ids) :]


@pytest.mark.parametrize("make", [gpt2, llama])
def test_decoder(make, tmp_path):
    torch.manual_seed(3)
    model = make().eval()
    binary = export(model).compile(save_to=None, targets=["host"])
    prompts = [[5, 9, 33, 2], [7, 7], [11, 40, 3, 62, 8, 50, 21]]
    want = [eager(model, ids, 12) for ids in prompts]
    assert len(set(want[0])) > 2  # the model says different things

    a, b = session(binary), session(binary)
    for ids, tokens in zip(prompts, want):  # one session, one prompt after the other
        assert Generation(a, ids).next(12) == tokens

    first, second = Generation(a, prompts[0]), Generation(b, prompts[1])
    got = [first.next(6), second.next(6)]  # two sessions in turn
    a.state.save(tmp_path / "half.safetensors")
    logits = first.logits.copy()
    got = [got[0] + first.next(6), got[1] + second.next(6)]
    assert got == want[:2]

    b.state.load(tmp_path / "half.safetensors")  # the second goes on as the first
    second.logits = logits
    assert second.next(6) == want[0][6:]

# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `nn.TransformerEncoderLayer` and `nn.MultiheadAttention` call in inference, spelled
out: one operator for all of a layer, which the compiler does better in parts.

With a mask, or for nested tensors, they stay as they are and run in eager mode.
"""

import torch

F = torch.nn.functional


def _heads(x, weight, bias, heads):
    """q, k, v of x [batch, length, width], each [batch, heads, length, width / heads]."""
    b, n, w = x.shape
    return (
        F.linear(x, weight, bias)
        .view(b, n, 3, heads, w // heads)
        .permute(2, 0, 3, 1, 4)
    )


def _joined(x):
    """[batch, heads, length, part] to [batch, length, width]"""
    b, h, n, d = x.shape
    return x.transpose(1, 2).reshape(b, n, h * d)


def attention(
    query,
    key,
    value,
    embed_dim,
    num_head,
    qkv_weight,
    qkv_bias,
    proj_weight,
    proj_bias,
    mask=None,
    need_weights=True,
    average_attn_weights=True,
    mask_type=None,
):
    """aten::_native_multi_head_attention of one tensor with itself."""
    if mask is not None or query is not key or key is not value or query.is_nested:
        return NotImplemented
    q, k, v = _heads(query, qkv_weight, qkv_bias, num_head)
    if not need_weights:
        y = F.scaled_dot_product_attention(q, k, v)
        return F.linear(_joined(y), proj_weight, proj_bias), query.new_empty(0)
    weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), -1)
    y = F.linear(_joined(weights @ v), proj_weight, proj_bias)
    return y, weights.mean(1) if average_attn_weights else weights


def encoder_layer(
    src,
    embed_dim,
    num_heads,
    qkv_weight,
    qkv_bias,
    proj_weight,
    proj_bias,
    use_gelu,
    norm_first,
    eps,
    norm_weight_1,
    norm_bias_1,
    norm_weight_2,
    norm_bias_2,
    ffn_weight_1,
    ffn_bias_1,
    ffn_weight_2,
    ffn_bias_2,
    mask=None,
    mask_type=None,
):
    """aten::_transformer_encoder_layer_fwd"""
    if mask is not None or src.is_nested:
        return NotImplemented

    def first(x):
        return F.layer_norm(x, (embed_dim,), norm_weight_1, norm_bias_1, eps)

    def second(x):
        return F.layer_norm(x, (embed_dim,), norm_weight_2, norm_bias_2, eps)

    def attend(x):
        y = F.scaled_dot_product_attention(*_heads(x, qkv_weight, qkv_bias, num_heads))
        return F.linear(_joined(y), proj_weight, proj_bias)

    def feed(x):
        y = F.linear(x, ffn_weight_1, ffn_bias_1)
        y = F.gelu(y) if use_gelu else F.relu(y)
        return F.linear(y, ffn_weight_2, ffn_bias_2)

    if norm_first:
        x = src + attend(first(src))
        return x + feed(second(x))
    x = first(src + attend(src))
    return second(x + feed(x))


def decompositions():
    return {
        torch.ops.aten._transformer_encoder_layer_fwd.default: encoder_layer,
        torch.ops.aten._native_multi_head_attention.default: attention,
    }

"""A StableDiffusion3Pipeline of random weights, so small that a test builds it in a fraction of a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from inference.sd3.checkpoint import Checkpoint, Source, find
from inference.sd3.tiny.spelling import CLIP_TOKENS, clip_tokenizer, t5_tokenizer

COMMIT = "b940f670f0eda2d07fbb75229e779da1ad11eb80"
Folder = Callable[[str], Path]
_CLIP_WIDTH = 16
_JOINT_WIDTH = 32


def small_pipeline(
    dtype: torch.dtype = torch.float32,
    *,
    dual: bool = True,
    qk_norm: str | None = "rms_norm",
    t5: bool = True,
    seed: int = 11,
) -> StableDiffusion3Pipeline:
    """All of SD3.5's parts with seeded random weights, about 200,000 of them.

    Pictures are 64 x 64 unless asked otherwise, at most 512 x 512. `dual` gives the first of the two blocks a
    second attention, as in SD3.5 Medium; without `qk_norm` it is SD3's first version; `t5=False` leaves
    the third encoder out.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = _transformer(dual, qk_norm)
        clip = clip_tokenizer()
        encoders = [_clip(len(clip), clip.eos_token_id) for _ in range(2)]
        long = t5_tokenizer() if t5 else None
        third = None if long is None else _t5(len(long))
        vae = _vae()
    pipeline = StableDiffusion3Pipeline(
        transformer=transformer.train(False),
        vae=vae.train(False),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=encoders[0].train(False),
        tokenizer=clip,
        text_encoder_2=encoders[1].train(False),
        tokenizer_2=clip,
        text_encoder_3=None if third is None else third.train(False),
        tokenizer_3=long,
    )
    return pipeline.to(dtype=dtype)


def save_small(folder: Path, pipeline: StableDiffusion3Pipeline | None = None, **options: Any) -> Path:
    """Writes it (or `small_pipeline()`) in diffusers' layout; `options` go to `save_pretrained`."""
    (pipeline or small_pipeline()).save_pretrained(folder, safe_serialization=True, **options)
    return folder


def find_here(source: Source | Path, cache: Path) -> Checkpoint:
    """`find` with all caches below `cache`, the hub's in its `hub`."""
    given = Source(str(source)) if isinstance(source, Path) else source
    environ = {"HOME": str(cache), "XDG_CACHE_HOME": str(cache), "HF_HUB_CACHE": str(cache / "hub")}
    return find(given, environ)


def put_in_hub_cache(cache: Path, repo: str, files: Path, commit: str = COMMIT, ref: str = "main") -> Path:
    """Puts a folder into the cache as the hub's client does: blobs, and a snapshot of links to them."""
    at = cache / f"models--{repo.replace('/', '--')}"
    for number, path in enumerate(sorted(path for path in files.rglob("*") if path.is_file())):
        blob = at / "blobs" / f"{number:040x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link = at / "snapshots" / commit / path.relative_to(files)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    (at / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (at / "refs" / ref).write_text(commit)
    return at


def _transformer(dual: bool, qk_norm: str | None) -> SD3Transformer2DModel:
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        caption_projection_dim=32,
        joint_attention_dim=_JOINT_WIDTH,
        pooled_projection_dim=2 * _CLIP_WIDTH,
        pos_embed_max_size=32,
        dual_attention_layers=(0,) if dual else (),
        qk_norm=qk_norm,
    )
    for name, weight in transformer.named_parameters():
        # Ones would hide a kernel that forgets them.
        if ".norm_q" in name or ".norm_k" in name or ".norm_added_" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return transformer


def _clip(vocabulary: int, end: int) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=_CLIP_WIDTH,
            intermediate_size=2 * _CLIP_WIDTH,
            projection_dim=_CLIP_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=CLIP_TOKENS,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def _t5(vocabulary: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=_JOINT_WIDTH,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.5305,
        shift_factor=0.0609,
    )

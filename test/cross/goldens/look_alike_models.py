"""Tiny models of each family's own architecture with random weights, and how the hub's exports name what goes in and out.

The classes are those of transformers (MobileSAM, which it lacks, is written out below); only sizes are small. Weights are drawn
large enough that every part of a model, position embeddings and layer scales included, shows in its features.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    SamConfig,
    SamModel,
    SamVisionConfig,
    SiglipVisionConfig,
    SiglipVisionModel,
)

WIDTH = 16
VIT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 14,
    "attn_implementation": "eager",
}
SAM_MEAN = (123.675, 116.28, 103.53)
SAM_STD = (58.395, 57.12, 57.375)


@dataclass
class LookAlike:
    """One family: the model, its export's ports, and which shipped manifest it stands for."""

    family: str
    manifest: str
    module: nn.Module
    sizes_px: list[int]
    outputs: list[str]
    input_name: str = "pixel_values"
    # axes that the export leaves free, per port, as optimum names them
    free_axes: dict[str, dict[int, str]] = field(default_factory=dict)
    # features that the tests compare, from the model's named outputs
    summary: str | None = None
    spatial: str | None = None
    prefix_tokens: int = 0


class Named(nn.Module):
    """Gives the outputs of a transformers model in the order of the export."""

    def __init__(self, model: nn.Module, outputs: list[str]):
        super().__init__()
        self.model = model
        self.outputs = outputs

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        results = self.model(pixel_values=pixel_values)
        return tuple(results[name] for name in self.outputs)


def drawn(model: nn.Module, seed: int) -> nn.Module:
    """Random weights, each scaled to its fan-in; norms near one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() >= 2 and ("weight" in name or name.endswith("projection")):
                # scaled to what one output sums over, embeddings to themselves
                is_table = "position_embedding" in name
                fan_in = 4.0 if is_table else parameter[0].numel()
                parameter.copy_(noise * 1.5 / fan_in**0.5)
            elif parameter.dim() == 1 and ("norm" in name or "lambda" in name) and "bias" not in name:
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(0.5 * noise)
    return model.eval()


VISION_AXES = {0: "batch_size", 1: "num_channels", 2: "height", 3: "width"}
TOKEN_AXES = {0: "batch_size", 1: "sequence_length"}
BATCH = {0: "batch_size"}


def look_alikes() -> list[LookAlike]:
    dinov2 = {**VIT, "image_size": 42, "mlp_ratio": 2}
    return [
        LookAlike(
            family="dinov2",
            manifest="dinov2-small",
            module=drawn(Dinov2Model(Dinov2Config(**dinov2)), 1),
            sizes_px=[28, 56],
            outputs=["last_hidden_state", "pooler_output"],
            free_axes={"pixel_values": VISION_AXES, "last_hidden_state": TOKEN_AXES, "pooler_output": BATCH},
            summary="last_hidden_state",
            spatial="last_hidden_state",
            prefix_tokens=1,
        ),
        LookAlike(
            family="dinov2-with-registers",
            manifest="dinov2-with-registers-small",
            module=drawn(
                Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**dinov2, num_register_tokens=4)), 2
            ),
            sizes_px=[28, 56],
            outputs=["last_hidden_state", "pooler_output"],
            free_axes={"pixel_values": VISION_AXES, "last_hidden_state": TOKEN_AXES, "pooler_output": BATCH},
            summary="last_hidden_state",
            spatial="last_hidden_state",
            prefix_tokens=5,
        ),
        LookAlike(
            family="clip",
            manifest="openai-clip-vit-large-patch14-336",
            module=drawn(
                CLIPVisionModelWithProjection(
                    CLIPVisionConfig(**VIT, image_size=56, intermediate_size=32, projection_dim=12)
                ),
                3,
            ),
            sizes_px=[56],
            outputs=["image_embeds"],
            # free in name only: the position embedding is of one size
            free_axes={"pixel_values": VISION_AXES, "image_embeds": BATCH},
            summary="image_embeds",
            spatial="layers.1",
            prefix_tokens=1,
        ),
        LookAlike(
            family="siglip",
            manifest="siglip2-so400m-patch14-384",
            # as 384 = 27 * 14 + 6, so 48 = 3 * 14 + 6: the last pixels of each side are in no patch
            module=drawn(
                SiglipVisionModel(SiglipVisionConfig(**VIT, image_size=48, intermediate_size=32)), 4
            ),
            sizes_px=[48],
            outputs=["last_hidden_state", "pooler_output"],
            free_axes={"pixel_values": BATCH, "last_hidden_state": BATCH, "pooler_output": BATCH},
            summary="pooler_output",
            spatial="last_hidden_state",
        ),
        LookAlike(
            family="sam",
            manifest="sam-vit-base",
            module=SamEncoder(drawn(sam_model(), 5)),
            sizes_px=[64],
            outputs=["image_embeddings", "image_positional_embeddings"],
            free_axes={
                "pixel_values": BATCH,
                "image_embeddings": BATCH,
                "image_positional_embeddings": BATCH,
            },
            spatial="image_embeddings",
        ),
        LookAlike(
            family="mobile-sam",
            manifest="mobile-sam",
            module=MobileSamEncoder(drawn(TinyVit(), 6), side_px=64),
            sizes_px=[64],
            outputs=["image_embeddings"],
            input_name="input_image",
            free_axes={"input_image": {0: "height", 1: "width"}},
            spatial="image_embeddings",
        ),
    ]


def sam_model() -> SamModel:
    vision = SamVisionConfig(
        hidden_size=WIDTH,
        output_channels=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        mlp_ratio=2.0,
        # 4 x 4 patches in windows of 3: windows are padded, as 64 x 64 in windows of 14 are
        window_size=3,
        global_attn_indexes=[1],
        num_pos_feats=6,
        attn_implementation="eager",
    )
    small = {"hidden_size": 12, "image_embedding_size": 4, "image_size": 64, "mask_input_channels": 4}
    return SamModel(SamConfig(vision_config=vision, prompt_encoder_config=small))


class SamEncoder(nn.Module):
    """What optimum exports as vision_encoder.onnx: the embeddings, and those of the positions."""

    def __init__(self, sam: SamModel):
        super().__init__()
        self.vision_encoder = sam.vision_encoder
        self.shared_image_embedding = sam.shared_image_embedding
        self.grid = sam.config.prompt_encoder_config.image_embedding_size

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = self.vision_encoder(pixel_values)[0]
        along = (torch.arange(self.grid) + 0.5) / self.grid
        grid = torch.stack(torch.meshgrid(along, along, indexing="xy"), dim=-1)
        positions = self.shared_image_embedding(grid).permute(2, 0, 1).unsqueeze(0)
        return embeddings, positions.repeat(pixel_values.shape[0], 1, 1, 1)


class TinyVit(nn.Module):
    """TinyViT in outline (arXiv:2207.10666): a convolutional stem, an inverted bottleneck, one attention block, and SAM's neck."""

    def __init__(self, width: int = WIDTH, out: int = 12):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, 2, 1),
        )
        self.bottleneck = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=2 * width),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 1),
        )
        self.merge = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.GELU(), nn.Conv2d(width, width, 3, 2, 1))
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.neck = nn.Conv2d(width, out, 1, bias=False)
        self.neck_norm = nn.LayerNorm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.merge(x + self.bottleneck(x))
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(tokens)).reshape(b, h * w, 3, c).unbind(2)
        attended = torch.softmax(q @ k.transpose(1, 2) / c**0.5, dim=-1) @ v
        tokens = tokens + self.proj(attended)
        x = self.neck(tokens.transpose(1, 2).reshape(b, c, h, w))
        return self.neck_norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MobileSamEncoder(nn.Module):
    """The public export: one picture [height, width, 3] in 0..255, normalised and padded inside the graph."""

    def __init__(self, encoder: TinyVit, side_px: int):
        super().__init__()
        self.encoder = encoder
        self.side_px = side_px

    def forward(self, input_image: torch.Tensor) -> torch.Tensor:
        mean, std = torch.tensor(SAM_MEAN), torch.tensor(SAM_STD)
        x = ((input_image - mean) / std).permute(2, 0, 1).unsqueeze(0)
        height, width = input_image.shape[0], input_image.shape[1]
        return self.encoder(nn.functional.pad(x, (0, self.side_px - width, 0, self.side_px - height)))

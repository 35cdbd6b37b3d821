"""Feature extraction as Theia does it (github.com/bdaiinstitute/theia, scripts/preprocessing): a PyTorch DataLoader decodes and
resizes, the network runs under inference mode, features go as bfloat16 safetensors into WebDataset tars. Engine `torch` is a ViT-S/14
of the same shape in PyTorch; engine `onnx` is the very ONNX file in onnxruntime. Written from the description; no line is Theia's.

Usage: theia_loop.py <engine> <images> <model.onnx> <batch> <workers> <out>    prints {"seconds": ...} of the loop, loading left out."""

import io
import json
import os
import shutil
import sys
import tarfile
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Photos(Dataset):
    def __init__(self, folder):
        self.paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
        bicubic = transforms.InterpolationMode.BICUBIC
        self.transform = transforms.Compose([transforms.Resize((224, 224), bicubic), transforms.ToTensor()])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return i, self.transform(Image.open(self.paths[i]).convert("RGB"))


class Block(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = torch.nn.LayerNorm(width, eps=1e-6)
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, width)
        self.norm2 = torch.nn.LayerNorm(width, eps=1e-6)
        self.mlp = torch.nn.Sequential(torch.nn.Linear(width, 4 * width), torch.nn.GELU(), torch.nn.Linear(4 * width, width))

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm2(x))


class VitSmall(torch.nn.Module):
    def __init__(self, width=384, depth=12, heads=6, patch=14):
        super().__init__()
        self.patch = torch.nn.Conv2d(3, width, patch, patch)
        self.cls = torch.nn.Parameter(torch.zeros(1, 1, width))
        self.position = torch.nn.Parameter(torch.randn(1, 256, width) * 0.02)
        self.blocks = torch.nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = torch.nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        x = self.norm(self.blocks(torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)))
        return x[:, 0], x[:, 1:]


def onnx_model(path, batch):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(pixels):
        rows = len(pixels)
        padded = torch.nn.functional.pad(pixels, (0, 0, 0, 0, 0, 0, 0, batch - rows))
        answers = session.run(["summary", "spatial"], {"pixels": padded.numpy()})
        return tuple(torch.from_numpy(values)[:rows] for values in answers)

    return run


def main():
    engine, images, onnx, batch, workers, out = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]
    from safetensors.torch import save

    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    torch.manual_seed(0)
    model = VitSmall().eval() if engine == "torch" else onnx_model(onnx, batch)
    data = Photos(images)
    with torch.inference_mode():
        model(torch.zeros(batch, 3, 224, 224))
        started = time.perf_counter()
        loader = DataLoader(data, batch_size=batch, num_workers=workers)
        with tarfile.open(os.path.join(out, "features.tar"), "w") as tar:
            for rows, pixels in loader:
                summary, spatial = model(pixels)
                for row, cls, tokens in zip(rows.tolist(), summary.bfloat16(), spatial.bfloat16()):
                    payload = save({"cls_token": cls.clone(), "embedding": tokens.clone()})
                    info = tarfile.TarInfo(f"{row:08d}.safetensors")
                    info.size = len(payload)
                    tar.addfile(info, io.BytesIO(payload))
        print(json.dumps({"seconds": time.perf_counter() - started}))


main()

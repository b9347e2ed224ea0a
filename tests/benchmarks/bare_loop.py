"""Forward, backward and AdamW on random tensors: ``CHECKPOINT``, under bf16 where the CPU has it.

Nothing is loaded, nothing is measured.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformers import AutoModelForImageClassification

BATCH, WARM_UP, STEPS = 8, 3, 40


def main() -> None:
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    attention = "eager" if bf16 else "sdpa"
    model = AutoModelForImageClassification.from_pretrained(sys.argv[1], attn_implementation=attention).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)
    pixels, labels = torch.randn(BATCH, 3, 224, 224), torch.randint(4, (BATCH,))
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            began = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = model(pixel_values=pixels).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    print(json.dumps({"images_per_second": STEPS * BATCH / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()

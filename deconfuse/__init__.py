"""A reproducible workflow for multimodal learning."""

import os

# no AMX, where nobody says otherwise: in bf16 oneDNN's convolutions by it (3.10 to 3.13, torch 2.11 to 2.15) read what nobody wrote, or
# overwrite what they read, where a stride leaves a map one pixel wide, and at times elsewhere. torch looks at this when it is imported
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

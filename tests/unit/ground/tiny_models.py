"""CLIP and SigLIP models of a few kilobytes, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

SIDE = 16
LAYERS = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = LAYERS | {"image_size": SIDE, "patch_size": 8}


def save_tiny_clip(folder: Path) -> Path:
    """A random CLIP with a character tokenizer; 24 text positions."""
    letters = sorted(set(pre_tokenizers.ByteLevel.alphabet()))
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    # The end token has the highest id, as in OpenAI's vocabulary.
    pieces = [piece for piece in pieces if piece != "<|endoftext|>"] + ["<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])
    ends = {"bos_token_id": 0, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    text = LAYERS | {"vocab_size": len(pieces), "max_position_embeddings": 24} | ends
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    CLIPImageProcessorPil(**size).save_pretrained(folder)
    return folder


def save_tiny_siglip(folder: Path) -> Path:
    """A random SigLIP with a word tokenizer; 8 text positions, always padded to the full length."""
    words = ["<pad>", "</s>", "<unk>", "maize", "field", "a", "lake", "spruce", "forest"]
    model = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.Whitespace()
    model.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "model_input_names": ["input_ids"]}
    text = LAYERS | {"vocab_size": len(words), "max_position_embeddings": 8}
    torch.manual_seed(0)
    SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=model, **names).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder

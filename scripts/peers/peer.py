"""One question to the Python peers of `npm run peers`: a job as JSON in, its answer as JSON out.

    python peer.py JOB.json ANSWER.json

It computes with what transformers, peft, tokenizers and TRL are, and knows nothing of how we do it; jobs on TRL are grpo.py's, on projects for it project.py's.
"""
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def versions(_):
    names = ["torch", "transformers", "tokenizers", "trl", "peft", "gguf", "math-verify", "trackio"]
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}


def model_of(job):
    """A policy in float32: a folder, a GGUF file of a folder, or adapters on a base."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    gguf = {"gguf_file": job["gguf"]} if "gguf" in job else {}
    model = AutoModelForCausalLM.from_pretrained(job["folder"], dtype=torch.float32, **gguf)
    if "adapters" in job:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, job["adapters"])
    return model.eval()


def logits(job):
    """Of the last position of each prompt, and the greedy tokens after it."""
    import torch

    model = model_of(job)
    answer = []
    with torch.no_grad():
        for prompt in job["prompts"]:
            ids = torch.tensor([prompt])
            last = model(ids).logits[0, -1].tolist()
            tokens = []
            while len(tokens) < job["greedy"]:
                tokens.append(int(model(ids).logits[0, -1].argmax()))
                if tokens[-1] in job["ends"]:
                    break
                ids = torch.cat([ids, torch.tensor([[tokens[-1]]])], dim=1)
            answer.append({"logits": last, "tokens": tokens})
    return answer


def words_of(job):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(job["folder"])


def templates(job):
    words = words_of(job)
    return [
        words.apply_chat_template(chat["messages"], tokenize=False, add_generation_prompt=chat["addGenerationPrompt"])
        for chat in job["chats"]
    ]


def tokens(job):
    # As the file says. For some tokenizer_class transformers 5 builds another tokenizer than its tokenizer.json describes.
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(Path(job["folder"]) / "tokenizer.json"))
    return [words.encode(text, add_special_tokens=False).ids for text in job["texts"]]


def adapt(job):
    """Saves adapters of random numbers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(job["folder"], dtype=torch.float32)
    settings = LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], target_modules=job["targets"], layers_to_transform=job["layers"], task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, settings)
    for name, tensor in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(tensor, std=0.05)
    model.save_pretrained(job["out"])


def gemma3(job):
    """Saves a small random Gemma 3 in bfloat16: five layers of six look at the nearest tokens, the head is the embedding."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    config = Gemma3TextConfig(
        vocab_size=512, hidden_size=48, intermediate_size=112, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        query_pre_attn_scalar=20, max_position_embeddings=256, sliding_window=job["window"], rope_theta=1e6, rope_local_base_freq=1e4,
        rope_scaling={"rope_type": "linear", "factor": 8.0}, bos_token_id=2, eos_token_id=1, pad_token_id=0,
    )
    assert config.layer_types == ["sliding_attention"] * 5 + ["full_attention"] + ["sliding_attention"] * 2
    torch.manual_seed(job["seed"])
    model = Gemma3ForCausalLM(config)
    for name, tensor in model.named_parameters():
        torch.nn.init.normal_(tensor, std=0.3 if "norm" in name else 0.25)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    model.to(torch.bfloat16).save_pretrained(job["out"])


def supervised(job):
    """Cross-entropy of the completions of rows [prompt | completion], a mean over all their tokens; the gradient of every parameter goes to a file."""
    import torch
    from safetensors.torch import save_file

    model, losses = model_of(job), []
    for row in job["rows"]:
        ids = torch.tensor([row["prompt"] + row["completion"]])
        logits = model(ids).logits[0, len(row["prompt"]) - 1 : -1]
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(row["completion"]), reduction="sum"))
    loss = sum(losses) / sum(len(row["completion"]) for row in job["rows"])
    loss.backward()
    save_file({name: p.grad for name, p in model.named_parameters()}, job["gradients"])
    return {"loss": float(loss.detach())}


def quantised(job):
    """Which tensors of a GGUF differ in a bit from what gguf makes of the numbers of another file."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, quantize
    from safetensors.numpy import load_file

    numbers, different, count = load_file(job["safetensors"]), [], 0
    for tensor in GGUFReader(job["gguf"]).tensors:
        source = job["names"].get(tensor.name)
        if source is None:
            continue
        count += 1
        values = numbers[source].astype(np.float32)
        if tensor.tensor_type == GGMLQuantizationType.F16:
            expected = values.astype(np.float16).view(np.uint8)
        elif tensor.tensor_type == GGMLQuantizationType.F32:
            expected = values.view(np.uint8)
        else:
            expected = quantize(values, tensor.tensor_type)
        if not np.array_equal(expected.ravel(), tensor.data.view(np.uint8).ravel()):
            different.append(tensor.name)
    return {"tensors": count, "different": different}


def verdict(pair):
    from math_verify import parse, verify

    gold, answer = pair
    return bool(verify(parse(f"${gold}$"), parse("\\boxed{" + answer + "}")))


def verdicts(job):
    """Math-Verify's, of a gold in dollar signs and an answer in a box; in processes, for each takes a few hundredths of a second."""
    from multiprocessing import Pool

    with Pool(min(8, os.cpu_count() or 1)) as pool:
        return pool.map(verdict, job["pairs"], chunksize=100)


def main():
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    jobs = {f.__name__: f for f in (versions, logits, templates, tokens, adapt, gemma3, supervised, quantised, verdicts)}
    if job["kind"] in jobs:
        answer = jobs[job["kind"]](job)
    elif job["kind"] in ("project", "readme", "judged"):
        import project

        answer = getattr(project, job["kind"])(job)
    else:
        import grpo

        answer = {"batch": grpo.batch, "curve": grpo.curve, "speed": grpo.speed}[job["kind"]](job)
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()

"""tools/compare-torch-training.py MODEL [--batch 8] [--window 256] [--steps 5] [--modes f32,bf16,kd]: steps of training with torch on the CPU.

The counterpart of `lmtool bench MODEL --training`: the same model directory (LLaMA shape), random tokens, AdamW with clipping at 1. "bf16" is
autocast; "kd" is a step in f32 towards a teacher of the same shape, half cross-entropy, half KL at a temperature of 2 (times 4). One line each:
mode, tokens per second (median, best) and the peak memory of a process of its own. With --make a LLaMA of 15 M parameters (dim 288, 6 layers,
6 heads, MLP 768, vocabulary 32,000, tied) of random weights is written to MODEL first. Needs torch and transformers; written with 2.15 and 5.23.
"""
import argparse, os, resource, statistics, subprocess, sys, time


def measure(args, mode):
    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    def load():
        return AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)

    model = load().train()
    teacher = load().eval() if mode == "kd" else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    tokens = torch.randint(0, model.config.vocab_size, (args.batch, args.window))
    rates = []
    for step in range(args.steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
            logits = model(tokens, use_cache=False).logits[:, :-1]
        logits = logits.reshape(-1, logits.shape[-1])
        loss = F.cross_entropy(logits.float(), tokens[:, 1:].reshape(-1))
        if teacher is not None:
            with torch.no_grad():
                theirs = teacher(tokens, use_cache=False).logits[:, :-1].reshape(logits.shape)
            kl = F.kl_div(F.log_softmax(logits / 2, -1), F.log_softmax(theirs / 2, -1), log_target=True, reduction="batchmean")
            loss = 0.5 * loss + 0.5 * 4 * kl
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step:
            rates.append(args.batch * args.window / (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{mode:5} {statistics.median(rates):8.0f} tokens/s, best {max(rates):8.0f}, peak {peak / 1e6:8.0f} MB", flush=True)


def make(path):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=288, intermediate_size=768, num_hidden_layers=6, num_attention_heads=6, vocab_size=32000,
        max_position_embeddings=2048, tie_word_embeddings=True)
    LlamaForCausalLM(config).save_pretrained(path)


parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--window", type=int, default=256)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--modes", default="f32,bf16,kd")
parser.add_argument("--make", action="store_true")
parser.add_argument("--only", help=argparse.SUPPRESS)
args = parser.parse_args()
if args.make:
    make(args.model)
elif args.only:
    measure(args, args.only)
else:
    for mode in args.modes.split(","):
        subprocess.run([sys.executable, __file__] + sys.argv[1:] + ["--only", mode], check=True)

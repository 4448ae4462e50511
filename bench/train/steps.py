"""Training steps of a Llama block model with PyTorch, for the bench: reads a task a line, answers with a line of JSON."""
import json, resource, struct, sys, time
import torch
import torch.nn.functional as F


def read_weights(folder):
    with open(folder + "/model.safetensors", "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])
        found[name] = values.clone()
    return found


def stacked(weights, layer, names):
    return torch.cat([weights[f"model.layers.{layer}.{name}.weight"] for name in names])


task = json.loads(sys.stdin.readline())
torch.set_num_threads(task["threads"])
width, heads, layers, length = task["width"], task["heads"], task["layers"], task["length"]
head = width // heads
weights = read_weights(task["weights"])
parameter = lambda values: torch.nn.Parameter(values.contiguous())
embedding = parameter(weights["model.embed_tokens.weight"])
last_norm = parameter(weights["model.norm.weight"])
blocks = [
    {
        "norm1": parameter(weights[f"model.layers.{i}.input_layernorm.weight"]),
        "qkv": parameter(stacked(weights, i, ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])),
        "out": parameter(weights[f"model.layers.{i}.self_attn.o_proj.weight"]),
        "norm2": parameter(weights[f"model.layers.{i}.post_attention_layernorm.weight"]),
        "gate_up": parameter(stacked(weights, i, ["mlp.gate_proj", "mlp.up_proj"])),
        "down": parameter(weights[f"model.layers.{i}.mlp.down_proj.weight"]),
    }
    for i in range(layers)
]
frequencies = 1 / 10000 ** (torch.arange(0, head, 2) / head)
angles = torch.arange(length)[:, None] * frequencies[None]
cosine, sine = angles.cos(), angles.sin()


def rotated(x):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1).to(x.dtype)


def forward(tokens):
    x = F.embedding(tokens, embedding)
    batch = x.shape[0]
    for block in blocks:
        normed = F.rms_norm(x, (width,), block["norm1"], 2**-17)
        q, k, v = F.linear(normed, block["qkv"]).view(batch, length, 3, heads, head).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        x = x + F.linear(attended.transpose(1, 2).reshape(batch, length, width), block["out"])
        normed = F.rms_norm(x, (width,), block["norm2"], 2**-17)
        gate, up = F.linear(normed, block["gate_up"]).chunk(2, -1)
        x = x + F.linear(F.silu(gate) * up, block["down"])
    return F.linear(F.rms_norm(x, (width,), last_norm, 2**-17), embedding)


parameters = [embedding, last_norm] + [values for block in blocks for values in block.values()]
matrices = [values for values in parameters if values.dim() > 1]
vectors = [values for values in parameters if values.dim() == 1]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": task["weightDecay"]}, {"params": vectors, "weight_decay": 0.0}],
    lr=task["learningRate"], betas=(task["beta1"], task["beta2"]), eps=task["epsilon"],
)
tokens = torch.tensor(task["tokens"]).view(-1, length)
targets = torch.tensor(task["targets"])


def step():
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=task["precision"] == "bf16"):
        logits = forward(tokens)
    loss = F.cross_entropy(logits.float().view(targets.numel(), -1), targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return loss.item()


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    steps = json.loads(line)["steps"]
    clock, processor = time.perf_counter(), processor_seconds()
    losses = [step() for _ in range(steps)]
    print(
        json.dumps(
            {
                "losses": losses,
                "seconds": time.perf_counter() - clock,
                "processorSeconds": processor_seconds() - processor,
            }
        ),
        flush=True,
    )

"""What a training holds in the memory of each process, part by part, from a model's sizes and a recipe.

States of the optimizer as in ZeRO (Rajbhandari et al. 2020, arXiv 1910.02054, section 3), with what DeepSpeed 0.19.8 adds to them, and
activations of a decoder as transformers 5 computes it, without a [rows, time, vocabulary] tensor. Of each: bytes that are held at
once at most. What it leaves out is the fragmentation of the allocator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from verizero.config.model_shape import ModelShape
from verizero.config.optimizers import Optimizer

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2}
BUCKET = 500_000_000
"""Gradients that DeepSpeed reduces at once, `reduce_bucket_size` in `training/trained_module.py`."""
LIVE_AT_ONCE = 1_000_000_000
"""Gathered weights that ZeRO 3 keeps between uses: DeepSpeed's `stage3_max_live_parameters`."""
HEAD_COPIES = 3
"""Float32 tensors as large as a chunk of logits that its backward pass holds at once; measured."""
EMBEDDED_CACHE = {"cpu": GIB, "cuda": 8 * GIB}
"""Keys and values that the engine `transformers` may hold, `CACHE_BYTES` in `rollout/start.py`."""
VLLM_ASLEEP = 2 * GIB
"""Assumed of what vLLM keeps while it sleeps, outside its weights and cache: buffers, compiled code, NCCL; no GPU has been asked."""
INTERPRETER = 4 * GIB
"""Assumed of Python, torch and the CUDA libraries in the memory of the machine, for each process."""
ENGINE_SHARE = 0.5
"""Of a GPU that vLLM takes while it samples."""
CUDA_CONTEXT = 2 * GIB
"""Assumed of the CUDA context, kernels and NCCL's buffers; no GPU has been asked."""


@dataclass(frozen=True)
class Placement:
    """On what a run is computed; nothing of it is part of the run's identity."""

    processes: int = 1
    micro_batch_tokens: int = 2048
    offload_optimizer: bool = False
    on_gpu: bool = True
    gpu_gib: float | None = None
    """Memory of a GPU; where it is not known, what an engine that takes a share of it takes is not either."""
    engine_share: float = ENGINE_SHARE
    tensor_parallel: int = 1
    """Processes that share one vLLM."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one process by part."""

    always: dict[str, float]
    """Held while it samples and while it trains."""
    training: dict[str, float]
    """Besides, in the training phase, at its highest."""
    rollout: dict[str, float]
    """Besides, while it samples."""
    host: dict[str, float]
    """In the memory of the CPU instead of the GPU's."""

    @property
    def peaks(self) -> dict[str, float]:
        """Phase -> bytes."""
        held = sum(self.always.values())
        return {"training": held + sum(self.training.values()), "rollout": held + sum(self.rollout.values())}


def memory_of(shape: ModelShape, recipe: Optimizer, where: Placement, chunk_logits: int) -> Memory:
    """Bytes of one process by part; of several, the same on each.

    Args:
        chunk_logits: logits held at a time, `CHUNK_LOGITS` in `policy/logprobs.py`.
    """
    always, training, host = learner_states(shape.parameters, shape.embedding, recipe, where)
    if recipe.critic:
        valued = shape.embedding + shape.decoder + shape.width + 1
        critic = learner_states(valued, shape.embedding, recipe, where)
        always["critic"], host["critic"] = sum(critic[0].values()), sum(critic[2].values())
        training["gradients"] = max(training["gradients"], critic[1]["gradients"])  # their updates follow each other
    if recipe.kl.coefficient:
        always["reference policy"] = shape.parameters * BYTES[recipe.train_dtype]
    if where.on_gpu:
        always["CUDA context, assumed"] = CUDA_CONTEXT
    if where.on_gpu and recipe.rollout.engine == "vllm":
        training["vLLM asleep, assumed"] = VLLM_ASLEEP
    row = recipe.rollout.max_prompt_tokens + recipe.rollout.max_tokens
    keys = row / recipe.rollout.max_tokens
    training["activations"] = activation_bytes(shape, recipe, max(where.micro_batch_tokens, row), keys, where.on_gpu)
    training["logits"] = 4.0 * HEAD_COPIES * min(chunk_logits, max(where.micro_batch_tokens, row) * shape.vocabulary)
    if where.on_gpu:
        host["the model while it loads"] = float(shape.parameters * BYTES[recipe.train_dtype])
        host["libraries, assumed"] = INTERPRETER
    return Memory(always, training, engine_bytes(shape, recipe, where), {n: v for n, v in host.items() if v})


def learner_states(
    parameters: int, largest: int, recipe: Optimizer, where: Placement
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """What DeepSpeed holds of a model: always, while gradients are there, and in the memory of the CPU; bytes by part.

    Of each parameter: the weight in the precision of training, a float32 master weight and two float32 moments; the last
    three, from ZeRO 2 on the gradient and in ZeRO 3 the weight are shared out over the processes.

    Besides, as counted: ZeRO 1 in bfloat16 keeps float32 gradients for good and those of a micro-batch until it ends; its
    other forms hold float32 gradients twice; ZeRO 3 keeps its part of them. A bucket of gradients is under way in ZeRO 2 and 3, two
    where communication overlaps. The largest tensor is there once more, with offload twice, and once in the CPU's memory.

    Args:
        largest: elements of the largest tensor.
    """
    size, stage, share = BYTES[recipe.train_dtype], recipe.zero_stage, parameters / where.processes
    bucket, offload = float(min(parameters, BUCKET) * size), where.offload_optimizer
    bf16_optimizer = stage == 1 and size == 2 and not offload
    always = {"weights": float(size * (share if stage == 3 else parameters))}
    training: dict[str, float] = {}
    if bf16_optimizer:
        always["gradients, float32"] = 4.0 * parameters
        training["gradients"] = float(size * parameters)
    elif stage == 1:
        training["gradients"] = 8.0 * parameters
    elif stage == 2:
        training["gradients"] = 4.0 * share
        training["gradients under way"] = bucket * (2 if where.on_gpu else 1)
    else:
        always |= {"gradients, float32": 4.0 * share, "gradients under way": bucket}
        training["gradients"] = 0.0
        if where.processes > 1:
            training["gathered weights"] = float(size * min(parameters - share, LIVE_AT_ONCE))
    copies = 0 if stage == 3 or bf16_optimizer else 2 if offload else 1
    if copies:
        always["largest tensor again"] = float(copies * size * largest)
    states = {"master weights": 4.0 * share, "Adam's moments": 8.0 * share}
    if not offload:
        return always | states, training, {}
    passing = {"gradients of the update": 4.0 * share}
    if stage < 3:
        passing |= {"updated weights": size * share, "largest tensor": float(size * largest)}
    return always, training, states | passing


def activation_bytes(shape: ModelShape, recipe: Optimizer, tokens: int, keys: float, on_gpu: bool) -> float:
    """What the backward pass over the layers of one micro-batch needs, in bytes.

    Of each token in each layer, with elements of e bytes: two norms keep their input in float32 and their result,
    2 (4 + e) d; the inputs of the projections, 2 e d; queries, keys, values and what attention gives, e (2 h_q + 2 k h_kv)
    and a float32 number for each head; the gated MLP's four, 4 e m. On a CPU attention is in float32, and its result in the precision
    of training is kept besides. With checkpointing only each layer's input is kept, e d, and one layer at a time is computed again.

    Args:
        keys: k, the keys for each token: above 1, because each response has its prompt's before its own.
    """
    size, width = BYTES[recipe.train_dtype], shape.width
    norm = (4 + size) * width
    queries, known = shape.heads * shape.head_width, keys * shape.kv_heads * shape.head_width
    attention = (size if on_gpu else 4) * 2 * (queries + known) + 4 * shape.heads + (0 if on_gpu else size * queries)
    if shape.head_norms:
        attention += (4 + size) * (shape.heads + shape.kv_heads) * shape.head_width
    layer = 2 * norm + 2 * size * width + attention + 4 * size * shape.mlp_width
    if recipe.gradient_checkpointing:
        return float(tokens * (shape.layers * size * width + norm + layer))
    return float(tokens * (shape.layers * layer + norm))


def engine_bytes(shape: ModelShape, recipe: Optimizer, where: Placement) -> dict[str, float]:
    """What the engine holds while it samples: vLLM its share of the GPU; the embedded one a cache, and weights of its own
    where the learner's are in pieces or of another precision.
    """
    size = BYTES[recipe.rollout.dtype]
    if recipe.rollout.engine == "vllm":
        return {"vLLM": where.engine_share * where.gpu_gib * GIB} if where.gpu_gib else {}
    own = recipe.zero_stage == 3 or recipe.rollout.dtype != recipe.train_dtype
    found = {"the engine's weights": float(size * shape.parameters)} if own else {}
    reach = recipe.rollout.max_prompt_tokens + recipe.rollout.max_tokens
    wanted = recipe.rollout.prompts * recipe.rollout.samples * reach * shape.kv_bytes(size) / where.processes
    return found | {
        "keys and values": float(
            min(wanted, max(EMBEDDED_CACHE["cuda" if where.on_gpu else "cpu"], reach * shape.kv_bytes(size)))
        )
    }


def cache_tokens(shape: ModelShape, recipe: Optimizer, where: Placement) -> int | None:
    """Tokens whose keys and values fit into vLLM's shares beside its weights; None where vLLM or the GPU is not known.

    Processes that share one vLLM hold a part of the weights and of each token's keys and values.
    """
    if recipe.rollout.engine != "vllm" or where.gpu_gib is None:
        return None
    size = BYTES[recipe.rollout.dtype]
    left = where.engine_share * where.gpu_gib * GIB - size * shape.parameters / where.tensor_parallel
    return max(0, int(left * where.tensor_parallel / shape.kv_bytes(size)))


@dataclass(frozen=True)
class Change:
    """One thing to do for less memory, with what was done before it."""

    words: str
    recipe: Optimizer
    where: Placement


def changes(shape: ModelShape, recipe: Optimizer, where: Placement) -> list[Change]:
    """What makes a run smaller, what costs least time first; each builds on those before it."""
    found: list[Change] = []

    def add(words: str, how: Optimizer, place: Placement) -> None:
        if (how, place) != (found[-1].recipe if found else recipe, found[-1].where if found else where):
            found.append(Change(words, how, place))

    row = recipe.rollout.max_prompt_tokens + recipe.rollout.max_tokens
    place = where
    if recipe.rollout.engine == "vllm" and where.gpu_gib:
        own = BYTES[recipe.rollout.dtype] * shape.parameters / where.tensor_parallel / (where.gpu_gib * GIB)
        least = int(100 * own) + 15
        if least < 100 * place.engine_share:
            place = replace(place, engine_share=least / 100)
            add(
                f"runtime.vllm_train_memory_percent: {least} (a smaller cache, so fewer sequences at once)",
                recipe,
                place,
            )
    place = replace(place, micro_batch_tokens=min(where.micro_batch_tokens, row))
    add(f"runtime.micro_batch_tokens: {place.micro_batch_tokens} (one row; more passes)", recipe, place)
    how = recipe.model_copy(update={"gradient_checkpointing": True})
    add("gradient_checkpointing: true in the optimizer (a third more arithmetic)", how, place)
    for stage, cost in ((2, "gradients are shared out"), (3, "weights too; they are gathered in each pass")):
        if where.processes > 1 and stage > how.zero_stage:
            how = how.model_copy(update={"zero_stage": stage})
            add(f"zero_stage: {stage} in the optimizer ({cost})", how, place)
    place = replace(place, offload_optimizer=True)
    add("runtime.offload_optimizer: true (each update crosses to the CPU and back)", how, place)
    for times in (2, 4, 8):
        how = how.model_copy(update={"zero_stage": 3})
        add(
            f"{times} times as many GPUs, with zero_stage: 3 (runtime.gpus, runtime.nodes)",
            how,
            replace(place, processes=where.processes * times),
        )
    return found

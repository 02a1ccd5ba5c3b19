rule train:
    input:
        model="results/models/{model}/manifest.json",
        dataset="results/datasets/{dataset}/manifest.json",
        validation=PLAN.validation_manifests(),
    output:
        "results/runs/{model}.{dataset}.{template}.{optimizer}.s{seed}/manifest.json",
    log:
        "results/logs/train/{model}.{dataset}.{template}.{optimizer}.s{seed}.log",
    benchmark:
        "results/benchmarks/train/{model}.{dataset}.{template}.{optimizer}.s{seed}.jsonl"
    threads: knob("train_threads") * max(1, knob("gpus"))
    resources:
        **placement(knob("nodes")),
        **vllm("train"),
        gpu=knob("gpus") * knob("nodes"),
        processes=knob("gpus"),
        of_nodes=knob("nodes"),
        process_threads=knob("train_threads"),
        mem_mb=knob("mem_mb") * max(1, knob("gpus")),
        runtime=knob("train_minutes"),
        micro_batch_tokens=knob("micro_batch_tokens"),
        offload_optimizer=int(knob("offload_optimizer")),
        stall_minutes=knob("stall_minutes"),
    params:
        spec=spec_of("train", "{model}.{dataset}.{template}.{optimizer}.s{seed}"),
        code=code_of("train"),
    message:
        "Train {wildcards.model} with {wildcards.optimizer} on {wildcards.dataset}, template {wildcards.template}, seed {wildcards.seed}"
    shell:
        "{JOB_PYTHON} scripts/launch.py --processes {resources.processes} --nodes {resources.of_nodes} --cores {threads} --"
        " scripts/train.py --spec {params.spec:q}"
        " --run {wildcards.model}.{wildcards.dataset}.{wildcards.template}.{wildcards.optimizer}.s{wildcards.seed}"
        " --model {input.model} --dataset {input.dataset} --validation {input.validation} --out {output}"
        " --threads {resources.process_threads} --micro-batch-tokens {resources.micro_batch_tokens} --minutes {resources.runtime}"
        " --vllm-memory-percent {resources.vllm_memory_percent} --vllm-tensor-parallel {resources.vllm_tensor_parallel}"
        " --vllm-eager {resources.vllm_eager} --vllm-cpu-cache-gib {resources.vllm_cpu_cache_gib}"
        " --offload-optimizer {resources.offload_optimizer}"
        " --stall-minutes {resources.stall_minutes} 2>> {log}"
